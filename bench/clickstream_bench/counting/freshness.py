"""How long a click takes until it is counted: from the producer's call to the record of the metric's topic.

One reader of committed records reads the enriched clicks and the topics of two counts, so what delays the
reader delays all. `clicks` counts every click under one key, so it says how many are counted, not which: its
k-th click counts as the k-th that was sent. `by-partition` counts each partition's clicks under a key of
their own. They are counted in their order, so there the k-th is the k-th.
"""

import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import msgspec
from confluent_kafka import Consumer, Message, TopicPartition

from clickstream_bench.counting.sizes import FRESH_RATE, Sizes
from clickstream_bench.ground import Ground, say, when
from clickstream_bench.latency import USERS, WARM_UP_S, SteadyClicks
from clickstream_bench.systems import Ours, Topics, Usage
from clickstream_bench.throughput import Progress
from clickstream_bench.traffic import PARTITIONS, Traffic

ENRICHED, GLOBAL, BY_PARTITION = "enriched", "global", "by_partition"
ALL = "all"


@dataclass(slots=True)
class Counted:
    """Clicks of one key, when they were sent, and how many of them a count has said so far."""

    sent_ns: list[int] = field(default_factory=list)
    said: int = 0
    windows: dict[int, int] = field(default_factory=dict)

    def latencies_ms(self, window_ms: int, value: int, now_ns: int) -> list[float]:
        """Return the latencies of those clicks that a window's new value counts for the first time."""
        self.windows[window_ms] = value
        before, self.said = self.said, sum(self.windows.values())
        return [(now_ns - self.sent_ns[number]) / 1e6 for number in range(before, self.said)]


class NotedClicks(SteadyClicks):
    """Steady clicks whose action is their partition; notes when each was sent."""

    noted: dict[str, Counted]

    def told(self, now_ns: int, partition: int) -> dict[str, str]:
        """Note it before it can come back."""
        action = f"p{partition}"
        self.noted[ALL].sent_ns.append(now_ns)
        self.noted[action].sent_ns.append(now_ns)
        return {"page_url": str(now_ns), "action": action}


def freshness(here: Ground, sizes: Sizes) -> dict[str, Any]:
    """Return percentiles of each latency at a steady rate, and what lies between the stages."""
    sys.setswitchinterval(0.0005)
    topics, run = here.topics(here.input(Traffic(0, USERS, here.start_ms)))
    outputs = {topics.enriched: ENRICHED, f"{run}-count": GLOBAL, f"{run}-counts": BY_PARTITION}
    system = Ours(here.kafka, topics, here.folder / run, run, metrics=_metrics(run))
    clicks = NotedClicks(here.kafka.bootstrap, topics.clicks, FRESH_RATE)
    clicks.noted = defaultdict(Counted)
    reader = _reader(here, outputs)
    found: dict[str, list[float]] = {kind: [] for kind in outputs.values()}
    system.start()
    try:
        clicks.start()
        when(
            lambda: _read(reader, outputs, clicks, found, 0.2) > 0 and bool(found[GLOBAL]), "nothing counted"
        )
        _read(reader, outputs, clicks, found, WARM_UP_S)
        found.update({kind: [] for kind in found})
        usage = Usage(system.pids())
        spent_s = usage.cpu_s()
        _read(reader, outputs, clicks, found, sizes.fresh_s)
        spent_s = usage.cpu_s() - spent_s
        clicks.stop()
        said = _rest(reader, outputs, clicks, here, topics)
    finally:
        clicks.stop()
        system.stop()
        reader.close()
    if said != clicks.sent:
        raise SystemExit(f"{said} clicks counted of {clicks.sent}")
    figures: dict[str, Any] = {kind: percentiles(latencies) for kind, latencies in found.items()}
    figures |= {"clicks": clicks.sent, "pod_cpu_share": round(spent_s / sizes.fresh_s, 3)}
    say(f"freshness at {FRESH_RATE:,.0f}/s: {figures}")
    return figures


def percentiles(latencies_ms: list[float]) -> dict[str, float]:
    """Return {"p50_ms", "p99_ms", "records"}."""
    ordered = sorted(latencies_ms)

    def at(share: float) -> float:
        return round(ordered[int(share * (len(ordered) - 1))], 2)

    return {"p50_ms": at(0.5), "p99_ms": at(0.99), "records": len(ordered)}


def _metrics(run: str) -> tuple[dict[str, Any], ...]:
    window = {"size": "1m", "grace": "10s"}
    by = {"partition": "click.action"}
    return (
        {"name": "clicks", "count": {}, "window": window, "topic": f"{run}-count"},
        {"name": "by-partition", "by": by, "count": {}, "window": window, "topic": f"{run}-counts"},
    )


def _reader(here: Ground, outputs: dict[str, str]) -> Consumer:
    reader = Consumer(
        {
            "bootstrap.servers": here.kafka.bootstrap,
            "group.id": "freshness",
            "isolation.level": "read_committed",
            "fetch.wait.max.ms": 5,
        }
    )
    reader.assign([TopicPartition(topic, p, 0) for topic in outputs for p in range(PARTITIONS)])
    return reader


def _read(
    reader: Consumer,
    outputs: dict[str, str],
    clicks: NotedClicks,
    found: dict[str, list[float]],
    seconds: float,
) -> int:
    """Read for so long; return the number of records."""
    number, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        message = reader.poll(0.05)
        if message is not None and message.error() is None:
            number += 1
            _take(message, outputs, clicks, found)
    return number


def _take(
    message: Message, outputs: dict[str, str], clicks: NotedClicks, found: dict[str, list[float]]
) -> None:
    now_ns, kind = time.time_ns(), outputs[message.topic() or ""]
    said = msgspec.json.decode(message.value() or b"")
    if kind == ENRICHED:
        found[kind].append((now_ns - int(said["page_url"])) / 1e6)
        return
    key = said["keys"].get("partition", ALL)
    found[kind] += clicks.noted[key].latencies_ms(said["window_start"], said["value"], now_ns)


def _rest(
    reader: Consumer, outputs: dict[str, str], clicks: NotedClicks, here: Ground, topics: Topics
) -> int:
    """Read until every click is counted; return how many are."""
    rest: dict[str, list[float]] = {kind: [] for kind in outputs.values()}
    progress = Progress(here.kafka, topics.enriched)
    when(lambda: progress.records() >= clicks.sent, "not every click is enriched")

    def counted() -> bool:
        _read(reader, outputs, clicks, rest, 0.2)
        parts = sum(each.said for key, each in clicks.noted.items() if key != ALL)
        return min(parts, clicks.noted[ALL].said) >= clicks.sent

    when(counted, "not every click is counted", 60)
    return clicks.noted[ALL].said
