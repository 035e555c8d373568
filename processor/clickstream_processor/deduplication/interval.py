"""One user's ids of one interval of record time, in hand. Pure.

A few ids stay as they are stored: a search through some hundred bytes is as fast as a look-up, and they
take a quarter of the memory. More of them get an index.
"""

from clickstream_processor.deduplication.segment import SEGMENT_BYTES, entries, entry

INDEXED_BYTES = 400  # some ten UUIDs
INDEXED_ID_BYTES = 150  # of memory


class Interval:
    """The ids of a user in an interval that starts at `start_ms`."""

    __slots__ = ("full", "index", "key", "start_ms", "tail", "touched")

    def __init__(self, key: bytes, start_ms: int) -> None:
        """`key`: the user's."""
        self.key = key
        self.start_ms = start_ms
        self.full = 0  # segments that take no more
        self.tail = b""  # the one that does
        self.index: dict[bytes, int] | None = None  # of all of them: stored id -> newest record time, ms
        self.touched = False  # changed since the last commit

    def load(self, segment: bytes) -> bool:
        """Take a committed segment, in their order; return whether there may be another."""
        self.tail = segment
        if self.index is not None or len(segment) > INDEXED_BYTES:
            self._note(segment)
        if len(segment) < SEGMENT_BYTES:
            return False
        self.full += 1
        self.tail = b""
        return True

    def add(self, stored: bytes, time_ms: int) -> bytes | None:
        """Remember an id; return the segment that it fills, which is number `full` - 1."""
        segment = self.tail = self.tail + entry(stored, time_ms - self.start_ms)
        if self.index is not None:
            if time_ms > self.index.get(stored, -1):
                self.index[stored] = time_ms
        elif len(segment) > INDEXED_BYTES:
            self._note(segment)
        if len(segment) < SEGMENT_BYTES:
            return None
        self.full += 1
        self.tail = b""
        return segment

    def last_ms(self, stored: bytes) -> int:
        """Return the newest record time of an id, -1 where it is not known. Raises StateCorrupted."""
        if self.index is not None:
            return self.index.get(stored, -1)
        if stored not in self.tail:
            return -1
        times = [distance_ms for each, distance_ms in entries(self.tail) if each == stored]
        return self.start_ms + max(times) if times else -1  # it may be in the middle of something else

    def size(self) -> int:
        """Return about how many bytes of memory this takes."""
        return 150 + len(self.tail) + (0 if self.index is None else INDEXED_ID_BYTES * len(self.index))

    def _note(self, segment: bytes) -> None:
        index = self.index
        if index is None:
            index = self.index = {}
        for stored, distance_ms in entries(segment):
            time_ms = self.start_ms + distance_ms
            if time_ms > index.get(stored, -1):
                index[stored] = time_ms
