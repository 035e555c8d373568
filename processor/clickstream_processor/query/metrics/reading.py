"""Reading the store of one metrics task, in steps: how far it is, windows of all keys, windows of a few keys.

A window is read with several looks at the store, and commits come between them: each pane of each key is a
committed value, and two of them may be of different commits. What a task had closed before its panes were
read stays as it is. What it keeps is looked up after that, so a window that expired meanwhile is left out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from clickstream_processor.aggregation.metric import Metric
from clickstream_processor.aggregation.partials import (
    MARK,
    METRIC,
    decode_mark,
    decode_metric,
    end_of,
    pane_prefix,
    time_of,
)
from clickstream_processor.aggregation.values.aggregates import Aggregate
from clickstream_processor.aggregation.windows import KeyInWindow, key_windows, merge_panes, stored_aggregate
from clickstream_processor.query.metrics.closed_sums import ClosedSums, Span
from clickstream_processor.query.metrics.match import Match
from clickstream_processor.query.metrics.pace import LOOK, SLOWER, STEP_ENTRIES, Pace
from clickstream_processor.query.metrics.pod_answer import PodWindow
from clickstream_processor.query.metrics.tally import Counts, Tally, pod_window, tally_of
from clickstream_processor.state.reads import STEP_LOOKUPS, Steps
from clickstream_processor.state.store import TaskStore


@dataclass(frozen=True, slots=True)
class WindowsRead:
    """Which windows of a metric are read, by start; of which keys, and how many of them."""

    metric: Metric
    windows: range
    match: Match
    top: int


def read_time(store: TaskStore, clicks_partitions: int, pace: Pace) -> Steps[int]:
    """Read the time that all clicks partitions have passed, UNKNOWN_MS while one was not heard of."""
    marks = yield from read_marks(store, pace)
    return told_ms(marks, clicks_partitions)


def told_ms(marks: Mapping[int, int], clicks_partitions: int) -> int:
    """Return the time that all clicks partitions have passed, UNKNOWN_MS while one was not heard of."""
    return time_of(
        {each: mark for each, mark in marks.items() if each < clicks_partitions}, clicks_partitions
    )


def read_marks(store: TaskStore, pace: Pace) -> Steps[dict[int, int]]:
    """Read all marks, by partition, with BY_CLICKS or without."""
    marks: dict[int, int] = {}
    with store.reader() as database:
        cursor, end = database.iter(), end_of(MARK)
        cursor.seek(MARK)
        while cursor.valid() and (key := cursor.key()) < end:
            partition, mark_ms = decode_mark(key, cursor.value())
            marks[partition] = mark_ms
            cursor.next()
        cursor.status()
    yield from pace.after(len(marks))
    return marks


def read_since(store: TaskStore, metrics: Sequence[Metric]) -> dict[str, int]:
    """Read since when metrics are counted, by identity in hex; of those that the task knows."""
    found = {}
    with store.reader() as database:
        for metric in metrics:
            data = database.get(METRIC + metric.identity)
            if data is not None:
                found[metric.identity.hex()] = decode_metric(data)[0]
    return found


def scan_windows(
    store: TaskStore, read: WindowsRead, pace: Pace, sums: ClosedSums, closed_ms: int
) -> Steps[list[PodWindow]]:
    """Read windows with all their keys. Panes that end at `closed_ms` or before change no more."""
    metric, found = read.metric, []
    for start_ms in read.windows:
        tally = tally_of(metric)
        end_ms = start_ms + metric.size_ms
        if isinstance(tally, Counts) and start_ms < closed_ms:
            span = Span(metric.identity, start_ms, min(end_ms, closed_ms))
            kept = sums.get(store, span)
            if kept is None:
                yield from _scan(store, metric, tally, span, pace)
                sums.put(store, span, tally.copy())
            else:
                tally.begin_with(kept)
            start_ms = span.end_ms
        yield from _scan(store, metric, tally, Span(metric.identity, start_ms, end_ms), pace)
        found.append((yield from tally.window(end_ms - metric.size_ms, read.match, read.top, pace)))
    return found


def _scan(store: TaskStore, metric: Metric, tally: Tally, span: Span, pace: Pace) -> Steps[None]:
    """Let a tally take panes with all their keys."""
    weight = 1 if metric.kind == "count" else SLOWER
    entries = STEP_ENTRIES // weight
    end = pane_prefix(span.identity, span.end_ms)
    first: bytes | None = pane_prefix(span.identity, span.start_ms) if span.start_ms < span.end_ms else None
    while first is not None:
        with store.reader() as database:
            first = tally.take(database.iter(), first, end, entries)
        yield from pace.after(0 if first is None else entries * weight)


def look_up_windows(
    store: TaskStore, read: WindowsRead, keys: Sequence[bytes], pace: Pace
) -> Steps[list[PodWindow]]:
    """Read windows of a few keys."""
    by_window: dict[int, dict[bytes, Aggregate]] = {start_ms: {} for start_ms in read.windows}
    for key in keys:
        panes = yield from _panes_of(store, read, key, pace)
        for start_ms, found in _windows_of(read, key, panes):
            by_window[start_ms][key] = found.aggregate
            yield from pace.after(0)
    windows = []
    for start_ms, kept in by_window.items():
        windows.append((yield from pod_window(read.metric, start_ms, kept, None, read.top, pace)))
    return windows


def _panes_of(store: TaskStore, read: WindowsRead, key: bytes, pace: Pace) -> Steps[dict[int, Aggregate]]:
    """Read the panes of a key that its windows have, by start."""
    panes: dict[int, Aggregate] = {}
    if not read.windows:
        return panes
    identity, arithmetic = read.metric.identity, read.metric.panes
    last_ms = read.windows[-1] + arithmetic.size_ms
    starts = range(read.windows[0], last_ms, arithmetic.advance_ms)
    for at in range(0, len(starts), STEP_LOOKUPS):
        batch = starts[at : at + STEP_LOOKUPS]
        with store.reader() as database:
            for start_ms in batch:
                data = database.get(pane_prefix(identity, start_ms) + key)
                if data is not None:
                    panes[start_ms] = stored_aggregate(data)
        yield from pace.after(len(batch) * LOOK)
    return panes


def _windows_of(
    read: WindowsRead, key: bytes, panes: dict[int, Aggregate]
) -> Iterator[tuple[int, KeyInWindow]]:
    if len(read.windows) > 1 and panes:
        return key_windows(read.metric, key, panes, read.windows)
    found = merge_panes(read.metric, key, panes)
    return iter(()) if found is None else iter([(read.windows[0], found)])
