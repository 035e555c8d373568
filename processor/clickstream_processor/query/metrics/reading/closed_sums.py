"""Counts of closed panes, added up by key and kept: a closed pane never changes, so it is read once.

A question for the largest keys of the present window then reads the panes that are still open, two of five
in a window of 5 minutes with a grace of one. Pure.
"""

import weakref
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from clickstream_processor.aggregation.metric import Metric
from clickstream_processor.aggregation.partials import BY_CLICKS, IDLE_MS

MOST_KEYS = 100_000  # of all sums together: some 20 MB
UNKNOWN_MS = -1


@dataclass(frozen=True, slots=True)
class Span:
    """The panes of a metric that start in [start, end), ms."""

    identity: bytes
    start_ms: int
    end_ms: int


class ClosedSums:
    """The sums that were asked for last, of all tasks. Used by one thread."""

    def __init__(self, most_keys: int = MOST_KEYS) -> None:
        self._most_keys = most_keys
        self._keys = 0
        # A store that is opened again is another one: what the new one lacks or has more is not known here.
        self._sums: OrderedDict[tuple[weakref.ref[object], Span], Mapping[bytes, int]] = OrderedDict()

    def get(self, store: object, span: Span) -> Mapping[bytes, int] | None:
        """Return count by key; None: not kept."""
        place = weakref.ref(store), span
        found = self._sums.get(place)
        if found is not None:
            self._sums.move_to_end(place)
        return found

    def put(self, store: object, span: Span, counts: Mapping[bytes, int]) -> None:
        """Keep count by key; the caller changes it no more. More keys than are kept at all are not kept."""
        if len(counts) > self._most_keys:
            return
        place = weakref.ref(store), span
        before = self._sums.pop(place, None)
        self._keys += len(counts) - len(before or ())
        self._sums[place] = counts
        while self._keys > self._most_keys:
            self._keys -= len(self._sums.popitem(last=False)[1])


def closed_before_ms(metric: Metric, marks: Mapping[int, int], partitions: int) -> int:
    """Return the end of a task's newest closed pane, by its marks; UNKNOWN_MS: there is none for sure.

    A clicks partition that nobody need wait for may have clicks later, in a pane that the others have closed.
    """
    told = {each: mark for each, mark in marks.items() if each < partitions}
    if len(told) < partitions or IDLE_MS in marks.values():
        return UNKNOWN_MS
    if metric.emit != "final":  # the clock closes no pane of it, though it may have said the mark
        told = {each: min(mark, marks.get(each | BY_CLICKS, mark)) for each, mark in told.items()}
    return metric.panes.last_closed_pane_ms(min(told.values())) + metric.panes.advance_ms
