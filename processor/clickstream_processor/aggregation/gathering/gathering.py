"""What the clicks of one partition add to the metrics since the last commit: working partials, and the marks.

Lateness is decided here, against the partition's own time and the metric's grace, and nowhere else. A late
click, and one for which an expression has no value, is counted for that metric and stops nothing.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from clickstream_expressions.errors import EvaluationFailed

from clickstream_processor.aggregation.gathering.loop import Loop, Row, make_loop
from clickstream_processor.aggregation.gathering.working import Cells, Pane, Places
from clickstream_processor.aggregation.metric import Metric, MetricCounters, by_identity
from clickstream_processor.aggregation.partials import BY_CLICKS, IDLE_MS, encode_mark, pane_prefix
from clickstream_processor.aggregation.values.aggregates import aggregate_type, encode_aggregate
from clickstream_processor.aggregation.values.keys import distinct_key
from clickstream_processor.topology.records.partitioning import murmur2_partition
from clickstream_processor.topology.users.working_set import PartitionOf

# Partition, key, value, record time in ms: the pane's start, which no click in it is older than.
Record = tuple[int, bytes, bytes, int]

SETTLED_AFTER = 50_000  # clicks in one commit, after which values that wait in lists and sets are taken in


@dataclass(frozen=True, slots=True)
class Lane:
    """Metrics of one kind of rows, and the loop that adds rows to all of them."""

    metrics: tuple[Metric, ...]
    loop: Loop


class Gathering:
    """The working partials of one clicks task. Not thread-safe: it belongs to the worker's thread.

    Partials go to the partition that `partition_of` (Kafka's murmur2 partitioner) has for identity and key.
    The bound of keys holds for what this object has seen: it begins anew where the task moves to another pod.
    """

    def __init__(
        self,
        metrics: Sequence[Metric],
        partition: int,
        partitions: int,
        partition_of: PartitionOf = murmur2_partition,
    ) -> None:
        self.metrics = tuple(by_identity(tuple(metrics)).values())
        self._final = tuple(metric for metric in self.metrics if metric.emit == "final")
        self.counters = {metric.name: MetricCounters() for metric in self.metrics}
        self.expressions = [each for metric in self.metrics for each in metric.expressions]
        self.reads_fields = any(each.reads_fields for each in self.expressions)
        self.reads_columns = any(each.reads_columns for each in self.expressions)
        self._partition, self._partitions = partition, partitions
        self._told_ms = -1  # the last mark
        self._told_idle = False
        self._since_settled = 0
        self._panes: list[dict[int, Pane]] = [{} for _ in self.metrics]
        self._places = [Places(metric, partitions, partition_of) for metric in self.metrics]
        self._clicks, self._sessions = self._lane("clicks"), self._lane("sessions")

    def add(self, rows: Sequence[Row], clock_ms: int = -1) -> None:
        """Add a batch of joined clicks, in order. A row is (click, profile, fields, columns, closed_ms).

        `fields` and `columns` are None unless `reads_fields`, `reads_columns`. A pane whose end and grace are
        not beyond `closed_ms`, the stream time, is closed for this click; and where results are final, also
        one whose end and grace are not beyond `clock_ms`. Neither ever decreases.
        """
        self._add(self._clicks, rows, clock_ms)

    def add_sessions(self, rows: Sequence[Row], clock_ms: int = -1) -> None:
        """Add closed sessions; as `add`, with a ClosedSession in place of the click."""
        self._add(self._sessions, rows, clock_ms)

    def _add(self, lane: Lane, rows: Sequence[Row], clock_ms: int) -> None:
        for metric, late in zip(lane.metrics, lane.loop(rows, clock_ms), strict=True):
            if late:
                self.counters[metric.name].late += late
        self._since_settled += len(rows)
        if self._since_settled >= SETTLED_AFTER:
            self._since_settled = 0
            for pane in self._open():
                for _, cell in pane.cells.by_key.values():
                    cell.settle()

    def flush(self, closed_ms: int, *, stream_ms: int | None = None, idle: bool = False) -> list[Record]:
        """Return what is to be committed: a partial for each key that was touched, then marks if one is due.

        Call it once per commit. `closed_ms`: the partition's time, by its clicks or by the clock;
        `stream_ms`: by its clicks alone, where that is less. `idle`: it has come to the end of its
        input and has never had a click, so its mark says that nobody need wait for it. After a transaction
        that failed call `rollback`.
        """
        records: list[Record] = []
        for metric, panes in zip(self.metrics, self._panes, strict=True):
            for start_ms, pane in list(panes.items()):
                prefix = pane_prefix(metric.identity, start_ms)
                records += [
                    (place.partition, prefix + place.key, encode_aggregate(cell), start_ms)
                    for place, cell in pane.take().values()
                ]
                time_ms = closed_ms if metric.emit == "final" or stream_ms is None else stream_ms
                if metric.panes.pane_closes_ms(start_ms) <= time_ms:
                    del panes[start_ms]
        self._since_settled = 0
        if self._has_closed(self.metrics, closed_ms):
            self._told_ms = closed_ms
            self._mark(closed_ms, records)
            if self._final:
                clicks_ms = closed_ms if stream_ms is None else max(0, stream_ms)
                self._mark(clicks_ms, records, BY_CLICKS)
        elif idle and self.idle_is_due():
            self._told_idle = True
            self._mark(IDLE_MS, records)
        return records

    def mark_is_due(self, time_ms: int) -> bool:
        """Tell whether the clock is to say this time: results that are final wait for it, updates do not."""
        return self._has_closed(self._final, time_ms)

    def _has_closed(self, metrics: Sequence[Metric], time_ms: int) -> bool:
        """Tell whether a pane of these has closed by a time that was open at the last mark."""
        if time_ms < 0 or not metrics:
            return False
        return self._told_ms < 0 or any(
            metric.panes.last_closed_pane_ms(time_ms)
            > max(-1, metric.panes.last_closed_pane_ms(self._told_ms))
            for metric in metrics
        )

    def idle_is_due(self) -> bool:
        """Tell whether this object has told nothing yet: neither a time nor that there is none."""
        return bool(self.metrics) and self._told_ms < 0 and not self._told_idle

    def rollback(self) -> None:
        """Forget what was added and told since the last commit: the clicks are read again."""
        for pane in self._open():
            pane.take()
        self._told_ms = -1  # a mark that is told twice does no harm
        self._told_idle = False
        self._since_settled = 0

    def _open(self) -> Iterable[Pane]:
        return (pane for panes in self._panes for pane in panes.values())

    def _mark(self, time_ms: int, records: list[Record], kind: int = 0) -> None:
        """Add a mark for each partition: every metrics task is to hear it. `kind`: 0 or BY_CLICKS."""
        key, value = encode_mark(self._partition | kind, time_ms)
        records += [(partition, key, value, time_ms) for partition in range(self._partitions)]

    def _lane(self, of: str) -> Lane:
        """Return the metrics of clicks, or of sessions, and their loop."""
        numbers = [number for number, metric in enumerate(self.metrics) if metric.of == of]
        metrics = tuple(self.metrics[number] for number in numbers)
        shared: dict[tuple[int, int], list[int]] = {}
        for place, metric in enumerate(metrics):
            shared.setdefault((metric.panes.advance_ms, metric.panes.grace_ms), []).append(place)
        groups = list(shared.values())
        turns = [self._turn([numbers[place] for place in group]) for group in groups]
        return Lane(metrics, make_loop(metrics, groups, turns, [self._again(metric) for metric in metrics]))

    def _turn(self, group: Sequence[int]) -> Callable[[int], tuple[Any, ...]]:
        """Return the look-up of the panes of metrics that share them (loop.py has its shape)."""
        arithmetic = self.metrics[group[0]].panes

        def turn(event_ms: int) -> tuple[Any, ...]:
            start_ms = arithmetic.pane_start_ms(event_ms)
            cells = [self._pane(number, start_ms).cells for number in group]
            return (start_ms, start_ms + arithmetic.advance_ms, arithmetic.pane_closes_ms(start_ms), *cells)

        return turn

    def _pane(self, number: int, start_ms: int) -> Pane:
        pane = self._panes[number].get(start_ms)
        if pane is None:
            metric = self.metrics[number]
            pane = Pane(metric, start_ms, self._places[number], self.counters[metric.name])
            self._panes[number][start_ms] = pane
        return pane

    def _again(self, metric: Metric) -> Callable[..., None]:
        """Return the evaluation of one metric for a click that the loop could not add."""
        counters = self.counters[metric.name]
        single, new_cell = len(metric.by) == 1, aggregate_type(metric.kind)

        def again(
            error: Exception, click: Any, profile: Any, fields: Any, columns: Any, is_open: bool, cells: Cells
        ) -> None:
            try:
                if isinstance(error, EvaluationFailed):
                    raise error
                counters.slow += 1
                row = (click, profile, fields, columns)
                if metric.condition is not None and not metric.condition.by_library(*row):
                    return
                if not is_open:
                    counters.late += 1
                    return
                found = tuple(distinct_key(key.by_library(*row)) for key in metric.keys)
                value = None if metric.operand is None else metric.operand.by_library(*row)
                new_cell().add(value)  # or a value that is refused would leave an empty partial behind
                cells[found[0] if single else found].add(value)
            except Exception as why:  # noqa: BLE001 # one click of one metric stops nothing
                counters.fail(why)

        return again
