"""Reading windows: their panes merged, for one key or for all of them in the order of their keys.

The state is one ordered mapping with the keys of partials.py: a task's store, in tests a dict. What is read
is never changed: results are new aggregates.
"""

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from clickstream_processor.aggregation.metric import Metric
from clickstream_processor.aggregation.partials import KEY_AT, end_of, metric_prefix, pane_of, pane_prefix
from clickstream_processor.aggregation.values.aggregates import Aggregate, decode_aggregate, merged
from clickstream_processor.errors import MalformedPartial, StateCorrupted
from clickstream_processor.topology.users.working_set import CommittedState


@dataclass(frozen=True, slots=True)
class KeyInWindow:
    """What a window has for one key."""

    key: bytes  # keys.py
    aggregate: Aggregate
    newest_pane_ms: int  # start of the newest pane that has something for the key


def stored_aggregate(data: bytes) -> Aggregate:
    """Return an aggregate of the state; raises StateCorrupted."""
    try:
        return decode_aggregate(data)
    except MalformedPartial as error:
        raise StateCorrupted(f"a pane of a metric: {error}") from error


def read_key(state: CommittedState, metric: Metric, window_ms: int, key: bytes) -> KeyInWindow | None:
    """Return what one window has for one key, None: nothing."""
    panes = {}
    for pane_ms in metric.panes.of_window(window_ms):
        data = state.get(pane_prefix(metric.identity, pane_ms) + key)
        if data is not None:
            panes[pane_ms] = stored_aggregate(data)
    return merge_panes(metric, key, panes)


def read_window(state: CommittedState, metric: Metric, window_ms: int) -> Iterator[KeyInWindow]:
    """Yield what one window has for each of its keys, in the order of the keys' bytes."""
    scans = []
    for pane_ms in metric.panes.of_window(window_ms):
        prefix = pane_prefix(metric.identity, pane_ms)
        scans.append(_keys_of(pane_ms, state.scan(prefix, end_of(prefix))))
    if len(scans) == 1:
        for key, pane_ms, data in scans[0]:
            yield KeyInWindow(key, stored_aggregate(data), pane_ms)
        return
    for key, entries in groupby(heapq.merge(*scans), key=itemgetter(0)):
        panes = {pane_ms: stored_aggregate(data) for _, pane_ms, data in entries}
        found = merge_panes(metric, key, panes)
        if found is not None:
            yield found


def panes_between(state: CommittedState, metric: Metric, first_ms: int, end_ms: int) -> Iterator[int]:
    """Yield the starts of the panes in [first, end) that have something, oldest first; one look-up each."""
    end = pane_prefix(metric.identity, max(0, end_ms))
    first_ms = max(0, first_ms)
    while (first := pane_prefix(metric.identity, first_ms)) < end:
        found = next(iter(state.scan(first, end)), None)
        if found is None:
            return
        pane_ms = pane_of(found[0])
        yield pane_ms
        first_ms = pane_ms + metric.panes.advance_ms


def merge_panes(metric: Metric, key: bytes, panes: Mapping[int, Aggregate]) -> KeyInWindow | None:
    """Return what a window has whose panes these are, by start; None: there are none."""
    if not panes:
        return None
    newest_ms = max(panes)
    if len(panes) == 1:
        return KeyInWindow(key, panes[newest_ms], newest_ms)
    return KeyInWindow(key, merged([panes[start_ms] for start_ms in sorted(panes)], metric.kind), newest_ms)


def key_windows(
    metric: Metric, key: bytes, panes: Mapping[int, Aggregate], windows: range
) -> Iterator[tuple[int, KeyInWindow]]:
    """Yield what the windows that start in `windows` have for a key with these panes, each with its start.

    With n panes a window, n^2 merges would be too many where n is large. So the panes on both sides of a
    pivot are merged cumulatively, and a window that holds the pivot is two of those: at most three merges a
    window.
    """
    step, size = metric.panes.advance_ms, metric.panes.size_ms
    for pivot in range(windows.start + size - step, windows.stop + size - step, size):
        block = range(max(windows.start, pivot - size + step), min(windows.stop, pivot + step), step)
        back = _cumulated(metric, key, panes, range(pivot, pivot - size, -step))
        forth = _cumulated(metric, key, panes, range(pivot + step, pivot + size, step))
        for start_ms in block:
            halves = [back[start_ms], forth.get(start_ms + size - step)]
            found = [half for half in halves if half is not None]
            if len(found) == 2:
                total = merged([half.aggregate for half in found], metric.kind)
                yield start_ms, KeyInWindow(key, total, found[1].newest_pane_ms)
            elif found:
                yield start_ms, found[0]


def _cumulated(
    metric: Metric, key: bytes, panes: Mapping[int, Aggregate], starts: range
) -> dict[int, KeyInWindow | None]:
    """Return by each start the panes from the first of `starts` to it, merged."""
    totals: dict[int, KeyInWindow | None] = {}
    last: KeyInWindow | None = None
    for start_ms in starts:
        if start_ms in panes:
            both = [panes[start_ms]] if last is None else [last.aggregate, panes[start_ms]]
            newest_ms = start_ms if last is None else max(start_ms, last.newest_pane_ms)
            last = KeyInWindow(key, both[0] if last is None else merged(both, metric.kind), newest_ms)
        totals[start_ms] = last
    return totals


def _keys_of(pane_ms: int, entries: Iterator[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, int, bytes]]:
    for record_key, data in entries:
        yield record_key[KEY_AT:], pane_ms, data


def whole_metric(identity: bytes) -> tuple[bytes, bytes]:
    """Return the range of all panes of a metric."""
    prefix = metric_prefix(identity)
    return prefix, end_of(prefix)
