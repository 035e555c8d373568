"""Counts of windows that still change, kept between questions: read once, they follow what is written.

RocksDB keeps each value of a key in its memtable until that is flushed, some 30 of each key that is clicked
often: reading 5,000 keys anew for each question takes ten times as long as adding what has changed.
"""

import weakref
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clickstream_processor.aggregation.partials import KEY_AT, pane_prefix
from clickstream_processor.query.metrics.reading.closed_sums import Span
from clickstream_processor.query.metrics.reading.pace import Pace
from clickstream_processor.query.metrics.reading.tally import Cursor, stored_count
from clickstream_processor.state.changes import Change, Changes
from clickstream_processor.state.reads import Steps

MOST_PANES = 100_000  # of all windows together, one for each key and pane: some 30 MB
_STEP_CHANGES = 1_000


@dataclass(frozen=True, slots=True)
class OpenWindow:
    """A window of a metric, and its panes that change."""

    start_ms: int
    open: Span


class FollowedCounts:
    """Counts by key of one window: those of its closed panes, and those of its open ones as they change."""

    def __init__(self, span: Span, closed: Mapping[bytes, int], changes: Changes) -> None:
        """`closed`: of the panes before `span`. Read the panes of `span` next."""
        self.by_key = dict(closed)
        self._first = pane_prefix(span.identity, span.start_ms)
        self._end = pane_prefix(span.identity, span.end_ms)
        self._panes: dict[bytes, int] = {}
        self._changes = changes
        self._next = changes.follow()

    def __len__(self) -> int:
        return len(self._panes)

    def take(self, cursor: Cursor, first: bytes, end: bytes, entries: int) -> bytes | None:
        """Take up to so many entries of [first, end); return where to go on, None: all are taken."""
        by_key, find, panes = self.by_key, self.by_key.get, self._panes
        cursor.seek(first)
        while cursor.valid():
            place = cursor.key()
            if place >= end:
                return None
            if not entries:
                return place
            entries -= 1
            panes[place] = count = stored_count(cursor.value())
            key = place[KEY_AT:]
            by_key[key] = find(key, 0) + count
            cursor.next()
        cursor.status()
        return None

    def catch_up(self, pace: Pace) -> Steps[bool]:
        """Take what was written since; False: not all of it is known any more."""
        while (changes := self._changes.since(self._next, _STEP_CHANGES)) is not None:
            self._apply(changes)
            self._next += len(changes)
            if len(changes) < _STEP_CHANGES:
                return True
            yield from pace.after(len(changes))
        return False

    def _apply(self, changes: Sequence[Change]) -> None:
        """Values are absolute: one that was read already changes nothing."""
        panes, by_key, first, end = self._panes, self.by_key, self._first, self._end
        for place, value in changes:
            if first <= place < end:
                count = 0 if value is None else stored_count(value)
                key = place[KEY_AT:]
                total = by_key.get(key, 0) + count - panes.get(place, 0)
                panes[place] = count
                if total:
                    by_key[key] = total
                else:
                    by_key.pop(key, None)


class OpenSums:
    """The windows that were asked for last, of all tasks. Used by one thread."""

    def __init__(self, most_panes: int = MOST_PANES) -> None:
        self._most_panes = most_panes
        # A store that is opened again is another one, as it is for the sums of closed panes.
        self._windows: OrderedDict[tuple[weakref.ref[object], OpenWindow], FollowedCounts] = OrderedDict()

    def get(self, store: object, window: OpenWindow) -> FollowedCounts | None:
        """Return what is kept of a window; None: nothing."""
        place = weakref.ref(store), window
        found = self._windows.get(place)
        if found is not None:
            self._windows.move_to_end(place)
        return found

    def put(self, store: object, window: OpenWindow, counts: FollowedCounts) -> None:
        """Keep a window; those that were asked for longest ago go, if there are too many panes."""
        place = weakref.ref(store), window
        self._windows[place] = counts
        self._windows.move_to_end(place)
        panes = sum(map(len, self._windows.values()))
        while panes > self._most_panes:
            panes -= len(self._windows.popitem(last=False)[1])

    def forget(self, store: object, window: OpenWindow) -> None:
        """Keep a window no longer."""
        self._windows.pop((weakref.ref(store), window), None)
