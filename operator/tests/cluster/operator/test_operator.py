"""The operator on a real API server: what it makes of a pipeline, and how it is watched itself."""

import json

import pytest
from clickstream_local.testing.eventually import eventually
from operator_support.cluster.controlplane import ControlPlane, Refused
from operator_support.cluster.standins import STRIMZI
from operator_support.cluster.world import OperatorProcess, World, objects_of, path_of, secret


def test_pipeline_becomes_ready_with_all_its_objects(world: World, shop: str) -> None:
    world.create(shop)
    world.wait_ready(shop)
    found = objects_of(world.plane, shop)
    assert len(found) == 19
    assert all(c["observedGeneration"] == 1 for c in world.pipeline(shop)["status"]["conditions"])
    assert world.pipeline(shop)["status"]["readiness"] == "3/3"
    assert world.plane.get(f"/api/v1/namespaces/{shop}/secrets/storefront-peer-key")["data"]["key"]
    line = world.plane.kubectl("get", "cpl", "-n", shop)
    assert "True    3/3        <1s   Running" in line


def test_processors_and_source_wait_for_topics_and_the_sink_for_the_index(world: World, shop: str) -> None:
    world.standins.switch_off("topics")
    world.standins.status["index_ready"] = False
    world.create(shop)
    eventually(lambda: world.condition(shop, "TopicsReady")["reason"] == "Waiting")
    made = objects_of(world.plane, shop)
    names = [path.rpartition("/")[2] for path in made]
    assert "storefront-processor" not in [n for p, n in zip(made, names, strict=True) if "statefulsets" in p]
    assert "storefront-profiles" not in names
    world.standins.topics = True
    eventually(lambda: world.condition(shop, "IndexReady")["status"] == "False")
    source = f"{STRIMZI}/namespaces/{shop}/kafkaconnectors/storefront-profiles"
    eventually(lambda: world.plane.get(source))
    sink = f"{STRIMZI}/namespaces/{shop}/kafkaconnectors/storefront-search"
    assert world.plane.get(sink) is None
    world.standins.status["index_ready"] = True
    world.wait_ready(shop)
    assert world.plane.get(sink)


def test_pods_roll_when_a_secret_changes(world: World, shop: str) -> None:
    world.create(shop, query={"tokensSecret": "tokens"})
    world.plane.request("POST", f"/api/v1/namespaces/{shop}/secrets", secret(shop, "tokens", shop="x" * 20))
    world.wait_ready(shop)
    path = f"/apis/apps/v1/namespaces/{shop}/statefulsets/storefront-processor"

    def digest() -> str:
        annotations = world.plane.get(path)["spec"]["template"]["metadata"]["annotations"]
        return str(annotations["clickstream.dev/secrets-hash"])

    before = digest()
    world.plane.merge(f"/api/v1/namespaces/{shop}/secrets/tokens", {"stringData": {"shop": "y" * 20}})
    eventually(lambda: digest() != before)


def test_pause_holds_changes_back(world: World, shop: str) -> None:
    world.create(shop)
    world.wait_ready(shop)
    world.plane.merge(path_of(shop), {"metadata": {"annotations": {"clickstream.dev/paused": "true"}}})
    eventually(lambda: world.condition(shop, "Paused")["status"] == "True")
    path = f"/apis/apps/v1/namespaces/{shop}/statefulsets/storefront-processor"
    world.plane.merge(path, {"spec": {"replicas": 1}})
    eventually(lambda: world.pipeline(shop)["status"]["readiness"] == "1/3")
    assert world.plane.get(path)["spec"]["replicas"] == 1
    world.plane.merge(path_of(shop), {"metadata": {"annotations": {"clickstream.dev/paused": None}}})
    eventually(lambda: world.plane.get(path)["spec"]["replicas"] == 3)


def test_plan_only_says_what_would_change(world: World, shop: str) -> None:
    world.create(shop)
    world.wait_ready(shop)
    patch = {
        "metadata": {"annotations": {"clickstream.dev/plan-only": "true"}},
        "spec": {"processors": {"replicas": 2}},
    }
    world.plane.merge(path_of(shop), patch)
    plan = eventually(lambda: world.pipeline(shop)["status"]["plan"])
    assert any("change StatefulSet storefront-processor: spec.replicas: 3 -> 2" in line for line in plan)
    path = f"/apis/apps/v1/namespaces/{shop}/statefulsets/storefront-processor"
    assert world.plane.get(path)["spec"]["replicas"] == 3
    eventually(lambda: any(event["reason"] == "Planned" for event in world.events(shop)))


def test_probes_and_metrics_answer(world: World, operator: OperatorProcess, shop: str) -> None:
    world.create(shop)
    world.wait_ready(shop)
    assert operator.get("/livez")[0] == operator.get("/readyz")[0] == 200
    labels = f'{{condition="Ready",namespace="{shop}",pipeline="storefront"}}'
    assert operator.metric("clickstream_operator_pipeline_condition", labels) == 1
    world.plane.request("DELETE", path_of(shop))
    eventually(lambda: labels not in operator.get("/metrics")[1])


def test_operator_never_lists_secrets(plane: ControlPlane) -> None:
    rules = json.loads(plane.kubectl("get", "clusterrole", "clickstream-operator", "-o", "json"))["rules"]
    verbs = [rule["verbs"] for rule in rules if "secrets" in rule["resources"]]
    assert verbs == [["get", "create"]]
    with pytest.raises(Refused):
        plane.request("GET", "/api/v1/secrets", user="operator")
