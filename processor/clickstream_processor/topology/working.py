"""What a task has in hand: decoded users and chunks, stream time, and what has changed since the last commit."""

from collections.abc import Iterator
from typing import Protocol


class Committed(Protocol):
    """The committed state under a working set: one ordered mapping (a TaskStore; in tests, a dict)."""

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a state key (topology/keys.py), or None."""

    def scan(self, first: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield entries with first <= key < end in the order of their keys."""


class WorkingSet:
    """Uncommitted changes and a bounded cache over committed state."""

    stream_ms: int  # greatest event time that reached the count; -1 before the first
    closed_ms: int  # windows whose end + grace is not beyond this are closed: stream time, or a later tick
    profiles_offset: int  # next offset of the profiles topic
