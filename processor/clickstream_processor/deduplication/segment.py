"""A segment: ids of one user's clicks in one interval of record time, as they are stored. Pure.

Each id is stored as its distance from the interval's start (u32, ms), its length (u8) and its UTF-8. Ids go
to the end, so a segment only grows; the next one begins when it is full. So a commit writes one small record
for each user, however many ids are remembered.
"""

from collections.abc import Iterator
from hashlib import blake2b
from struct import Struct

from clickstream_processor.errors import StateCorrupted

SEGMENT_BYTES = 4_096  # a segment of so many is full; it has some 100 UUIDs
MAX_ID_BYTES = 64  # a longer id is remembered by its digest
_ENTRY = Struct("<IB")
_DISTANCE = Struct("<I")
_pack_distance = _DISTANCE.pack
LENGTHS = [bytes((length,)) for length in range(MAX_ID_BYTES + 1)]


def stored_id(value: object) -> bytes | None:
    """Return an id as it is stored, its length first; None where a click has none.

    Only text and whole numbers are ids.
    """
    if isinstance(value, str):
        name = value.encode()
        if len(name) > MAX_ID_BYTES:
            name = blake2b(name, digest_size=MAX_ID_BYTES // 2).hexdigest().encode()
        return LENGTHS[len(name)] + name if name else None
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 64:
        name = b"%d" % value
        return LENGTHS[len(name)] + name
    return None


def entry(stored: bytes, distance_ms: int) -> bytes:
    """Return an id as it stands in a segment."""
    return _pack_distance(distance_ms) + stored


def entries(segment: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield (stored id, distance in ms) in the order in which they came. Raises StateCorrupted."""
    at, end = 0, len(segment)
    while at < end:
        first = at + _ENTRY.size
        if first > end:
            raise StateCorrupted(f"a segment of ids ends inside an entry, at byte {at} of {end}")
        distance_ms, length = _ENTRY.unpack_from(segment, at)
        at = first + length
        if at > end:
            raise StateCorrupted(f"a segment of ids ends inside an id, at byte {first} of {end}")
        yield segment[first - 1 : at], distance_ms
