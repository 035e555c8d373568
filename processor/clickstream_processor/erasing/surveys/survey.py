"""What a survey of a compacted topic finds: users' keys that have a value, and where erasures stand. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import msgspec

from clickstream_processor.topology.interfaces import Message


@dataclass(slots=True)
class Found:
    """Records of one user in one partition."""

    newest: dict[bytes, int] = field(default_factory=dict)  # key -> offset of its newest record with a value
    deleted: dict[bytes, int] = field(default_factory=dict)  # key -> offset of its newest tombstone
    sign: int = -1  # offset of the newest sign of an erasure

    def alive(self) -> list[bytes]:
        """Return the keys that have a value."""
        return [key for key, offset in self.newest.items() if offset > self.deleted.get(key, -1)]

    def left(self) -> list[bytes]:
        """Return the keys whose value is older than the erasure: what came behind it is new."""
        return [key for key in self.alive() if self.newest[key] < self.sign]


class Survey:
    """Takes records in the order of their partitions."""

    def __init__(
        self,
        users: Iterable[bytes],
        user_of: Callable[[bytes, bytes | None], bytes | None],
        sign_of: Callable[[bytes], bytes],
    ) -> None:
        """`user_of`: whose record it is, by its key and value. `sign_of`: the key of a user's sign."""
        self.users = {user: Found() for user in users}
        self._user_of = user_of
        self._signs = {sign_of(user): user for user in self.users}

    def take(self, messages: Iterable[Message]) -> None:
        """Take records."""
        for message in messages:
            key, value = message.key(), message.value()
            if key is None:
                continue
            user = self._signs.get(key)
            if user is not None:
                self.users[user].sign = message.offset()
                continue
            user = self._user_of(key, value)
            found = None if user is None else self.users.get(user)
            if found is not None:
                (found.deleted if value is None else found.newest)[key] = message.offset()

    def alive(self) -> int:
        """Return how many keys have a value, of all users."""
        return sum(len(found.alive()) for found in self.users.values())

    def left(self) -> int:
        """Return how many keys have a value from before the erasure, of all users."""
        return sum(len(found.left()) for found in self.users.values())


def user_of_session(key: bytes, _: bytes | None = None) -> bytes | None:
    """Return the user of a record of sessions, None where it is none."""
    try:
        return msgspec.json.decode(key, type=tuple[str, int])[0].encode()
    except (msgspec.DecodeError, UnicodeError):
        return None


def sign_of_sessions(user: bytes) -> bytes:
    """Return the key whose tombstone says that the pods have taken a user's sessions back."""
    return msgspec.json.encode([user.decode(), 0])
