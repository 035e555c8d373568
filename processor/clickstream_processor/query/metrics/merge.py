"""Answers of tasks and pods merged into one. Pure.

A key is in one task, so the largest of each task's largest are the largest of all, and no row is merged with
another. (other) is in every task: its aggregates are merged, and the result takes its place among the rows.
"""

import heapq
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from clickstream_processor.aggregation.merging.results import key_values
from clickstream_processor.aggregation.metric import Metric
from clickstream_processor.aggregation.values.aggregates import Aggregate, encode_aggregate, merged
from clickstream_processor.aggregation.values.distinct import Distinct
from clickstream_processor.aggregation.values.keys import OTHER
from clickstream_processor.aggregation.values.numeric import Number
from clickstream_processor.aggregation.windows import stored_aggregate
from clickstream_processor.query.metrics.document import (
    MetricDescription,
    MetricList,
    MetricResult,
    ResultRow,
    ResultWindow,
    WindowLengths,
)
from clickstream_processor.query.metrics.pod_answer import (
    UNKNOWN_MS,
    PodResult,
    PodRow,
    PodTasks,
    PodWindow,
)


def row(key: bytes, aggregate: Aggregate) -> PodRow | None:
    """Return the row of a key; None: it has no value."""
    value = aggregate.value()
    if value is None:
        return None
    bounds = aggregate.bounds() if isinstance(aggregate, Distinct) else None
    return PodRow(key, value) if bounds is None else PodRow(key, value, *bounds)


def largest(rows: Iterable[PodRow], number: int) -> tuple[PodRow, ...]:
    """Return the rows with the largest values, largest first; of equal values by the keys' bytes."""
    return tuple(heapq.nsmallest(number, rows, key=_place))


def _place(each: PodRow) -> tuple[Number, bytes]:
    return -each.value, each.key


def merge_tasks(parts: Sequence[PodTasks], generation: int) -> PodTasks:
    """Return how far the tasks of all parts are. A metric that one of them does not know has no `since`."""
    told = [part.since for part in parts if part.partitions]
    known = set(told[0]).intersection(*told) if told else set()
    since = {identity: max(each[identity] for each in told) for identity in known}
    return PodTasks(
        generation,
        tuple(sorted(partition for part in parts for partition in part.partitions)),
        min((part.time_ms for part in parts if part.partitions), default=UNKNOWN_MS),
        max((part.age_ms for part in parts), default=0),
        since,
    )


def merge_results(metric: Metric, parts: Sequence[PodResult], generation: int, top: int) -> PodResult:
    """Return one result of several; all have the same windows in the same order."""
    parts = [part for part in parts if part.tasks.partitions]
    return PodResult(
        merge_tasks([part.tasks for part in parts], generation),
        max((part.kept_ms for part in parts), default=0),
        tuple(_window(metric, same, top) for same in zip(*(part.windows for part in parts), strict=True)),
    )


def result(
    metric: Metric, found: PodResult, missing: Sequence[int], *, top: int, now_ms: int
) -> MetricResult:
    """Return the answer; windows that are no longer kept are left out. Raises StateCorrupted.

    A window is closed by the time that the tasks had before it was read.
    """
    tasks = found.tasks
    closed_ms = UNKNOWN_MS
    if tasks.time_ms >= 0 and not missing:
        closed_ms = metric.panes.last_closed_window_ms(tasks.time_ms)
    return MetricResult(
        name=metric.name,
        aggregate=metric.kind,
        since_ms=tasks.since.get(metric.identity.hex()),
        time_ms=_known(tasks.time_ms),
        kept_from_ms=found.kept_ms,
        as_of_ms=now_ms - tasks.age_ms,
        staleness_ms=tasks.age_ms,
        partial=bool(missing),
        missing_partitions=tuple(missing),
        windows=tuple(
            _result_window(metric, window, top, is_closed=window.start_ms <= closed_ms)
            for window in found.windows
            if window.start_ms >= found.kept_ms
        ),
    )


def metric_list(metrics: Sequence[Metric], tasks: PodTasks, missing: Sequence[int]) -> MetricList:
    """Return the list of metrics with how far their tasks are."""
    return MetricList(
        metrics=tuple(
            MetricDescription(
                name=metric.name,
                aggregate=metric.kind,
                of=metric.of,
                value=metric.value,
                where=metric.where,
                by=metric.by,
                window=WindowLengths(
                    size_ms=metric.panes.size_ms,
                    advance_ms=metric.panes.advance_ms,
                    grace_ms=metric.panes.grace_ms,
                    retention_ms=metric.panes.retention_ms,
                ),
                emit=metric.emit,
                topic=metric.topic,
                since_ms=tasks.since.get(metric.identity.hex()),
                time_ms=_known(tasks.time_ms),
            )
            for metric in metrics
        ),
        partial=bool(missing),
    )


def _window(metric: Metric, same: Sequence[PodWindow], top: int) -> PodWindow:
    if len(same) == 1:
        return same[0]
    return PodWindow(
        start_ms=same[0].start_ms,
        keys=sum(each.keys for each in same),
        rows=tuple(islice(heapq.merge(*(each.rows for each in same), key=_place), top)),
        other=_merged(metric, same, lambda each: each.other),
        total=_merged(metric, same, lambda each: each.total),
    )


def _merged(
    metric: Metric, same: Sequence[PodWindow], part_of: Callable[[PodWindow], bytes | None]
) -> bytes | None:
    parts = [part for each in same if (part := part_of(each)) is not None]
    if len(parts) < 2:
        return parts[0] if parts else None
    return encode_aggregate(merged([stored_aggregate(part) for part in parts], metric.kind))


def _result_window(metric: Metric, window: PodWindow, top: int, *, is_closed: bool) -> ResultWindow:
    rows = list(window.rows)
    if window.other is not None and (other := row(OTHER, stored_aggregate(window.other))) is not None:
        rows.append(other)
    return ResultWindow(
        window_start=window.start_ms,
        window_end=window.start_ms + metric.size_ms,
        closed=is_closed,
        keys=window.keys,
        total=_total(window),
        rows=tuple(_result_row(metric, each) for each in largest(rows, top)),
    )


def _total(window: PodWindow) -> Number | None:
    return None if window.total is None else stored_aggregate(window.total).value()


def _result_row(metric: Metric, found: PodRow) -> ResultRow:
    keys = key_values(metric, found.key)
    if metric.kind != "distinct":
        return ResultRow(keys=keys, value=found.value)
    if found.lower is None or found.upper is None:
        return ResultRow(keys=keys, value=found.value, exact=True)
    return ResultRow(keys=keys, value=found.value, exact=False, lower=found.lower, upper=found.upper)


def _known(time_ms: int) -> int | None:
    return time_ms if time_ms >= 0 else None
