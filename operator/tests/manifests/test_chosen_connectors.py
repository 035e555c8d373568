"""What becomes of a pipeline without a table, without search, and with sinks of its own."""

from typing import Any

import pytest
from clickstream_operator.lifecycle.desired import needed_names
from clickstream_operator.lifecycle.outputs import outputs_of
from clickstream_operator.lifecycle.sinks_gone import sink_leftovers
from clickstream_operator.manifests import network, secrets, topics
from clickstream_operator.manifests.chosen_connectors import connector_names, connectors_of, topic_of
from clickstream_operator.manifests.connectors import cluster_references
from clickstream_operator.observed import Observed
from clickstream_operator.spec.clickpipeline import ClickPipeline, parse
from operator_support.documents import Changes, changed
from operator_support.example_pipelines import PLATFORM
from operator_support.source_documents import SINK, SOURCE, VALID, sink


def made(changes: Changes) -> ClickPipeline:
    return parse(changed(changes))


def connectors(changes: Changes) -> dict[str, dict[str, str]]:
    """Return the connectors' options by name."""
    pipeline = made(changes)
    return {c.name: c.config for c in connectors_of(pipeline, cluster_references(pipeline))}


@pytest.mark.parametrize("changes", [c for c in VALID.values() if c.get("connect", 1)])
def test_names_of_connectors_are_those_of_the_connectors(changes: Changes) -> None:
    assert connector_names(made(changes)) == list(connectors(changes))


@pytest.mark.parametrize("changes", VALID.values(), ids=VALID)
def test_every_name_that_is_needed_is_looked_for(changes: Changes) -> None:
    pipeline = made(changes)
    found = [name for kind, name in needed_names(pipeline) if kind == "KafkaConnector"]
    assert found == connector_names(pipeline)


def test_what_keeps_the_pipeline_whole_wins_over_the_options_of_a_sink() -> None:
    config = connectors(sink(config={"value.converter": "a.B", "consumer.override.max.poll.records": "9"}))[
        "storefront-sink-lake"
    ]
    assert (config["value.converter"], config["consumer.override.max.poll.records"]) == ("a.B", "9")
    assert config["key.converter"].endswith("StringConverter")
    assert config["topics"] == "enriched-clicks"
    assert config["consumer.override.isolation.level"] == "read_committed"
    assert config["errors.deadletterqueue.topic.name"] == "dead-letters"


@pytest.mark.parametrize(
    ("topic", "name"),
    [
        ("enriched", "enriched-clicks"),
        ("metrics", "user-metrics"),
        ("sessions", "my-sessions"),
        ("sales", "shop-sales"),
    ],
)
def test_a_sink_reads_the_topic_that_it_names(topic: str, name: str) -> None:
    processing = {
        "processing.sessions": {"topic": "my-sessions"},
        "processing.metrics": [{"name": "sales", "count": {}, "topic": "shop-sales"}],
    }
    pipeline = made(processing | sink(topic=topic))
    assert topic_of(pipeline, pipeline.spec.sinks[0]) == name


def test_a_metric_by_the_name_of_a_topic_takes_nothing_from_it() -> None:
    metrics = {"processing.metrics": [{"name": "enriched", "count": {}, "topic": "other"}]}
    pipeline = made(metrics | sink())
    assert topic_of(pipeline, pipeline.spec.sinks[0]) == "enriched-clicks"


def test_a_sources_own_transforms_come_before_the_way_into_the_profiles() -> None:
    config = connectors({"source": {"connector": SOURCE}})["storefront-profiles"]
    assert config["transforms"] == "flat,clickstreamProfiles"
    plain = connectors({"source": {"connector": {"class": "a.B"}}})["storefront-profiles"]
    assert plain["transforms"] == "clickstreamProfiles"
    assert plain["transforms.clickstreamProfiles.replacement"] == "user-profiles"


def test_secrets_are_referred_to_and_looked_for() -> None:
    changes = {"source": {"connector": SOURCE}, **sink()}
    options = {option: value for config in connectors(changes).values() for option, value in config.items()}
    assert options["aws.secret.access.key"] == "${secrets:shop/s3:secret}"
    assert options["database.password"] == "${secrets:shop/mysql:password}"
    uses = {use.name: use for use in secrets.secret_uses(made(changes))}
    assert uses["s3"] == secrets.SecretUse("s3", ("secret",), by_connect=True)
    assert uses["mysql"].keys == ("password",)
    assert "postgres-credentials" not in uses


@pytest.mark.parametrize(
    ("source", "has_profiles", "has_notifications", "writes_profiles"),
    [
        (None, False, False, False),
        ({"topic": {}}, True, False, False),
        ({"connector": SOURCE}, True, False, True),
    ],
    ids=["none", "topic", "connector"],
)
def test_topics_follow_the_source(
    source: Any, has_profiles: bool, has_notifications: bool, writes_profiles: bool
) -> None:
    pipeline = made({"source": source})
    found = {topic.name for topic in topics.topic_specs(pipeline)}
    assert ("user-profiles" in found) is has_profiles
    assert ("shop.storefront-notifications" in found) is has_notifications
    assert ("user-profiles" in {output.name for output in outputs_of(pipeline)}) is writes_profiles


def test_pods_of_a_pipeline_without_search_reach_no_engine() -> None:
    def ports(changes: Changes) -> list[int]:
        rules = network.network_policy(made(changes), PLATFORM)["spec"]["egress"]
        return [port["port"] for rule in rules for port in rule["ports"]]

    assert 9200 in ports({})
    assert 9200 not in ports({"sink": None})
    assert "index" not in {output.kind for output in outputs_of(made({"sink": None}))}


def test_only_sinks_that_are_not_asked_for_are_left_over() -> None:
    names = ("profiles", "profiles-12345678", "search", "sink-lake", "sink-old", "sinks")
    there: dict[tuple[str, str], Any] = {
        ("KafkaConnector", f"storefront-{name}"): {"metadata": {"name": f"storefront-{name}"}}
        for name in names
    }
    there["KafkaConnector", "storefront-sink-going"] = {
        "metadata": {"name": "storefront-sink-going", "deletionTimestamp": "2026-01-01T00:00:00Z"}
    }
    observed = Observed(children=there, strimzi_version="v1")

    def left(changes: Changes) -> list[str]:
        return [each["metadata"]["name"] for _, each in sink_leftovers(made(changes), observed)]

    assert left({"sinks": [SINK]}) == ["storefront-sink-old"]
    assert left({"sink": None}) == ["storefront-search", "storefront-sink-lake", "storefront-sink-old"]
