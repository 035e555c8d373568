"""What each topic's options must be for what the pipeline does with it; told by name, with what fixes it."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from clickstream_processor.processing.topic_rules import ANY_TIME_MS, DOWNTIME_MS, findings
from clickstream_processor.settings.settings import (
    Kafka,
    Peers,
    PodEnvironment,
    Processing,
    Settings,
    Topics,
    Window,
)
from clickstream_processor.settings.units import Milliseconds
from clickstream_processor.topic_finding import TopicFinding

HOUR_MS = 3_600_000
POD = PodEnvironment(
    ordinal=0,
    data_dir=Path("data"),
    secrets_dir=Path("secrets"),
    host="",
    query_port=1,
    admin_port=1,
    assignment="static:1",
    log_level="INFO",
    log_format="text",
)
SETTINGS = Settings(
    settings_version=1,
    name="s",
    namespace="shop",
    id="shop.s",
    kafka=Kafka(bootstrap_servers="a:1"),
    topics=Topics(),
    processing=Processing(
        window=Window(
            size_ms=Milliseconds(HOUR_MS), grace_ms=Milliseconds(60_000), retention_ms=Milliseconds(0)
        ),
        max_future_ms=Milliseconds(HOUR_MS),
    ),
    peers=Peers(host="h"),
    pod=POD,
)
CHANGELOG, POSITIONS = "shop.s-changelog", "shop.s-positions"
LIFE_MS = HOUR_MS + 60_000 + DOWNTIME_MS
USUAL = {
    "cleanup.policy": "delete",
    "max.message.bytes": "1048588",
    "message.timestamp.type": "CreateTime",
    "message.timestamp.before.max.ms": str(ANY_TIME_MS),
    "message.timestamp.after.max.ms": str(HOUR_MS),
    "retention.ms": str(DOWNTIME_MS),
    "retention.bytes": "-1",
    "min.insync.replicas": "2",
}
ANY_TIME = USUAL | {"message.timestamp.after.max.ms": str(ANY_TIME_MS)}
COMPACTED = USUAL | {"cleanup.policy": "compact"}
GOOD: dict[str, dict[str, str]] = {
    "user-clicks": USUAL,
    "user-profiles": COMPACTED,
    "enriched-clicks": ANY_TIME,
    "user-metrics": ANY_TIME,
    "dead-letters": ANY_TIME,
    CHANGELOG: USUAL | {"cleanup.policy": "compact,delete", "retention.ms": str(LIFE_MS)},
    POSITIONS: COMPACTED,
}
REPLICAS = dict.fromkeys(GOOD, 3)


def found(topic: str = "", /, replicas: int = 3, **changes: Any) -> list[TopicFinding]:
    """Return the findings with options of one topic changed; underscores stand for dots."""
    options = {name: dict(values) for name, values in GOOD.items()}
    if topic:
        options[topic] |= {name.replace("_", "."): value for name, value in changes.items()}
    return list(findings(SETTINGS, options, dict.fromkeys(GOOD, replicas), {}))


def test_topics_as_the_operator_makes_them_fit() -> None:
    assert found() == []


def test_topics_of_which_nothing_is_known_are_not_judged() -> None:
    assert findings(SETTINGS, {}, {}, {}) == ()


CASES: list[tuple[str, str, str, dict[str, Any]]] = [
    # topic, option, what fixes it, the change
    (
        "enriched-clicks",
        "message.timestamp.after.max.ms",
        str(ANY_TIME_MS),
        {"message_timestamp_after_max_ms": str(HOUR_MS)},
    ),
    (
        "user-metrics",
        "message.timestamp.after.max.ms",
        str(ANY_TIME_MS),
        {"message_timestamp_after_max_ms": str(2 * HOUR_MS - 1)},
    ),
    (
        "dead-letters",
        "message.timestamp.after.max.ms",
        str(ANY_TIME_MS),
        {"message_timestamp_after_max_ms": str(HOUR_MS - 1)},
    ),
    (
        "enriched-clicks",
        "message.timestamp.before.max.ms",
        str(ANY_TIME_MS),
        {"message_timestamp_before_max_ms": "86400000"},
    ),
    (
        "user-metrics",
        "message.timestamp.type",
        "CreateTime",
        {"message_timestamp_type": "LogAppendTime"},
    ),
    ("enriched-clicks", "cleanup.policy", "delete", {"cleanup_policy": "compact"}),
    ("dead-letters", "cleanup.policy", "delete", {"cleanup_policy": "compact,delete"}),
    ("user-clicks", "cleanup.policy", "delete", {"cleanup_policy": "compact"}),
    ("user-profiles", "cleanup.policy", "compact", {"cleanup_policy": "delete"}),
    (POSITIONS, "cleanup.policy", "compact", {"cleanup_policy": "delete"}),
    (CHANGELOG, "cleanup.policy", "compact,delete", {"cleanup_policy": "delete"}),
    (CHANGELOG, "cleanup.policy", "compact,delete", {"cleanup_policy": "compact"}),
    (CHANGELOG, "retention.ms", str(LIFE_MS), {"retention_ms": str(LIFE_MS - 1)}),
    (CHANGELOG, "retention.bytes", "-1", {"retention_bytes": "1000000"}),
    ("enriched-clicks", "max.message.bytes", "1048588", {"max_message_bytes": "1000"}),
    (CHANGELOG, "max.message.bytes", "1048588", {"max_message_bytes": "1000"}),
    ("user-metrics", "min.insync.replicas", "2", {"min_insync_replicas": "1"}),
]


@pytest.mark.parametrize(("topic", "option", "fixes", "change"), CASES)
def test_option_that_does_not_fit_is_named_with_what_mends_it(
    topic: str, option: str, fixes: str, change: dict[str, Any]
) -> None:
    (finding,) = found(topic, **change)
    assert (finding.topic, finding.option, finding.stops) == (topic, option, False)
    assert finding.value == change[option.replace(".", "_")]
    assert f"topic {topic}: {option} is {finding.value}" in str(finding)
    assert f'"{option}": "{fixes}"' in str(finding)
    assert f"--entity-name {topic}" in str(finding)
    fixed = dict(change) | {option.replace(".", "_"): fixes}
    assert found(topic, **fixed) == []


ANY = msgspec.structs.replace(SETTINGS, topics=Topics(partitioner="any"))
ARRIVALS = "shop.s-arrivals"
ARRIVED = ANY_TIME | {"retention.ms": str(2 * DOWNTIME_MS)}


@pytest.mark.parametrize(
    ("option", "value", "fixes"),
    [
        ("retention.ms", str(DOWNTIME_MS - 1), str(DOWNTIME_MS)),
        ("retention.bytes", "1000000", "-1"),
        ("message.timestamp.type", "LogAppendTime", "CreateTime"),
        ("message.timestamp.before.max.ms", "86400000", str(ANY_TIME_MS)),
        ("message.timestamp.after.max.ms", str(HOUR_MS - 1), str(ANY_TIME_MS)),
        ("cleanup.policy", "compact", "delete"),
        ("max.message.bytes", "1000", "1048588"),
    ],
)
def test_clicks_on_their_way_are_kept_as_long_as_where_they_arrived(
    option: str, value: str, fixes: str
) -> None:
    assert findings(ANY, GOOD | {ARRIVALS: ARRIVED}, REPLICAS, {}) == ()
    (finding,) = findings(ANY, GOOD | {ARRIVALS: ARRIVED | {option: value}}, REPLICAS, {})
    assert (finding.topic, finding.option, finding.wanted) == (ARRIVALS, option, fixes)
    assert findings(ANY, GOOD | {ARRIVALS: ARRIVED | {option: fixes}}, REPLICAS, {}) == ()
    assert findings(SETTINGS, GOOD | {ARRIVALS: ARRIVED | {option: value}}, REPLICAS, {}) == ()


def test_clicks_that_are_kept_forever_are_kept_so_on_their_way() -> None:
    clicks = {"user-clicks": USUAL | {"retention.ms": "-1"}}
    (finding,) = findings(ANY, GOOD | clicks | {ARRIVALS: ARRIVED}, REPLICAS, {})
    assert (finding.topic, finding.option, finding.wanted) == (ARRIVALS, "retention.ms", "-1")
    assert findings(ANY, GOOD | clicks | {ARRIVALS: ARRIVED | {"retention.ms": "-1"}}, REPLICAS, {}) == ()


def test_clicks_that_may_be_larger_ask_for_larger_dead_letters() -> None:
    (finding,) = found("user-clicks", max_message_bytes="8000000")
    assert (finding.topic, finding.option, finding.wanted) == (
        "dead-letters",
        "max.message.bytes",
        "8000000",
    )


def test_clicks_that_may_be_of_any_time_ask_for_outputs_of_any_time() -> None:
    assert found("user-clicks", message_timestamp_after_max_ms=str(ANY_TIME_MS)) == []
    options = {name: dict(values) for name, values in GOOD.items()}
    options["user-clicks"]["message.timestamp.type"] = "LogAppendTime"  # the brokers' own time is never ahead
    options["dead-letters"]["message.timestamp.after.max.ms"] = "0"
    options["enriched-clicks"]["message.timestamp.after.max.ms"] = str(HOUR_MS)
    assert findings(SETTINGS, options, REPLICAS, {}) == ()


def test_more_acknowledgements_than_copies_stop_the_tasks() -> None:
    finding = found("enriched-clicks", replicas=1, min_insync_replicas="2")[0]
    assert finding.option == "min.insync.replicas"
    assert finding.stops
    assert "no write is taken" in str(finding)


def test_topic_whose_options_are_refused_is_told_and_nothing_is_guessed() -> None:
    (finding,) = findings(SETTINGS, GOOD, REPLICAS, {"enriched-clicks": "Topic authorization failed."})
    assert "topic enriched-clicks: the ACL DescribeConfigs is missing" in str(finding)
    assert not finding.stops


def test_list_stands_in_brackets_in_the_command() -> None:
    (finding,) = found(CHANGELOG, cleanup_policy="delete")
    assert '--add-config "cleanup.policy=[compact,delete]"' in str(finding)
