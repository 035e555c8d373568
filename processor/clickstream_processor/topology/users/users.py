"""Decoded users by the key of their records, in two cohorts (working_set.py says when one ends)."""

from collections.abc import Callable
from typing import Any

from clickstream_expressions.errors import EvaluationFailed

from clickstream_processor.topology.records.codec import DECODE_ERRORS, decode_object, quote
from clickstream_processor.topology.records.records import Profile
from clickstream_processor.topology.users.chunk import Chunk


class User(Chunk):
    """A user in the working set, at the same time the chunk it used last: one object less to visit."""

    __slots__ = ("head", "head_bytes", "name", "newest_ms", "other", "profile", "row")

    def __init__(self, key: bytes, name: str, newest_ms: int) -> None:
        """`newest_ms`: no committed chunk of the user starts later, as every click so far was earlier."""
        text = quote(name)[1:-1]
        super().__init__(key, name if text == name else text)
        self.name = name  # the user id
        self.newest_ms = newest_ms  # grows with the chunks begun here: later ones need no look-up
        self.head: str | None = None  # enriched_head() of the profile; None: no profile
        self.head_bytes = 0  # of a head too large for any output; `head` is None then
        self.other: Chunk | None = None  # the chunk used before
        self.profile: Profile | None = None  # this and the row only where expressions read profiles
        self.row: bytes | dict[str, Any] | None = (
            None  # the profile's JSON as it came; decoded at its first use
        )


class Users(dict[bytes | None, User]):
    """One cohort of users by key; a miss looks into the older one, then loads."""

    __slots__ = ("_load", "older")

    def __init__(self, load: Callable[[bytes | None], User], older: dict[bytes | None, User]) -> None:
        super().__init__()
        self._load = load
        self.older = older

    def __missing__(self, key: bytes | None) -> User:
        user = self.older.pop(key, None) or self._load(key)
        self[key] = user
        return user


def columns_of(user: User) -> dict[str, Any] | None:
    """Return the whole row of the user's profile, None without one; raises EvaluationFailed."""
    row = user.row
    if not isinstance(row, bytes):
        return row
    try:
        columns: dict[str, Any] = decode_object(row)
    except DECODE_ERRORS as error:
        raise EvaluationFailed(f"the profile's row cannot be read whole: {error}") from error
    profile = user.profile
    if profile is not None:  # what should be text is, in whichever way an expression reads it
        columns["user_id"] = profile.user_id
        for name, text in (
            ("name", profile.name),
            ("email", profile.email),
            ("country", profile.country),
            ("plan_tier", profile.plan_tier),
        ):
            if name in columns:
                columns[name] = text
    user.row = columns
    return columns
