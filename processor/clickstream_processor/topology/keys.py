"""The keys of a task's state: one ordered keyspace, a byte for the kind first.

    m                                 the checkpoint
    p  user id                        a profile, its JSON as it came
    k  key                            a value of a stage that keeps no counts (stages/plain.py)
    s  user id                        the user's sessions that are not closed (aggregation/sessions)
    w  time, 8 bytes, user id         when to look at a user's sessions again
    d  start, 8 bytes, user id, number, 4 bytes
                                      ids of the user's clicks in an interval of record time (deduplication)
    c  chunk start, 8 bytes, user id  a chunk of counts (users/chunk.py); its changelog record's key, too

The start is big-endian, so chunks stand in the order of time, and those that expire are one range.
"""

CHECKPOINT = b"m"
PROFILE = b"p"
CHUNK = b"c"
PLAIN = b"k"
SESSIONS = b"s"
WAKE = b"w"
SEEN = b"d"
SEEN_RANGE = (SEEN, SEEN + b"\xff" * 9)  # [first, end) of all ids
CHUNK_USER = 9  # where the user id begins in a chunk's key


def profile_key(user_key: bytes) -> bytes:
    """Return the key of a user's profile."""
    return PROFILE + user_key


def chunk_bound(start_ms: int) -> bytes:
    """Return the key before which every chunk starts earlier, and from which on none does."""
    return CHUNK + start_ms.to_bytes(8, "big")


def chunk_key(start_ms: int, user_key: bytes) -> bytes:
    """Return the key of a user's chunk."""
    return CHUNK + start_ms.to_bytes(8, "big") + user_key


def chunk_start_ms(key: bytes) -> int:
    """Return the start of the chunk a key stands for."""
    return int.from_bytes(key[1:CHUNK_USER], "big")


def seen_key(start_ms: int, user_key: bytes, segment: int) -> bytes:
    """Return the key of a segment of a user's ids."""
    return SEEN + start_ms.to_bytes(8, "big") + user_key + segment.to_bytes(4, "big")


def seen_start_ms(key: bytes) -> int:
    """Return the start of the interval of a segment's key."""
    return int.from_bytes(key[1:9], "big")


def seen_before(start_ms: int) -> list[tuple[bytes, bytes]]:
    """Return the range [first, end) of all segments of intervals that start earlier, as a list."""
    return [(SEEN, SEEN + start_ms.to_bytes(8, "big"))] if start_ms > 0 else []
