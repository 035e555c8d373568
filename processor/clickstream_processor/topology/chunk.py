"""A chunk: the counts of one user in one interval of the window's size, and its encoded form.

What a chunk keeps: for each window that STARTS in it, its count and the greatest event time counted; and for
each second (floor of the event time) the clicks in it, for rolling counts. Encoded, little-endian:

    u8   format version
    u16  windows that follow
    u32  the newest second, from the chunk's first second      "open bucket"
    u32  clicks in that second
    per window: u16 index in the chunk, u32 count, u32 greatest event time from the window's start, ms
    the older seconds in order: varint distance to the next second that has clicks, varint clicks

An event in order changes fixed fields, and appends at most a few bytes to the older seconds. So neither an
event nor a commit walks the buckets, and loading is a copy (docs/adr/0001-state-layout.md).
"""

from collections.abc import Iterator
from itertools import pairwise
from struct import Struct, error

from clickstream_processor.errors import StateCorrupted, StateTooNew

VERSION = 1
SECOND_MS = 1000

_HEAD = Struct("<BHII")
_WINDOW = Struct("<HII")
_ONE = Struct("<BHIIHII")  # _HEAD and one _WINDOW: what a chunk of tumbling windows has
_PAIRS = [[bytes((distance, clicks)) for clicks in range(128)] for distance in range(128)]


class Chunk:
    """A decoded chunk in the working set; the hot loop of pipeline.py reads and writes its attributes."""

    __slots__ = (
        "clicks",
        "key",
        "marks",
        "metrics_head",
        "older",
        "second",
        "start_ms",
        "touched",
        "windows",
    )

    def __init__(self, start_ms: int, key: bytes, metrics_head: str, windows: list[int]) -> None:
        self.start_ms = start_ms
        self.key = key  # of the state
        self.metrics_head = metrics_head  # of its user, shared
        self.windows = windows  # count and greatest event time of each window, by its index in the chunk
        self.second = -1  # newest second that has clicks, absolute; -1: none
        self.clicks = 0  # in that second
        self.older = b""
        self.touched = False  # changed since the last commit
        self.marks = 0  # hopping only: bit i is set when window i changed since the last commit

    def add(self, second: int) -> None:
        """Add a click to its second."""
        if second == self.second:
            self.clicks += 1
        elif second > self.second:
            if self.clicks:
                self.older += _pair(second - self.second, self.clicks)
            self.second = second
            self.clicks = 1
        else:
            self._add_earlier(second)

    def _add_earlier(self, second: int) -> None:
        """Add a click out of order: the older seconds are written anew."""
        buckets = dict(older_buckets(self.older, self.second))
        buckets[second] = buckets.get(second, 0) + 1
        seconds = [*sorted(buckets), self.second]
        self.older = b"".join(_pair(following - this, buckets[this]) for this, following in pairwise(seconds))

    def encode(self, first_window_ms: int, advance_ms: int) -> bytes:
        """Return the chunk's stored form."""
        first_second = self.start_ms // SECOND_MS
        windows = self.windows
        if len(windows) == 2 and windows[0] and self.clicks:
            count, latest_ms = windows
            return (
                _ONE.pack(
                    VERSION, 1, self.second - first_second, self.clicks, 0, count, latest_ms - first_window_ms
                )
                + self.older
            )
        counted = [index for index in range(len(windows) // 2) if windows[2 * index]]
        parts = [_HEAD.pack(VERSION, len(counted), max(0, self.second - first_second), self.clicks)]
        for index in counted:
            window_ms = first_window_ms + index * advance_ms
            parts.append(_WINDOW.pack(index, windows[2 * index], windows[2 * index + 1] - window_ms))
        parts.append(self.older)
        return b"".join(parts)

    def decode(self, value: bytes, first_window_ms: int, advance_ms: int) -> None:
        """Take over a stored form; raises StateCorrupted or StateTooNew."""
        number, second, self.clicks, at = _head(value)
        for index, count, latest in _windows(value, number):
            if 2 * index >= len(self.windows):
                raise StateCorrupted(f"chunk {self.key!r}: window {index} of {len(self.windows) // 2}")
            self.windows[2 * index] = count
            self.windows[2 * index + 1] = first_window_ms + index * advance_ms + latest
        self.second = self.start_ms // SECOND_MS + second if self.clicks else -1
        self.older = value[at:]


def read_windows(value: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield (index in the chunk, count, greatest event time from the window's start) of a stored chunk."""
    number, _, _, _ = _head(value)
    return _windows(value, number)


def read_buckets(value: bytes, chunk_start_ms: int) -> list[tuple[int, int]]:
    """Return (second, clicks) of a stored chunk, newest first; seconds since the epoch."""
    _, second, clicks, at = _head(value)
    if not clicks:
        return []
    newest = chunk_start_ms // SECOND_MS + second
    return [(newest, clicks), *older_buckets(value[at:], newest)]


def older_buckets(older: bytes, newest_second: int) -> list[tuple[int, int]]:
    """Return (second, clicks) of the older seconds, newest first."""
    numbers = _varints(older)
    second = newest_second
    buckets = []
    for at in range(len(numbers) - 2, -1, -2):
        second -= numbers[at]
        buckets.append((second, numbers[at + 1]))
    return buckets


def _head(value: bytes) -> tuple[int, int, int, int]:
    """Return (windows, newest second in the chunk, its clicks, where the older seconds begin)."""
    if value and value[0] > VERSION:
        raise StateTooNew(f"a chunk of format {value[0]}; this version knows formats up to {VERSION}")
    try:
        _, number, second, clicks = _HEAD.unpack_from(value)
    except error as short:
        raise StateCorrupted(f"a chunk of {len(value)} bytes") from short
    at = _HEAD.size + number * _WINDOW.size
    if len(value) < at or value[0] != VERSION:
        raise StateCorrupted(f"a chunk of {len(value)} bytes with {number} windows, format {value[0]}")
    return number, second, clicks, at


def _windows(value: bytes, number: int) -> Iterator[tuple[int, int, int]]:
    return _WINDOW.iter_unpack(value[_HEAD.size : _HEAD.size + number * _WINDOW.size])


def _pair(distance: int, clicks: int) -> bytes:
    if distance < 128 and clicks < 128:
        return _PAIRS[distance][clicks]
    return _varint(distance) + _varint(clicks)


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number >= 128:
        encoded.append(number & 127 | 128)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _varints(encoded: bytes) -> list[int]:
    if encoded.isascii():  # every number below 128: the common case
        numbers = list(encoded)
    else:
        numbers = []
        number = shift = 0
        for byte in encoded:
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                numbers.append(number)
                number = shift = 0
        if shift:
            raise StateCorrupted("a chunk ends inside a number")
    if len(numbers) % 2:
        raise StateCorrupted("a chunk ends inside a bucket")
    return numbers
