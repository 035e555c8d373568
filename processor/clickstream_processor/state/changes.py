"""What was written to a store since somebody looked: for readers that keep what they read and follow it.

Changes are kept while somebody asks for them: once more than MOST_CHANGES came unasked, all are forgotten,
and a reader begins anew. Ranges that expire are not among them.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import TypeAlias

Change: TypeAlias = tuple[bytes, bytes | None]

MOST_CHANGES = 20_000  # some 200 bytes each


class Changes:
    """The last changes of keys with one prefix, numbered from 0. One thread writes, any thread reads."""

    def __init__(self, prefix: bytes, most: int = MOST_CHANGES) -> None:
        """`most`: how many changes are kept."""
        self._prefix, self._most = prefix, most
        self._lock = Lock()
        self._kept: list[Change] = []
        self._first = 0  # number of the first that is kept
        self._asked = 0  # number of the next one, when somebody asked last
        self._is_asked = False

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep readers out while a write is shown: who has seen it in the store finds its changes here."""
        with self._lock:
            yield

    def add(self, changes: Sequence[Change]) -> None:
        """Keep changes that the store now shows (None: deleted); call it inside `writing`."""
        if not self._is_asked:
            return
        prefix = self._prefix
        self._kept += [change for change in changes if change[0].startswith(prefix)]
        if self._first + len(self._kept) - self._asked > self._most:
            self._is_asked = False
            self._drop(len(self._kept))
        elif len(self._kept) > 2 * self._most:
            self._drop(len(self._kept) - self._most)

    def follow(self) -> int:
        """Keep changes from now on; return the number of the next one. Who reads now sees all before it."""
        with self._lock:
            self._is_asked = True
            self._asked = self._first + len(self._kept)
            return self._asked

    def since(self, number: int, most: int) -> Sequence[Change] | None:
        """Return changes from a number on, in order, `most` at once; None: they are forgotten."""
        with self._lock:
            at = number - self._first
            if at < 0 or not self._is_asked:
                return None
            self._asked = self._first + len(self._kept)
            return self._kept[at : at + most]

    def _drop(self, number: int) -> None:
        del self._kept[:number]
        self._first += number
