"""What an erasure is to a task: a record of its input that names a user, and the keys that go with it. Pure.

Such a record has the user id as its key and the header `erasure`, `<pipeline id>/<name>`. It stands among the
clicks, so what came before it goes and what comes after it counts as new (ADR 0077). Its value is JSON:

    {"keys": ["YwAAAYnlu9gAYWxpY2U="]}      keys of the changelog that the state may no longer have, in base64

Where the header names another pipeline, the record is passed over.
"""

import base64
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from clickstream_processor.topology import keys
from clickstream_processor.topology.interfaces import Message
from clickstream_processor.topology.records.replayed import Pairs

ERASURE = "erasure"  # the header
MAX_KEYS = 8_000  # of a record: more of them go into several records


class Erasure:
    """A record that is an erasure, of this pipeline or of another. A Message."""

    __slots__ = ("key", "offset", "pipeline_id", "timestamp", "value")

    def __init__(self, message: Message, pipeline_id: str) -> None:
        self.key, self.value = message.key, message.value
        self.offset, self.timestamp = message.offset, message.timestamp
        self.pipeline_id = pipeline_id


class CommittedKeys:
    """The committed state as an erasure leaves it before it is committed. A CommittedState.

    While nothing is erased, `get` and `scan` are the state's own.
    """

    def __init__(self, committed: Any) -> None:
        """`committed`: a CommittedState."""
        self._committed = committed
        self.erased: dict[bytes, None] = {}  # keys, in the order in which they were found
        self.get: Callable[[bytes], bytes | None]
        self.scan: Callable[[bytes, bytes], Iterator[tuple[bytes, bytes]]]
        self.settle()

    def erase(self, users: Mapping[bytes, Iterable[bytes]]) -> None:
        """Erase all that the state has of users, but for their profiles, and these other keys of each.

        The sign of each erasure is among the keys that are erased.
        """
        self.erased.update(dict.fromkeys(keys_of(self._committed, users)))
        for user_key, more in users.items():
            self.erased.update(dict.fromkeys(key for key in more if user_of(key) == user_key))
            self.erased[sign_of(user_key)] = None
        self.get, self.scan = self._get, self._scan

    def settle(self) -> None:
        """After the commit, or to forget what was erased: the state is what it is."""
        self.erased = {}
        self.get, self.scan = self._committed.get, self._committed.scan

    def _get(self, key: bytes) -> bytes | None:
        value: bytes | None = None if key in self.erased else self._committed.get(key)
        return value

    def _scan(self, first: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        return (entry for entry in self._committed.scan(first, end) if entry[0] not in self.erased)


def sign_of(user_key: bytes) -> bytes:
    """Return the key whose tombstone says in the changelog that a user was erased: no chunk starts at 0."""
    return keys.chunk_key(0, user_key)


def user_of(key: bytes) -> bytes | None:
    """Return the user that a key of the state belongs to; None for a key that an erasure leaves alone."""
    kind = key[:1]
    if kind == keys.SESSIONS:
        return key[1:]
    if kind in (keys.CHUNK, keys.WAKE) and len(key) > keys.CHUNK_USER:
        return key[keys.CHUNK_USER :]
    if kind == keys.SEEN and len(key) > keys.CHUNK_USER + 4:
        return key[keys.CHUNK_USER : -4]
    return None


def keys_of(committed: Any, users: Collection[bytes]) -> Iterator[bytes]:
    """Yield the keys that a state has of users, but for their profiles. `committed`: a CommittedState.

    Chunks and ids stand by time, so it goes from one time to the next. All wake-ups are looked at, once for
    all users: theirs are of any millisecond, and there are about as many as open sessions.
    """
    for user_key in users:
        if committed.get(keys.SESSIONS + user_key) is not None:
            yield keys.SESSIONS + user_key
    for key, _ in committed.scan(keys.WAKE, _end_of(keys.WAKE)):
        if key[keys.CHUNK_USER :] in users:
            yield key
    for time in _times(committed, keys.CHUNK):
        for user_key in users:
            if committed.get(key := keys.CHUNK + time + user_key) is not None:
                yield key
    for time in _times(committed, keys.SEEN):
        for user_key in users:
            segment = 0
            while (
                committed.get(key := keys.seen_key(int.from_bytes(time, "big"), user_key, segment))
                is not None
            ):
                yield key
                segment += 1


def _times(committed: Any, kind: bytes) -> Iterator[bytes]:
    """Yield the 8 bytes of time that keys of a kind begin with, each once."""
    end, first = _end_of(kind), kind
    while True:
        found = next(iter(committed.scan(first, end)), None)
        if found is None:
            return
        time = found[0][1 : keys.CHUNK_USER]
        yield time
        if time == b"\xff" * 8:
            return
        first = kind + (int.from_bytes(time, "big") + 1).to_bytes(8, "big")


def _end_of(kind: bytes) -> bytes:
    return bytes([kind[0] + 1])


class _Body(msgspec.Struct):
    """The value."""

    keys: list[str] = []


def body_of(user_keys: Sequence[bytes]) -> bytes:
    """Return the value of an erasure's record."""
    return msgspec.json.encode(_Body([base64.b64encode(key).decode() for key in user_keys]))


def keys_in(value: bytes | None) -> list[bytes]:
    """Return the keys that a record's value names; none, where it is no such value."""
    try:
        return [
            base64.b64decode(key, validate=True)
            for key in msgspec.json.decode(value or b"{}", type=_Body).keys
        ]
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError):
        return []


def header_of(pipeline: str, name: str) -> tuple[str, str | bytes | None]:
    """Return the header of an erasure's record."""
    return ERASURE, f"{pipeline}/{name}"


def erasure_in(pairs: Pairs) -> str | None:
    """Return the pipeline that an erasure is for, by the headers of its record; None: it is none."""
    for name, value in pairs:
        if name == ERASURE and isinstance(value, bytes):
            return value.rpartition(b"/")[0].decode(errors="replace")
    return None
