"""Reading the store of one metrics task, in steps: how far it is, windows of all keys, windows of a few keys.

A window is read with several looks at the store, and commits come between them: each pane of each key is a
committed value, and two of them may be of different commits. What a task had closed before its panes were
read stays as it is. What it keeps is looked up after that, so a window that expired meanwhile is left out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

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
from clickstream_processor.query.metrics.pod_answer import PodWindow
from clickstream_processor.query.metrics.reading.closed_sums import ClosedSums, Span
from clickstream_processor.query.metrics.reading.match import Match
from clickstream_processor.query.metrics.reading.open_sums import FollowedCounts, OpenSums, OpenWindow
from clickstream_processor.query.metrics.reading.pace import LOOK, SLOWER, STEP_ENTRIES, Pace
from clickstream_processor.query.metrics.reading.tally import Counts, Takes, pod_window, tally_of
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


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept between questions."""

    closed: ClosedSums = field(default_factory=ClosedSums)
    open: OpenSums = field(default_factory=OpenSums)


def scan_windows(
    store: TaskStore, read: WindowsRead, pace: Pace, kept: Kept, closed_ms: int
) -> Steps[list[PodWindow]]:
    """Read windows with all their keys. Panes that end at `closed_ms` or before change no more."""
    metric, found = read.metric, []
    for start_ms in read.windows:
        tally = tally_of(metric)
        span = Span(metric.identity, start_ms, start_ms + metric.size_ms)
        if isinstance(tally, Counts):
            tally.begin_with((yield from _counts(store, metric, span, pace, kept, closed_ms)))
        else:
            yield from _scan(store, tally, span, STEP_ENTRIES // SLOWER, pace)
        found.append((yield from tally.window(start_ms, read.match, read.top, pace)))
    return found


def _counts(
    store: TaskStore, metric: Metric, span: Span, pace: Pace, kept: Kept, closed_ms: int
) -> Steps[Mapping[bytes, int]]:
    """Return a window's count by key."""
    closed: Mapping[bytes, int] = {}
    open_ms = min(max(span.start_ms, closed_ms), span.end_ms)
    window = OpenWindow(span.start_ms, Span(metric.identity, open_ms, span.end_ms))
    counts = kept.open.get(store, window)
    if counts is not None:
        if (yield from counts.catch_up(pace)):
            return counts.by_key
        kept.open.forget(store, window)
    if span.start_ms < open_ms:
        closed = yield from _closed_counts(store, Span(metric.identity, span.start_ms, open_ms), pace, kept)
    if open_ms == span.end_ms:
        return closed
    counts = FollowedCounts(window.open, closed, store.changes)
    yield from _scan(store, counts, window.open, STEP_ENTRIES, pace)
    if (yield from counts.catch_up(pace)):
        kept.open.put(store, window, counts)
    return counts.by_key


def _closed_counts(store: TaskStore, span: Span, pace: Pace, kept: Kept) -> Steps[Mapping[bytes, int]]:
    found = kept.closed.get(store, span)
    if found is None:
        tally = Counts()
        yield from _scan(store, tally, span, STEP_ENTRIES, pace)
        found = tally.copy()
        kept.closed.put(store, span, found)
    return found


def _scan(store: TaskStore, into: Takes, span: Span, entries: int, pace: Pace) -> Steps[None]:
    """Take panes with all their keys, so many entries in each look."""
    end = pane_prefix(span.identity, span.end_ms)
    first: bytes | None = pane_prefix(span.identity, span.start_ms)
    while first is not None:
        with store.reader() as database:
            first = into.take(database.iter(), first, end, entries)
        yield from pace.after(0 if first is None else STEP_ENTRIES)


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
