"""What visitors of a shop do: heavy-tailed users in sessions, with the flaws real producers have.

Pure: the same seed and times give the same clicks.
"""

import itertools
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from confluent_kafka import murmur2

TAIL = 1.1  # the user of rank r is 1/r^TAIL as active as the first: a few users make most of the clicks
SESSION_CLICKS = 12  # mean length of a visit
OPEN_SESSIONS = 200
DELAYED_BY_MS = (
    20_000,
    10 * 60_000,
)  # what a phone sends when it is back: some of it too late for its window
LATE_BY_MS = 20 * 60_000  # older than any window of 5 minutes with its grace
TOO_EARLY_BY_MS = 6 * 3_600_000

# After an action comes one of these, with these weights.
_NEXT = {
    "view": (("view", 55), ("search", 15), ("add_to_cart", 12), ("heartbeat", 18)),
    "search": (("view", 80), ("search", 15), ("heartbeat", 5)),
    "add_to_cart": (("view", 45), ("checkout", 45), ("remove_from_cart", 10)),
    "remove_from_cart": (("view", 80), ("search", 20)),
    "checkout": (("purchase", 65), ("view", 35)),
    "purchase": (("view", 60), ("search", 40)),
    "heartbeat": (("view", 70), ("heartbeat", 20), ("search", 10)),
}
_SEARCHES = ("red+shoes", "rain+coat", "desk+lamp", "tent", "espresso", "headphones", "bicycle", "board+game")
MALFORMED = ("not-json", "missing-field", "mistyped-field", "null-key", "key-mismatch", "wrong-partition")


@dataclass(frozen=True, slots=True)
class Flaws:
    """Shares of clicks that are not as they should be."""

    malformed: float = 0.004
    late: float = 0.004
    unknown_user: float = 0.01
    too_early: float = 0.0005
    delayed: float = 0.01


@dataclass(frozen=True, slots=True)
class Record:
    """One record for the clicks topic. `partition` is None where the partitioner decides, as it should."""

    key: bytes | None
    value: bytes
    partition: int | None = None


@dataclass(slots=True)
class _Session:
    user: str
    action: str
    left: int


class Traffic:
    """An endless stream of clicks of the given users."""

    def __init__(
        self, users: Sequence[str], partitions: int, *, seed: int = 1, flaws: Flaws | None = None
    ) -> None:
        self._users = users
        self._partitions = partitions
        self._flaws = flaws or Flaws()
        self._chance = random.Random(seed)  # noqa: S311 (test data)
        weights = [1 / rank**TAIL for rank in range(1, len(users) + 1)]
        self._cumulative = list(itertools.accumulate(weights))
        self._sessions = [self._new_session() for _ in range(OPEN_SESSIONS)]

    def click(self, now_ms: int) -> Record:
        """Return the next click, which happens at `now_ms` (or says that it did at another time)."""
        place = self._chance.randrange(len(self._sessions))
        session = self._sessions[place]
        fields: dict[str, object] = {
            "user_id": session.user,
            "page_url": self._page(session.action),
            "action": session.action,
            "timestamp": now_ms,
        }
        if session.action == "purchase":
            fields["amount"] = round(self._chance.lognormvariate(3.5, 0.7), 2)
        session.left -= 1
        if session.left <= 0:
            self._sessions[place] = self._new_session()
        else:
            actions, weights = zip(*_NEXT[session.action], strict=True)
            session.action = self._chance.choices(actions, weights)[0]
        return self._flawed(fields, now_ms)

    def _new_session(self) -> _Session:
        user = self._chance.choices(self._users, cum_weights=self._cumulative)[0]
        length = 1 + int(self._chance.expovariate(1 / SESSION_CLICKS))
        return _Session(user, self._chance.choice(("view", "view", "search")), length)

    def _page(self, action: str) -> str:
        chance = self._chance
        if action == "search":
            return f"/search?q={chance.choice(_SEARCHES)}"
        if action in ("add_to_cart", "remove_from_cart"):
            return "/cart"
        if action in ("checkout", "purchase"):
            return f"/{action}"
        return f"/products/{int(chance.paretovariate(0.8)) % 2000}"

    def _flawed(self, fields: dict[str, object], now_ms: int) -> Record:
        flaws, dice = self._flaws, self._chance.random()
        for share, change in (
            (flaws.malformed, self._malformed),
            (flaws.late, _at(now_ms - LATE_BY_MS)),
            (flaws.unknown_user, self._unknown),
            (flaws.too_early, _at(now_ms + TOO_EARLY_BY_MS)),
            (flaws.delayed, _at(now_ms - self._chance.randint(*DELAYED_BY_MS))),
        ):
            if dice < share:
                return change(fields)
            dice -= share
        return record_of(fields)

    def _unknown(self, fields: dict[str, object]) -> Record:
        return record_of({**fields, "user_id": f"guest{self._chance.randrange(10_000)}"})

    def _malformed(self, fields: dict[str, object]) -> Record:
        return malformed(self._chance.choice(MALFORMED), fields, self._partitions)


def record_of(fields: dict[str, object]) -> Record:
    """Return a click as its producer should write it: JSON, keyed by the user."""
    return Record(str(fields["user_id"]).encode(), json.dumps(fields, separators=(",", ":")).encode())


def malformed(kind: str, fields: dict[str, object], partitions: int) -> Record:
    """Return the click spoilt in one of the ways of MALFORMED."""
    good = record_of(fields)
    key = good.key or b""
    if kind == "not-json":
        return Record(key, good.value[: len(good.value) // 2])
    if kind == "missing-field":
        return Record(key, record_of({name: fields[name] for name in fields if name != "page_url"}).value)
    if kind == "mistyped-field":
        return Record(key, record_of({**fields, "timestamp": str(fields["timestamp"])}).value)
    if kind == "null-key":
        return Record(None, good.value)
    if kind == "key-mismatch":
        return Record(b"somebody-else", good.value)
    return Record(key, good.value, (murmur2(key, partitions) + 1) % partitions)


def _at(event_ms: int) -> Callable[[dict[str, object]], Record]:
    return lambda fields: record_of({**fields, "timestamp": event_ms})
