"""What Kafka Streams says of the clicks that stand in a pipeline's topic, for tests with real pods.

For sessions: `pods_sessions` is what the topic of sessions must come to, `last_sessions` what it has.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from clickstream_processor.aggregation.metric import Metric
from confluent_kafka import Message

from processor_support.oracles.differential_metrics import oracle_clicks, windowed
from processor_support.oracles.differential_sessions import Key, Shown, Table, oracle_of, shown
from processor_support.oracles.metric_oracle import Click, Truth, truths, updates_of
from processor_support.runtime_rig import Rig

Fields = dict[str, Any]


def settings_of(metric: Metric) -> dict[str, Any]:
    """Return a metric as the settings have it; the rig gives it its topic."""
    times = {
        "size": metric.size_ms,
        "advance": metric.panes.advance_ms,
        "grace": metric.grace_ms,
        "retention": metric.retention_ms,
    }
    window = {name: f"{ms // 1_000}s" for name, ms in times.items()}
    if metric.panes.number == 1:
        del window["advance"]
    found: dict[str, Any] = {"name": metric.name, "window": window, "emit": metric.emit}
    found[metric.kind] = metric.value or {}
    if metric.where:
        found["where"] = metric.where
    return found | ({"by": metric.by} if metric.by else {})


def clicks_of(rig: Rig, countries: Mapping[str, str | None]) -> list[list[Fields]]:
    """Return the clicks that reach the count as they stand in Kafka, by partition: no heartbeats.

    `countries` has the country in each user's profile.
    """
    found: list[list[Fields]] = [[] for _ in range(rig.partitions)]
    for message in rig.committed(rig.names["clicks"]):
        click = json.loads(message.value() or b"")
        if click["action"] != "heartbeat":
            fields = {
                "event_ms": click["timestamp"],
                "user": click["user_id"],
                "page": click["page_url"],
                "action": click["action"],
                "country": countries[click["user_id"]],
            }
            others = {name: click[name] for name in ("amount", "mixed") if name in click}
            found[message.partition() or 0].append(fields | others)
    return found


def pods_metrics(metrics: Sequence[Metric], clicks: Sequence[Sequence[Fields]]) -> dict[str, Truth]:
    """Return what is true of each metric."""
    asked = [(windowed(metric), [oracle_clicks(metric, each) for each in clicks]) for metric in metrics]
    return {metric.name: truth for metric, truth in zip(metrics, truths(asked), strict=True)}


def told(rig: Rig, name: str) -> list[dict[str, Any]]:
    """Return the results in a metric's topic; those of a key are in order."""
    return [json.loads(message.value() or b"") for message in rig.committed(f"{rig.id}-{name}")]


def pods_sessions(
    clicks: Sequence[Sequence[Fields]], gap_ms: int, grace_ms: int
) -> tuple[dict[Key, Shown], set[Key]]:
    """Return the sessions that are to be visible by user and start, and the keys that are not comparable."""
    there: dict[Key, Shown] = {}
    shared: set[Key] = set()
    pages = [[Click(each["user"], each["event_ms"], "", each["page"]) for each in part] for part in clicks]
    for updates in updates_of([(oracle_of(gap_ms, grace_ms), each) for each in pages]):
        table = Table(updates)
        table.read(2**62)
        there |= table.all_visible()
        shared |= table.shared
    return {key: session for key, session in there.items() if key not in shared}, shared


def last_sessions(messages: Iterable[Message], shared: set[Key]) -> dict[Key, Shown]:
    """Return the sessions that a topic shows, but for keys that are not comparable."""
    here: dict[Key, Shown] = {}
    for message in messages:
        user, start_ms = json.loads(message.key() or b"")
        value = message.value()
        here.pop((user, start_ms), None)
        if value and (user, start_ms) not in shared:
            here[user, start_ms] = shown(json.loads(value))
    return here
