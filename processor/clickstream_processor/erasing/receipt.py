"""The receipt of an erasure, as JSON: what was found of the users in each place, and what is left. Pure.

It names no user: only the SHA-256 of each id, which whoever knows an id can compare.
"""

import hashlib
from collections.abc import Iterable
from typing import Literal

import msgspec

from clickstream_processor.jobs.word import LONGEST_MESSAGE, LONGEST_WORD

Phase = Literal["surveying", "erasing", "waiting", "verifying", "done", "failed"]
Kind = Literal["changelog", "pods", "compacted", "index", "profile", "expires"]


class Place(msgspec.Struct):
    """One place. `found`, `left`: records, documents or pods with something of the users; null: not counted.

    `until_ms`: the wall clock at which the last trace is gone; null: it is gone, or stays.
    """

    name: str
    kind: Kind
    found: int | None = None
    left: int | None = None
    until_ms: int | None = None
    note: str = ""


class Receipt(msgspec.Struct):
    """The whole. `count`: of users. `gone_ms`: when the last trace is gone of all places that have a time."""

    phase: Phase
    users: list[str] = []  # SHA-256 of each id, hexadecimal
    places: list[Place] = []
    gone_ms: int | None = None
    message: str = ""
    count: int = 0

    def encode(self) -> bytes:
        """Return it as JSON."""
        return msgspec.json.encode(self)

    def last_word(self) -> bytes:
        """Return it as JSON of at most 4,096 bytes, with as many hashes as have room."""
        short = msgspec.structs.replace(self, users=list(self.users), message=self.message[:LONGEST_MESSAGE])
        while len(word := short.encode()) > LONGEST_WORD:
            if short.users:
                short.users = short.users[: len(short.users) // 2]
            elif any(place.note for place in short.places):
                short.places = [msgspec.structs.replace(place, note="") for place in short.places]
            elif short.places:
                short.places = short.places[: len(short.places) // 2]
            else:
                short.message = short.message[: len(short.message) // 2]
        return word


def hashed(users: Iterable[str]) -> list[str]:
    """Return what a receipt says of users."""
    return [hashlib.sha256(user.encode()).hexdigest() for user in users]


def receipt_of(phase: Phase, users: list[str], places: Iterable[Place], message: str) -> Receipt:
    """Return the receipt; `users` are hashed already."""
    told = [msgspec.structs.replace(place) for place in places]
    times = [place.until_ms for place in told if place.until_ms is not None]
    return Receipt(phase, users, told, max(times, default=None), message, len(users))
