"""One window of one task: the values of all its keys, added up from its panes as they are read.

Counts are most metrics, and most of their panes are a byte or two: they are added up as plain integers, which
takes a fifth of the time of aggregates.
"""

import heapq
from collections.abc import Mapping
from typing import Protocol, TypeVar

from clickstream_processor.aggregation.metric import Metric
from clickstream_processor.aggregation.partials import KEY_AT
from clickstream_processor.aggregation.values.aggregates import (
    Aggregate,
    encode_aggregate,
    merged,
)
from clickstream_processor.aggregation.values.keys import OTHER
from clickstream_processor.aggregation.values.numeric import Count, Number
from clickstream_processor.aggregation.windows import stored_aggregate
from clickstream_processor.errors import StateCorrupted
from clickstream_processor.query.metrics.merge import row
from clickstream_processor.query.metrics.pod_answer import PodRow, PodWindow
from clickstream_processor.query.metrics.reading.match import Match
from clickstream_processor.query.metrics.reading.pace import Pace
from clickstream_processor.state.reads import Steps

T = TypeVar("T")

_BATCH = 500  # keys whose values are looked at in one go


class Cursor(Protocol):
    """A position in a store (RocksDB's iterator)."""

    def valid(self) -> bool: ...
    def status(self) -> None: ...
    def seek(self, key: bytes, /) -> None: ...
    def next(self) -> None: ...
    def key(self) -> bytes: ...
    def value(self) -> bytes: ...


class Takes(Protocol):
    """Takes panes in slices."""

    def take(self, cursor: Cursor, first: bytes, end: bytes, entries: int) -> bytes | None:
        """Take up to so many entries of [first, end); return where to go on, None: all are taken."""


class Tally(Takes, Protocol):
    """Takes a window's panes, then says what the window has."""

    def window(self, start_ms: int, match: Match, top: int, pace: Pace) -> Steps[PodWindow]:
        """Return the window: of the keys that match, the `top` largest. Call it once."""


def tally_of(metric: Metric) -> Tally:
    """Return an empty tally."""
    return Counts() if metric.kind == "count" else _Aggregates(metric)


class Counts:
    """Counts, as integers."""

    def __init__(self) -> None:
        self._by_key: dict[bytes, int] = {}

    def begin_with(self, counts: Mapping[bytes, int]) -> None:
        """Take counts by key, before any pane; they are copied."""
        self._by_key = dict(counts)

    def copy(self) -> Mapping[bytes, int]:
        """Return what was taken so far, as it is now."""
        return dict(self._by_key)

    def take(self, cursor: Cursor, first: bytes, end: bytes, entries: int) -> bytes | None:
        by_key, find = self._by_key, self._by_key.get
        cursor.seek(first)
        while cursor.valid():
            place = cursor.key()
            if place >= end:
                return None
            if not entries:
                return place
            entries -= 1
            key = place[KEY_AT:]
            by_key[key] = find(key, 0) + stored_count(cursor.value())
            cursor.next()
        cursor.status()  # it ends at a damaged block as it ends at the last entry; this tells them apart
        return None

    def window(self, start_ms: int, match: Match, top: int, pace: Pace) -> Steps[PodWindow]:
        by_key = self._by_key
        other = by_key.pop(OTHER, None) if match.means_other else None
        by_key.pop(OTHER, None)
        kept = matching(by_key, match)
        total = sum(kept.values()) + (other or 0)
        yield from pace.after(len(by_key))
        return PodWindow(
            start_ms,
            len(kept),
            tuple(PodRow(key, kept[key]) for key in largest_keys(kept, top)),
            None if other is None else encode_aggregate(Count(other)),
            encode_aggregate(Count(total)) if kept or other is not None else None,
        )


class _Aggregates:
    """Aggregates of any kind."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric
        self._by_key: dict[bytes, Aggregate] = {}

    def take(self, cursor: Cursor, first: bytes, end: bytes, entries: int) -> bytes | None:
        by_key = self._by_key
        cursor.seek(first)
        while cursor.valid():
            place = cursor.key()
            if place >= end:
                return None
            if not entries:
                return place
            entries -= 1
            aggregate = stored_aggregate(cursor.value())
            before = by_key.setdefault(place[KEY_AT:], aggregate)
            if before is not aggregate:
                before.merge(aggregate)
            cursor.next()
        cursor.status()
        return None

    def window(self, start_ms: int, match: Match, top: int, pace: Pace) -> Steps[PodWindow]:
        other = self._by_key.pop(OTHER, None)
        kept = matching(self._by_key, match)
        yield from pace.after(len(self._by_key))
        other = other if match.means_other else None
        return (yield from pod_window(self._metric, start_ms, kept, other, top, pace))


def pod_window(
    metric: Metric,
    start_ms: int,
    kept: Mapping[bytes, Aggregate],
    other: Aggregate | None,
    top: int,
    pace: Pace,
) -> Steps[PodWindow]:
    """Return a window of these keys, and of (other) if it is meant."""
    values: dict[bytes, Number] = {}
    total = other
    # A sketch of all keys' values would take longer than all else.
    is_totalled = metric.kind != "distinct" or not metric.by
    if is_totalled and kept:
        total = merged([] if other is None else [other], metric.kind)
    for number, (key, aggregate) in enumerate(kept.items(), 1):
        if (value := aggregate.value()) is not None:
            values[key] = value
        if is_totalled and total is not None:
            total.merge(aggregate)
        if number % _BATCH == 0:
            yield from pace.after(_BATCH)
    rows = (row(key, kept[key]) for key in largest_keys(values, top))
    return PodWindow(
        start_ms,
        len(kept),
        tuple(each for each in rows if each is not None),
        None if other is None else encode_aggregate(other),
        None if total is None or not is_totalled else encode_aggregate(total),
    )


def matching(by_key: Mapping[bytes, T], match: Match) -> Mapping[bytes, T]:
    """Return the entries whose keys match; raises MalformedPartial."""
    parts = match.parts()
    if not parts:
        return by_key
    found = by_key
    for forms in parts:  # bytes that are somewhere in a key: few keys are decoded
        found = {key: value for key, value in found.items() if any(form in key for form in forms)}
    return {key: value for key, value in found.items() if match.accepts(key)}


def stored_count(data: bytes) -> int:
    """Return a count of the state; raises StateCorrupted."""
    if len(data) == 2:  # most are below 128
        return data[1]
    aggregate = stored_aggregate(data)
    if not isinstance(aggregate, Count):  # the kind is part of the metric's identity
        raise StateCorrupted(f"a count of kind {type(aggregate).__name__}")
    return aggregate.count


def largest_keys(values: Mapping[bytes, Number], number: int) -> list[bytes]:
    """Return the keys of the largest values, largest first; of equal values the first by the keys' bytes.

    Most keys are compared by their values alone.
    """
    least = sorted(values.values(), reverse=True)[:number][-1:]
    above = sorted((-value, key) for key, value in values.items() if value > least[0])
    equal = heapq.nsmallest(number - len(above), (key for key, value in values.items() if value == least[0]))
    return [key for _, key in above] + equal
