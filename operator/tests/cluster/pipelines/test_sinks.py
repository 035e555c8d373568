"""Pipelines with other sources and sinks: their connectors are made, told of, put back and removed."""

import copy
import json
from typing import Any

from clickstream_local.testing.eventually import eventually
from operator_support.cluster.standins import PLUGINS, STRIMZI
from operator_support.cluster.world import PASSWORD, World, path_of, secret
from operator_support.source_documents import SINK, SOURCE

S3 = SINK["connector"]["class"]  # type: ignore[index]
MYSQL = str(SOURCE["class"])


def connectors(world: World, shop: str) -> dict[str, Any]:
    """Return the KafkaConnectors by name."""
    found = world.plane.items(f"{STRIMZI}/namespaces/{shop}/kafkaconnectors")
    return {each["metadata"]["name"]: each for each in found}


def add_plugins(world: World, shop: str, *plugins: str) -> None:
    """Let the Connect have more plugins."""
    status = {"connectorPlugins": [{"class": p, "type": "sink"} for p in (*PLUGINS, *plugins)]}
    path = f"{STRIMZI}/namespaces/{shop}/kafkaconnects/events-connect"
    world.plane.merge(f"{path}/status", {"status": status})


def add_secret(world: World, shop: str, name: str, **values: str) -> None:
    """Make a Secret."""
    path = f"/api/v1/namespaces/{shop}/secrets"
    world.plane.request("POST", path, secret(shop, name, **values))


def ask(world: World, shop: str, **spec: Any) -> None:
    """Change the spec."""
    world.plane.merge(path_of(shop), {"spec": spec})


def test_pipeline_without_profiles_and_search_needs_no_connect(world: World, shop: str) -> None:
    world.plane.request("DELETE", f"{STRIMZI}/namespaces/{shop}/kafkaconnects/events-connect")
    world.plane.request("DELETE", f"/api/v1/namespaces/{shop}/secrets/postgres-credentials")
    world.standins.status["index_ready"] = False
    world.create(shop, source=None, sink=None, connect=None)
    world.wait_ready(shop)
    assert connectors(world, shop) == {}
    reasons = {
        kind: world.condition(shop, kind)["reason"]
        for kind in ("SourceReady", "ConnectorsReady", "ProfilesLoaded", "IndexReady")
    }
    assert reasons == {
        "SourceReady": "NoSource",
        "ConnectorsReady": "NoConnectors",
        "ProfilesLoaded": "NoSource",
        "IndexReady": "NoSearch",
    }
    topics = {t["spec"]["topicName"] for t in world.plane.items(f"{STRIMZI}/namespaces/{shop}/kafkatopics")}
    assert not topics & {"user-profiles", f"{shop}.storefront-notifications"}
    text = world.plane.get(f"/api/v1/namespaces/{shop}/configmaps/storefront-settings")["data"][
        "settings.json"
    ]
    settings = json.loads(text)
    assert settings["settingsVersion"] == 5
    assert settings["processing"]["join"]["type"] == "none"


def test_search_that_is_taken_away_takes_its_connector_along_and_comes_back(world: World, shop: str) -> None:
    world.create(shop)
    world.wait_ready(shop)
    ask(world, shop, sink=None)
    eventually(lambda: set(connectors(world, shop)) == {"storefront-profiles"}, "the sink is gone")
    world.wait_ready(shop)
    eventually(lambda: [e for e in world.events(shop) if e["reason"] == "SinkRemoved"], "it is an Event")
    ask(world, shop, sink={"search": {"url": "http://search:9200"}})
    eventually(lambda: "storefront-search" in connectors(world, shop), "the sink is back")
    world.wait_ready(shop)


def test_sink_waits_for_plugin_and_secret_and_goes_when_it_is_not_asked_for(world: World, shop: str) -> None:
    world.create(shop)
    world.wait_ready(shop)
    ask(world, shop, sinks=[SINK])
    eventually(
        lambda: world.condition(shop, "SecretsResolved")["reason"] == "Missing", "its Secret is missing"
    )
    assert "s3" in world.condition(shop, "SecretsResolved")["message"]
    add_secret(world, shop, "s3", secret=PASSWORD)
    eventually(lambda: world.condition(shop, "ConnectorsReady")["reason"] == "PluginMissing", "no plugin")
    assert S3 in world.condition(shop, "ConnectorsReady")["message"]
    add_plugins(world, shop, S3)
    world.wait_ready(shop)
    made = connectors(world, shop)["storefront-sink-lake"]["spec"]
    assert (made["class"], made["tasksMax"]) == (S3, 2)
    assert made["config"]["topics"] == "enriched-clicks"
    assert made["config"]["aws.secret.access.key"] == f"${{secrets:{shop}/s3:secret}}"
    assert "All 3 connectors" in world.condition(shop, "ConnectorsReady")["message"]

    other = copy.deepcopy(SINK) | {"name": "warehouse", "topic": "metrics"}
    ask(world, shop, sinks=[SINK, other])
    eventually(lambda: "storefront-sink-warehouse" in connectors(world, shop), "another sink")
    ask(world, shop, sinks=[other])
    eventually(lambda: "storefront-sink-lake" not in connectors(world, shop), "the first is gone")
    world.wait_ready(shop)
    assert {"storefront-profiles", "storefront-search", "storefront-sink-warehouse"} == set(
        connectors(world, shop)
    )


def test_sink_that_somebody_changes_or_deletes_is_put_back(world: World, shop: str) -> None:
    add_secret(world, shop, "s3", secret=PASSWORD)
    add_plugins(world, shop, S3)
    world.create(shop, sinks=[SINK])
    world.wait_ready(shop)
    path = f"{STRIMZI}/namespaces/{shop}/kafkaconnectors/storefront-sink-lake"
    world.plane.merge(path, {"spec": {"state": "stopped", "config": {"topics": "user-clicks"}}})
    eventually(
        lambda: (
            (world.plane.get(path)["spec"]["state"], world.plane.get(path)["spec"]["config"]["topics"])
            == ("running", "enriched-clicks")
        ),
        "it is put right",
    )
    before = world.plane.get(path)["metadata"]["uid"]
    world.plane.request("DELETE", path)
    eventually(lambda: (world.plane.get(path) or {"metadata": {"uid": before}})["metadata"]["uid"] != before)
    world.wait_ready(shop)


def test_failing_sink_is_told_without_its_secret(world: World, shop: str) -> None:
    add_secret(world, shop, "s3", secret=PASSWORD)
    add_plugins(world, shop, S3)
    world.create(shop, sinks=[SINK])
    world.wait_ready(shop)
    world.standins.failing["storefront-sink-lake"] = f"ConnectException: no bucket for {PASSWORD}"
    eventually(lambda: "no bucket for" in world.condition(shop, "ConnectorsReady")["message"])
    assert world.condition(shop, "ConnectorsReady")["reason"] == "Failed"
    assert "storefront-sink-lake, task 0 fails since" in world.condition(shop, "ConnectorsReady")["message"]
    assert PASSWORD not in json.dumps([world.pipeline(shop), world.events(shop)])
    world.standins.failing.clear()


def test_source_connector_fills_the_profiles_and_goes_with_a_deleted_pipeline(
    world: World, shop: str
) -> None:
    add_secret(world, shop, "mysql", password=PASSWORD)
    add_secret(world, shop, "s3", secret=PASSWORD)
    add_plugins(world, shop, S3, MYSQL)
    world.create(shop, source={"postgres": None, "connector": SOURCE}, sinks=[SINK], deletionPolicy="Delete")
    world.wait_ready(shop)
    made = connectors(world, shop)["storefront-profiles"]["spec"]
    assert made["class"] == MYSQL
    assert made["config"]["transforms"] == "flat,clickstreamProfiles"
    assert made["config"]["transforms.clickstreamProfiles.replacement"] == "user-profiles"
    assert made["config"]["database.password"] == f"${{secrets:{shop}/mysql:password}}"
    assert world.condition(shop, "SourceReady")["reason"] == "Connector"
    world.standins.status["phase"] = "waiting"
    eventually(lambda: world.condition(shop, "ProfilesLoaded")["reason"] == "TooFew", "it waits for profiles")
    assert "1000 records" in world.condition(shop, "ProfilesLoaded")["message"]
    world.standins.status["phase"] = "running"
    world.wait_ready(shop)
    world.plane.request("DELETE", path_of(shop))
    eventually(lambda: world.pipeline(shop) is None, "the pipeline is gone")
    assert connectors(world, shop) == {}
    assert not [e for e in world.events(shop) if e["reason"] == "LeftBehind"]
