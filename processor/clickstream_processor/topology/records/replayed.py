"""Clicks that come again: a replay has sent them from their dead letters (ADR 0072).

Such a record has the headers `replay-of` (`<clicks topic>-<partition>-<offset>`, where the click first
arrived), `replay` (the replay's name), `attempt` (2 for the first replay) and `history` (the reasons of its
letters so far, oldest first, with commas). Its event id is that of its first place. A letter that it becomes
has the last three again. What a collector has refused was never in the clicks topic: it comes without
`replay-of`, and where it lies now is its first place.
"""

from collections.abc import Sequence
from typing import NamedTuple

REPLAY_OF, REPLAY, ATTEMPT, HISTORY = "replay-of", "replay", "attempt", "history"
MAX_NAME_BYTES = 253  # as Kubernetes has it for names
MAX_HISTORY_BYTES = 400
MAX_ATTEMPT = 9_999
OFFSET_DIGITS = 19
_LAST_OFFSET = 2**63 - 1

Pairs = Sequence[tuple[str, str | bytes | None]]


class Place(NamedTuple):
    """Where a record lies."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}-{self.partition}-{self.offset}"


class Replayed(NamedTuple):
    """What a click that comes again says of itself."""

    name: str  # of the replay
    attempt: int
    history: str

    def headers(self) -> list[tuple[str, str | bytes | None]]:
        """Return it as headers, for the click on its way and for its letter."""
        return [(REPLAY, self.name), (ATTEMPT, str(self.attempt)), (HISTORY, self.history)]


def replayed_in(pairs: Pairs) -> Replayed:
    """Return what headers say; what is not valid is left out, an attempt counts as the second then."""
    said = {name: value for name, value in reversed(pairs) if isinstance(value, bytes)}
    number = said.get(ATTEMPT, b"")
    attempt = int(number) if number.isdigit() and len(number) <= len(str(MAX_ATTEMPT)) else 0
    return Replayed(
        _text(said.get(REPLAY, b""), MAX_NAME_BYTES),
        max(2, attempt),
        _text(said.get(HISTORY, b""), MAX_HISTORY_BYTES),
    )


def first_place_in(pairs: Pairs, places: "Places", own: Place) -> Place | None:
    """Return where a click first arrived; None for one that no replay has sent. `own`: where it lies.

    A header `replay-of` that is no place of these clicks makes it a click as any other.
    """
    names = {name for name, _ in pairs}
    if REPLAY_OF in names:
        return places.read(next(value for name, value in pairs if name == REPLAY_OF))
    return own if REPLAY in names else None


class Places:
    """Reads the places of a pipeline's clicks."""

    def __init__(self, clicks_topic: str, partitions: int) -> None:
        self._topic = clicks_topic
        self._partitions = {f"{clicks_topic}-{number}".encode(): number for number in range(partitions)}

    def read(self, value: str | bytes | None) -> Place | None:
        """Return the place that a header's value says; None where it says no place of these clicks."""
        if not isinstance(value, bytes):
            return None
        log, _, offset = value.rpartition(b"-")
        partition = self._partitions.get(log)
        if partition is None or not offset.isdigit() or len(offset) > OFFSET_DIGITS:
            return None
        number = int(offset)
        return Place(self._topic, partition, number) if number <= _LAST_OFFSET else None


def _text(value: bytes, most: int) -> str:
    """Return a header's text, empty where it is none of ours."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return ""
    return text if len(value) <= most and text.isprintable() else ""
