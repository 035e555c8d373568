"""A naive oracle of metrics: all events in lists, all windows by arithmetic, nothing incremental.

It shares no code with the aggregation. An event is what its expressions make of a click.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any


@dataclass(frozen=True)
class Event:
    """One click: its partition, its time in ms, its key's values and its value."""

    partition: int
    event_ms: int
    key: tuple[Any, ...]
    value: Any


def on_time(events: Iterable[Event], advance_ms: int, grace_ms: int) -> tuple[list[Event], int]:
    """Return the events that count, and how many are late for their pane."""
    newest: dict[int, int] = {}
    counted, late = [], 0
    for event in events:
        newest[event.partition] = max(newest.get(event.partition, -1), event.event_ms)
        pane_end = (event.event_ms // advance_ms + 1) * advance_ms
        if pane_end + grace_ms <= newest[event.partition]:
            late += 1
        else:
            counted.append(event)
    return counted, late


def windows(
    events: Sequence[Event], size_ms: int, advance_ms: int, kind: str
) -> dict[tuple[int, tuple[Any, ...]], Any]:
    """Return the value of each window's start and key."""
    found: dict[tuple[int, tuple[Any, ...]], list[Any]] = {}
    for event in events:
        last = event.event_ms // advance_ms * advance_ms
        for start in range(last - size_ms + advance_ms, last + 1, advance_ms):
            if start >= 0:
                found.setdefault((start, event.key), []).append(event.value)
    return {place: RESULTS[kind](values) for place, values in found.items()}


def _sum(values: list[Any]) -> Any:
    total = sum(map(Fraction, values))
    if sum(Fraction(value) for value in values if isinstance(value, float)):
        return float(total)
    return int(total)


def _average(values: list[Any]) -> Any:
    return _sum(values) / len(values)


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**64 else value


def _distinct(values: list[Any]) -> int:
    """Return how many different values there are: type and value, and the sign of zero is none."""
    return len({(type(value), repr(value + 0.0 if isinstance(value, float) else value)) for value in values})


RESULTS: dict[str, Callable[[list[Any]], Any]] = {
    "count": len,
    "sum": _sum,
    "min": lambda values: _whole(min(values)),
    "max": lambda values: _whole(max(values)),
    "avg": _average,
    "distinct": _distinct,
}


def is_close(result: int, truth: int) -> bool:
    """Tell whether an estimate is within four standard errors."""
    return math.isclose(result, truth, rel_tol=4 * 0.0163)
