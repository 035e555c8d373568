"""The topics of a pipeline with metrics: which, how long they keep what, and whose they are."""

from typing import Any

import pytest
from clickstream_operator.lifecycle.outputs import clashes, outputs_of
from clickstream_operator.manifests.topics import TopicSpec, metrics_changelog_retention_ms, topic_specs
from clickstream_operator.spec.clickpipeline import parse
from operator_support.documents import changed
from operator_support.metric_documents import Changes, metric, metrics, window

DAY_MS = 86_400_000
PARTIALS, CHANGELOG = "shop.storefront-partials", "shop.storefront-metrics-changelog"


def specs_of(changes: Changes) -> dict[str, TopicSpec]:
    return {topic.name: topic for topic in topic_specs(parse(changed(changes)))}


def added(changes: Changes) -> set[str]:
    """Return what a pipeline has more than one without metrics."""
    return specs_of(changes).keys() - specs_of(metrics()).keys()


def test_pipeline_without_metrics_has_no_topic_of_theirs() -> None:
    assert not {PARTIALS, CHANGELOG} & specs_of(metrics()).keys()


def test_metrics_have_two_topics_of_their_own_and_one_each_that_names_it() -> None:
    asked = metrics(metric(), metric(name="b", topic="b"), metric(name="c", topic="c"))
    assert added(asked) == {PARTIALS, CHANGELOG, "b", "c"}
    internal = {name: specs_of(asked)[name].internal for name in added(asked)}
    assert internal == {PARTIALS: True, CHANGELOG: True, "b": False, "c": False}


def test_they_have_partitions_and_copies_as_the_others() -> None:
    asked = specs_of(metrics(metric(topic="b"), topics__partitions=7, topics__replicas=3))
    for name in (PARTIALS, CHANGELOG, "b"):
        assert (asked[name].partitions, asked[name].replicas) == (7, 3)
        assert asked[name].config["min.insync.replicas"] == "2"


def test_metrics_topic_is_as_that_of_the_counts() -> None:
    asked = specs_of(metrics(metric(topic="b"), topics__retention="9d"))
    assert asked["b"].config == asked["user-metrics"].config
    assert asked["b"].config["retention.ms"] == str(9 * DAY_MS)


@pytest.mark.parametrize(("retention", "kept_days"), [("1d", 1), ("7d", 7), ("30d", 7)])
def test_partials_wait_for_a_task_as_long_as_the_pipeline_may_be_down_and_clicks_wait(
    retention: str, kept_days: int
) -> None:
    config = specs_of(metrics(metric(), topics__retention=retention))[PARTIALS].config
    assert config["cleanup.policy"] == "delete"
    assert config["retention.ms"] == str(kept_days * DAY_MS)
    assert config["message.timestamp.type"] == "LogAppendTime"  # not by the age of a click


def test_changelog_outlives_the_windows_of_every_metric() -> None:
    short: dict[str, Any] = {"size": "1m", "grace": "0s", "retention": "1h"}
    asked = metrics(
        metric(name="a", window=short),
        metric(name="b", window={"size": "1h", "grace": "30m", "retention": "100h"}),
        metric(name="c", window={"size": "12h", "grace": "1h", "retention": "48h"}),
    )
    needed_ms = (1 + 100) * 3_600_000 + 1_800_000 + 7 * DAY_MS
    assert specs_of(asked)[CHANGELOG].config["retention.ms"] == str(needed_ms)
    assert specs_of(asked)[CHANGELOG].config["cleanup.policy"] == "compact,delete"


def test_changelog_follows_a_window_that_changes() -> None:
    before, after = (
        metrics_changelog_retention_ms(parse(changed(window(retention=kept)))) for kept in ("24h", "48h")
    )
    assert after - before == DAY_MS


def test_two_pipelines_must_not_write_one_metrics_topic() -> None:
    own = ("profiles", "enriched", "metrics", "deadLetters")
    others = {f"topics__{field}": f"b-{field}" for field in own} | {"sink__search__index": "b"}
    one = parse(changed(metrics(metric(), metric(name="v", topic="views"))))
    document = changed(metrics(metric(topic="views"), **others))
    document["metadata"] = {"name": "b", "namespace": "shop"}
    found = clashes(outputs_of(parse(document)), outputs_of(one))
    assert [(output.name, output.field) for output in found] == [("views", "processing.metrics[0].topic")]
