"""One metrics task's line: partials and marks become the state of all metrics, and results.

Time is the least of all clicks partitions' marks, so nothing that arrives is late, however far the partitions
are apart. What the line makes of its input does not depend on where commits are: the state after them is the
same, and so are the final results.
"""

from collections.abc import Sequence
from typing import Protocol

from clickstream_processor.aggregation.merging.hand import Hand
from clickstream_processor.aggregation.merging.telling import MetricOutputs, Teller
from clickstream_processor.aggregation.metric import Metric, MetricCounters, by_identity
from clickstream_processor.aggregation.partials import (
    BY_CLICKS,
    IDLE_MS,
    KEY_AT,
    MARK,
    METRIC,
    PREFIX_BYTES,
    Times,
    check_key,
    decode_mark,
    decode_metric,
    encode_mark,
    encode_metric,
    end_of,
    identity_of,
    metric_prefix,
    pane_prefix,
    split_partial_key,
    times_of,
)
from clickstream_processor.aggregation.pending import Flushed, Pending
from clickstream_processor.aggregation.values.aggregates import (
    Aggregate,
    aggregate_type,
    decode_aggregate,
    encode_aggregate,
    small_count,
)
from clickstream_processor.aggregation.values.numeric import Count
from clickstream_processor.errors import MalformedPartial, StateCorrupted
from clickstream_processor.topology.users.working_set import CommittedState

CACHED = 20_000  # decoded panes of keys that are kept between commits
SWEPT = 1_000  # entries of removed metrics that one commit deletes, at most


class PartialRecord(Protocol):
    """What the line reads of a consumed record."""

    def key(self) -> bytes | None:
        """Return the key."""

    def value(self) -> bytes | None:
        """Return the value."""


class MetricsLine:
    """The line of one task. Not thread-safe: it belongs to the worker's thread.

    Call `records` with the task's input in order, then `flush` once per commit, then `settle` or `rollback`.
    `now_ms` is what `since_ms` becomes for metrics that the state does not know. Raises StateCorrupted.
    """

    def __init__(
        self,
        metrics: Sequence[Metric],
        committed: CommittedState,
        clicks_partitions: int,
        outputs: MetricOutputs,
        now_ms: int,
        *,
        cached: int = CACHED,
    ) -> None:
        self.counters = {metric.name: MetricCounters() for metric in metrics}
        self.malformed = 0  # records that are no mark and no partial of their metric
        self.unknown = 0  # partials of metrics that are not there: removed, or not known yet
        self._metrics = by_identity(tuple(metrics))
        self._counters = {each: self.counters[metric.name] for each, metric in self._metrics.items()}
        self._committed, self._pending = committed, Pending(committed)
        self._partitions, self._now_ms = clicks_partitions, now_ms
        self._hand = Hand(committed, cached)
        self._teller = Teller(self._pending, self._hand.aggregate, outputs, self.counters)
        self._newest: dict[bytes, int] = {}  # by metric: start of the newest pane seen
        self._kept: dict[bytes, int] = {}  # by metric: start of the first pane that has not expired
        self._expired: list[tuple[bytes, int]] = []  # of `_kept`, what the last flush has moved
        self._marked: set[int] = set()  # partitions with a new mark
        self._marks: dict[int, int] = {}  # by partition, with BY_CLICKS or without
        self._known: dict[bytes, tuple[int, int]] = {}  # by metric: since, start of the newest closed window
        self._new: set[bytes] = set()  # metrics that the state does not know yet
        self._leaving: list[bytes] = []  # metrics that are there no more, and have left something
        self.rollback()

    @property
    def time_ms(self) -> int:
        """Return the time that all clicks partitions have passed, -1 while one of them was not heard of."""
        return self._times().told

    def _times(self) -> Times:
        return times_of(self._marks, self._partitions, self._metrics.values())

    def since_ms(self) -> dict[str, int]:
        """Return by metric the wall-clock time from which on it is counted."""
        return {metric.name: self._known[identity][0] for identity, metric in self._metrics.items()}

    def has_work(self) -> bool:
        """Tell whether there is something to commit though no record came."""
        return bool(self._leaving or self._new)

    def records(self, records: Sequence[PartialRecord]) -> None:
        """Take records of the partials topic, in order. What cannot be used is counted and passed over."""
        find, touch, counters = self._hand.held.get, self._hand.touch, self._counters
        for record in records:
            key, value = record.key() or b"", record.value() or b""
            try:
                aggregate = find(key)
                if type(aggregate) is Count and (more := small_count(value)):
                    aggregate.count += more  # most partials are this one
                    touch(key)
                    counters[key[1:PREFIX_BYTES]].merged += 1
                elif aggregate is not None:
                    self._merge(key, aggregate, decode_aggregate(value))
                elif key[:1] == MARK:
                    self._mark(*decode_mark(key, value))
                else:
                    self._partial(key, value)
            except MalformedPartial:
                self.malformed += 1

    def flush(self) -> Flushed:
        """Write results, and return what is to be committed."""
        pending, times = self._pending, self._times()
        for key in self._hand.touched:
            pending.put(key, encode_aggregate(self._hand.held[key]))
        for partition in self._marked:
            pending.put(*encode_mark(partition, self._marks[partition]))
        self._teller.updates(self._metrics, self._hand.touched)
        for identity, metric in self._metrics.items():
            since_ms, told_ms = self._known[identity]
            time_ms = times.of(metric)
            closed_ms = max(-1, metric.panes.last_closed_window_ms(time_ms) if time_ms >= 0 else -1)
            if closed_ms > told_ms and metric.emit == "final":
                self._teller.final(metric, told_ms, closed_ms)
            if closed_ms > told_ms or identity in self._new:
                self._known[identity] = since_ms, closed_ms
                pending.put(METRIC + identity, encode_metric(since_ms, closed_ms))
        self._sweep()
        return Flushed(pending.changes(), self._expire(times))

    def settle(self) -> None:
        """After the commit: nothing is uncommitted any more."""
        self._hand.settle(self._expired)
        self._pending.clear()
        self._new = set()
        self._marked = set()
        self._expired = []

    def rollback(self) -> None:
        """Forget every uncommitted effect, and all caches: everything is read from the state again."""
        self._pending.clear()
        self._hand.forget()
        self._marked = set()
        self._kept = {}
        self._expired = []
        try:
            marks = [decode_mark(*entry) for entry in self._committed.scan(MARK, end_of(MARK))]
            entries = self._committed.scan(METRIC, end_of(METRIC))
            stored = {key[1:]: decode_metric(value) for key, value in entries}
        except MalformedPartial as error:
            raise StateCorrupted(f"what a metrics task remembers: {error}") from error
        self._marks = {each: mark for each, mark in marks if each & ~BY_CLICKS < self._partitions}
        self._known = {each: stored.get(each, (self._now_ms, -1)) for each in self._metrics}
        self._new = self._metrics.keys() - stored.keys()
        self._leaving = [identity for identity in stored if identity not in self._metrics]

    def _mark(self, partition: int, closed_ms: int) -> None:
        """Note what a clicks partition says; a time never goes back."""
        if partition & ~BY_CLICKS >= self._partitions:
            raise MalformedPartial(f"a mark of partition {partition} among {self._partitions}")
        before = self._marks.get(partition, -1)
        if (before < 0 or closed_ms != IDLE_MS) and (closed_ms > before or before == IDLE_MS):
            self._marks[partition] = closed_ms
            self._marked.add(partition)

    def _partial(self, key: bytes, value: bytes) -> None:
        """Take a partial whose aggregate is not at hand."""
        identity, pane_ms, by = split_partial_key(key)
        metric = self._metrics.get(identity)
        if metric is None:
            self.unknown += 1
            return
        check_key(by, len(metric.by))
        partial, kind = decode_aggregate(value), aggregate_type(metric.kind)
        if pane_ms % metric.panes.advance_ms or type(partial) is not kind:
            raise MalformedPartial("a partial that does not fit its metric")
        counters, placed = self.counters[metric.name], self._hand.place(metric, key)
        counters.other += placed != key
        if pane_ms >= self._newest.get(identity, 0):
            self._newest[identity] = pane_ms
            counters.keys = self._hand.keys_of(key[:KEY_AT])
        self._merge(placed, self._hand.aggregate(placed) or kind(), partial)

    def _merge(self, key: bytes, aggregate: Aggregate, partial: Aggregate) -> None:
        """Merge a partial into the aggregate of a key of the state."""
        if type(partial) is not type(aggregate):
            raise MalformedPartial("a partial that does not fit its metric")
        aggregate.merge(partial)
        self._hand.put(key, aggregate)
        self._counters[identity_of(key)].merged += 1

    def _expire(self, times: Times) -> list[tuple[bytes, bytes]]:
        """Return the ranges of panes that no readable window has any more."""
        self._expired = []
        for identity, metric in self._metrics.items():
            time_ms = times.of(metric)
            kept_ms = metric.panes.first_kept_pane_ms(time_ms) if time_ms >= 0 else 0
            if kept_ms > self._kept.get(identity, 0):
                self._kept[identity] = kept_ms
                self._expired.append((identity, kept_ms))
        return [(pane_prefix(identity, 0), pane_prefix(identity, kept)) for identity, kept in self._expired]

    def _sweep(self) -> None:
        """Delete some of what metrics left that are there no more, then what the state remembers of them."""
        left = SWEPT
        while self._leaving and left:
            prefix = metric_prefix(self._leaving[0])
            for key, _ in self._pending.scan(prefix, end_of(prefix)):
                if not left:
                    return
                self._pending.put(key, None)
                left -= 1
            self._pending.put(METRIC + self._leaving.pop(0), None)
