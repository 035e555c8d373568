"""The state of a metrics task with its uncommitted changes: what the line reads while it works."""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field

from clickstream_processor.topology.users.working_set import CommittedState

Change = tuple[bytes, bytes | None]  # a key of the state and its value; None: delete it


@dataclass(frozen=True, slots=True)
class Flushed:
    """What one commit changes. The caller writes `changes` first, then deletes the ranges [first, end)."""

    changes: list[Change] = field(default_factory=list)  # the changelog's records, too
    expired: list[tuple[bytes, bytes]] = field(default_factory=list)


class Pending:
    """Changes over a committed state. None of its methods writes to that state."""

    def __init__(self, committed: CommittedState) -> None:
        self._committed = committed
        self._changes: dict[bytes, bytes | None] = {}
        self._order: list[bytes] | None = None  # the changed keys, sorted

    def put(self, key: bytes, value: bytes | None) -> None:
        """Change one key; None deletes it."""
        self._changes[key] = value
        self._order = None

    def changes(self) -> list[Change]:
        """Return all changes, in the order of their keys."""
        return [(key, self._changes[key]) for key in self._sorted()]

    def clear(self) -> None:
        """Forget the changes: they are committed, or never will be."""
        self._changes = {}
        self._order = None

    def get(self, key: bytes) -> bytes | None:
        """Return a value, None where there is none."""
        return self._changes[key] if key in self._changes else self._committed.get(key)

    def scan(self, first: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield entries with first <= key < end in the order of their keys."""
        order = self._sorted()
        at, stop = bisect_left(order, first), bisect_left(order, end)
        for key, value in self._committed.scan(first, end):
            while at < stop and order[at] < key:
                yield from self._changed(order[at])
                at += 1
            if at < stop and order[at] == key:
                yield from self._changed(key)
                at += 1
            else:
                yield key, value
        while at < stop:
            yield from self._changed(order[at])
            at += 1

    def _changed(self, key: bytes) -> Iterator[tuple[bytes, bytes]]:
        value = self._changes[key]
        if value is not None:
            yield key, value

    def _sorted(self) -> list[bytes]:
        if self._order is None:
            self._order = sorted(self._changes)
        return self._order
