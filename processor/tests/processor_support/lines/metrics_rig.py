"""The two stages of metrics without Kafka: what clicks tasks commit, and metrics tasks over a dict."""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from clickstream_processor.aggregation.gathering.gathering import Gathering
from clickstream_processor.aggregation.gathering.loop import Row
from clickstream_processor.aggregation.merging.line import MetricsLine
from clickstream_processor.aggregation.metric import Metric
from clickstream_processor.aggregation.pending import Flushed
from clickstream_processor.topology.records.records import Click, Profile

NOW_MS = 1_700_000_000_000


def row(
    event_ms: int,
    closed_ms: int | None = None,
    *,
    user: str = "alice",
    page: str = "/",
    action: str = "view",
    profile: Profile | None = None,
    columns: dict[str, Any] | None = None,
    **fields: Any,
) -> Row:
    """Return a joined click with other fields; the partition's time is the click's own unless given."""
    click = Click(user, page, action, event_ms)
    whole = {"user_id": user, "page_url": page, "action": action, "timestamp": event_ms} | fields
    return click, profile, whole, columns, event_ms if closed_ms is None else closed_ms


@dataclass
class Record:
    """A record as the line reads it."""

    record_key: bytes | None
    record_value: bytes | None

    def key(self) -> bytes | None:
        return self.record_key

    def value(self) -> bytes | None:
        return self.record_value


class Panes(dict[bytes, bytes]):
    """The state of a metrics task in a dict."""

    def scan(self, first: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        return iter([(key, self[key]) for key in sorted(self) if first <= key < end])

    def commit(self, flushed: Flushed) -> None:
        for key, value in flushed.changes:
            if value is None:
                self.pop(key, None)
            else:
                self[key] = value
        for first, end in flushed.expired:
            for key in [key for key in self if first <= key < end]:
                del self[key]


@dataclass
class Captured:
    """Results, decoded."""

    results: list[dict[str, Any]] = field(default_factory=list)

    def result(self, topic: str, value: bytes, key: bytes, timestamp_ms: int, /) -> None:
        body = json.loads(value)
        assert json.loads(key) == list(body["keys"].values())
        assert body["window_start"] <= timestamp_ms < body["window_end"]
        self.results.append(body | {"topic": topic, "time": timestamp_ms})

    def values(self) -> dict[tuple[int, tuple[Any, ...]], Any]:
        """Return the last value of each window's start and key."""
        return {(each["window_start"], tuple(each["keys"].values())): each["value"] for each in self.results}


class MetricsTask:
    """One metrics task over its state; what it wrote counts once it is committed."""

    def __init__(
        self,
        metrics: Sequence[Metric],
        state: Panes | None = None,
        clicks_partitions: int = 1,
        now_ms: int = NOW_MS,
    ) -> None:
        self.state = Panes() if state is None else state
        self.out = Captured()
        self.line = MetricsLine(metrics, self.state, clicks_partitions, self.out, now_ms, cached=4)

    def take(self, records: Sequence[Record]) -> "MetricsTask":
        self.line.records(records)
        return self

    def commit(self) -> Flushed:
        flushed = self.line.flush()
        self.state.commit(flushed)
        self.line.settle()
        return flushed


def partials_of(
    metrics: Sequence[Metric], rows: Sequence[Row], partition: int = 0, partitions: int = 1
) -> dict[int, list[Record]]:
    """Return what one clicks task commits for these rows at once, by partition."""
    gathering = Gathering(metrics, partition, partitions)
    gathering.add(rows)
    return routed(gathering, rows[-1][4])


def routed(gathering: Gathering, closed_ms: int) -> dict[int, list[Record]]:
    """Return the records of one commit by partition."""
    records = defaultdict(list)
    for partition, key, value, _ in gathering.flush(closed_ms):
        records[partition].append(Record(key, value))
    return records
