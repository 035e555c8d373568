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
from struct import Struct, error

from clickstream_processor.errors import StateCorrupted, StateTooNew

VERSION = 1
SECOND_MS = 1000

_HEAD = Struct("<BHII")
_WINDOW = Struct("<HII")
_ONE = Struct("<BHIIHII")  # _HEAD and one _WINDOW: what a chunk of tumbling windows has
PIECE_BYTES = 4_096  # of older seconds that are decoded in one go: some 2,000
# By distance and clicks, both below NEAR: one older second.
NEAR = 128
PAIRS = [[bytes((distance, clicks)) for clicks in range(NEAR)] for distance in range(NEAR)]


class Chunk:
    """A decoded chunk in the working set; the hot loop of pipeline.py reads and writes its attributes."""

    # Few and flat: with many users, what a click costs is how many cache lines it touches.
    __slots__ = (
        "clicks",
        "count",
        "label",
        "latest_ms",
        "older",
        "second",
        "start_ms",
        "touched",
        "user_key",
        "windows",
    )

    def __init__(self, user_key: bytes, label: str) -> None:
        self.user_key = user_key
        self.label = label  # the user id as JSON, without its quotes
        self.start_ms = -1  # -1: none yet
        self.count = 0  # of the one window, where each chunk has one (tumbling)
        self.latest_ms = 0  # greatest event time counted in it
        self.windows: list[int] | None = None  # else: count and greatest event time by the window's index
        self.second = -1  # newest second that has clicks, absolute; -1: none
        self.clicks = 0  # in that second
        self.older = b""
        self.touched = 0  # not 0: changed since the last commit; hopping: bit i + 1 stands for window i

    def become(self, other: "Chunk") -> None:
        """Take over what another chunk of the same user holds."""
        self.start_ms = other.start_ms
        self.count = other.count
        self.latest_ms = other.latest_ms
        self.windows = other.windows
        self.second = other.second
        self.clicks = other.clicks
        self.older = other.older
        self.touched = other.touched

    def begin(self, start_ms: int, windows: int) -> None:
        """Become an empty chunk with that many windows."""
        self.start_ms = start_ms
        self.count = self.latest_ms = self.clicks = self.touched = 0
        self.windows = None if windows == 1 else [0] * (2 * windows)
        self.second = -1
        self.older = b""

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
        """Add a click out of order: walk back from the newest second, as most are late by little.

        A bucket is two numbers, found from their ends: a number's last byte is below 128, all others are not.
        """
        older = self.older
        end, newer = len(older), self.second
        while end:
            middle = _start(older, end)  # the distance ends and the clicks begin
            start = _start(older, middle)
            this = newer - _number(older, start, middle)
            if second == this:
                clicks = _number(older, middle, end) + 1
                self.older = older[:middle] + _varint(clicks) + older[end:]
                return
            if second > this:
                split = _varint(second - this) + older[middle:end] + _pair(newer - second, 1)
                self.older = older[:start] + split + older[end:]
                return
            end, newer = start, this
        self.older = _pair(newer - second, 1) + older

    def count_in(self, index: int, event_ms: int) -> None:
        """Count a click in one window, by the window's index."""
        if self.windows is None:
            self.count += 1
            self.latest_ms = max(self.latest_ms, event_ms)
        else:
            self.windows[2 * index] += 1
            self.windows[2 * index + 1] = max(self.windows[2 * index + 1], event_ms)

    def counted(self) -> list[tuple[int, int, int]]:
        """Return (index, count, greatest event time) of the windows that have clicks."""
        if self.windows is None:
            return [(0, self.count, self.latest_ms)] if self.count else []
        pairs = zip(self.windows[::2], self.windows[1::2], strict=True)
        return [(index, count, latest_ms) for index, (count, latest_ms) in enumerate(pairs) if count]

    def encode(self, first_window_ms: int, advance_ms: int) -> bytes:
        """Return the chunk's stored form."""
        second = self.second - self.start_ms // SECOND_MS
        if self.count and self.clicks:
            latest = self.latest_ms - first_window_ms
            return _ONE.pack(VERSION, 1, second, self.clicks, 0, self.count, latest) + self.older
        counted = self.counted()
        parts = [_HEAD.pack(VERSION, len(counted), max(0, second), self.clicks)]
        for index, count, latest_ms in counted:
            parts.append(_WINDOW.pack(index, count, latest_ms - first_window_ms - index * advance_ms))
        parts.append(self.older)
        return b"".join(parts)

    def decode(self, value: bytes, first_window_ms: int, advance_ms: int) -> None:
        """Take over a stored form, having begun; raises StateCorrupted or StateTooNew."""
        number, second, self.clicks, at = _head(value)
        limit = 1 if self.windows is None else len(self.windows) // 2
        for index, count, latest in _windows(value, number):
            latest_ms = first_window_ms + index * advance_ms + latest
            if index >= limit:
                raise StateCorrupted(f"a chunk of {self.label}: window {index} of {limit}")
            if self.windows is None:
                self.count, self.latest_ms = count, latest_ms
            else:
                self.windows[2 * index : 2 * index + 2] = (count, latest_ms)
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


def buckets_in_pieces(value: bytes, chunk_start_ms: int) -> Iterator[list[tuple[int, int]]]:
    """Yield what `read_buckets` returns in lists of bounded work: a day's chunk may have 86,400 seconds."""
    _, second, clicks, at = _head(value)
    if not clicks:
        return
    second += chunk_start_ms // SECOND_MS
    yield [(second, clicks)]
    end = len(value)
    while end > at:
        start = max(at, end - PIECE_BYTES)
        while start > at and value[start - 1] >= 128:  # inside a number
            start -= 1
        if start > at and len(_numbers(value[start:end])) % 2:
            start = _after_number(value, start)  # the pair's distance lies before: leave its clicks, too
        yield (piece := older_buckets(value[start:end], second))
        second, end = piece[-1][0], start


def windows_before(value: bytes, index: int) -> Iterator[tuple[int, int]]:
    """Yield (index in the chunk, count) of a stored chunk's windows below an index, the last one first."""
    number, _, _, _ = _head(value)
    low, high = 0, number
    while low < high:
        middle = (low + high) // 2
        if _WINDOW.unpack_from(value, _HEAD.size + middle * _WINDOW.size)[0] < index:
            low = middle + 1
        else:
            high = middle
    for place in range(low - 1, -1, -1):
        at, count, _ = _WINDOW.unpack_from(value, _HEAD.size + place * _WINDOW.size)
        yield at, count


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
    if distance < NEAR and clicks < NEAR:
        return PAIRS[distance][clicks]
    return _varint(distance) + _varint(clicks)


def _start(encoded: bytes, end: int) -> int:
    """Return where the number that ends before `end` starts."""
    start = end - 1
    while start and encoded[start - 1] >= 128:
        start -= 1
    return start


def _number(encoded: bytes, start: int, end: int) -> int:
    """Return the number in [start, end)."""
    number = 0
    while end > start:
        end -= 1
        number = number << 7 | encoded[end] & 127
    return number


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number >= 128:
        encoded.append(number & 127 | 128)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _after_number(encoded: bytes, start: int) -> int:
    """Return where the number that starts there ends."""
    while encoded[start] >= 128:
        start += 1
    return start + 1


def _varints(encoded: bytes) -> list[int]:
    numbers = _numbers(encoded)
    if len(numbers) % 2:
        raise StateCorrupted("a chunk ends inside a bucket")
    return numbers


def _numbers(encoded: bytes) -> list[int]:
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
    return numbers
