"""What must come out, by a small model of its own that shares no code with the product.

One partition at a time, in the order of offsets. Rules, from the product's documentation: a click that
cannot be read, or whose user has no profile, is a dead letter; heartbeats are left out; the rest is enriched
and counted in tumbling windows of event time, unless its window closed (end + grace reached by stream time):
then it is a dead letter as well. Stream time is the greatest event time counted in the partition so far, each
believed only as far as the grace beyond the newest record time that had to be looked at.

An erased user has no counts, no sessions and no message ids from before the erasure; what comes later counts
as new. What had come out by then stays: enriched clicks, and what was told of windows.

A replayed click is as any other, under its first place; the model knows none that fail again.

Of odd records (odd.py) the model knows only that each comes out once. Their event times lie behind those of
the load, but for one kind that moves stream time; and their users are their own.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

AHEAD = "event-ahead"  # the kind of odd records whose event times lead
NEWCOMER = "newcomer-"  # so begins a user whose profile came after the clicks: only a replay finds it


Place = tuple[int, int]  # partition and offset in the clicks topic


@dataclass(frozen=True, slots=True)
class Input:
    """One record of the clicks topic. `partition`: where it is processed.

    `place`: where its click first arrived, if it was moved or replayed.
    """

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    record_ms: int = 2**63  # the record time
    odd: str = ""  # the kind of an odd record; empty: a record of the load
    place: Place | None = None
    is_replayed: bool = False
    erases: str = ""  # the user whom the record erases; empty: it is a click

    @property
    def first(self) -> Place:
        """Return where it came."""
        return self.place or (self.partition, self.offset)


@dataclass(slots=True)
class Expected:
    """All that the outputs must hold."""

    enriched: dict[str, dict[str, Any]] = field(default_factory=dict)  # event_id -> value
    counts: dict[tuple[str, int], int] = field(default_factory=dict)  # (user, window start) -> last count
    dead: dict[tuple[int, int], str] = field(default_factory=dict)  # (partition, offset) -> reason
    odd: dict[tuple[int, int], str] = field(default_factory=dict)  # (partition, offset) -> kind
    repeated: int = 0  # clicks that go nowhere, as they were there before
    erasures: Counter[str] = field(default_factory=Counter)  # user -> how often erased
    forgotten: dict[tuple[str, int], int] = field(default_factory=dict)  # highest counts that were erased
    forgotten_clicks: set[str] = field(default_factory=set)  # event ids: no session has them

    def gone(self) -> set[str]:
        """Return the users who were erased, and of whom nothing came since."""
        back = {click["user_id"] for click in self.remembered()}
        return self.erasures.keys() - back

    def remembered(self) -> Iterator[dict[str, Any]]:
        """Yield the enriched clicks that no erasure has taken."""
        return (click for name, click in self.enriched.items() if name not in self.forgotten_clicks)


def unreadable(value: bytes | None) -> str:
    """Return why a click of the load cannot be read; empty where it can."""
    try:
        click = json.loads(value or b"")
    except ValueError:
        return "not-json"
    if any(name not in click for name in ("user_id", "page_url", "action", "timestamp")):
        return "missing-field"
    return "" if isinstance(click["timestamp"], int) else "mistyped-field"


class Model:
    """Feed it the clicks of each partition in order; `expected` grows."""

    def __init__(
        self,
        clicks_topic: str,
        profiles: Mapping[str, Mapping[str, Any]],
        window_ms: int,
        grace_ms: int,
        added: Mapping[str, Any],
        *,
        any_key: bool = False,
        dedup: bool = False,
    ) -> None:
        """`added`: fields that the pipeline's transform adds to each click of the load.

        `any_key`: clicks have any key or none, and were moved to their users' partitions. `dedup`: a click
        whose user and message id were there before goes nowhere.
        """
        self._any_key = any_key
        self._ids: set[tuple[str, str]] | None = set() if dedup else None  # user, message id: enriched
        self._added = added
        self._of_user: dict[str, list[str]] = {}  # user -> event ids since the last erasure
        self.expected = Expected()
        self._topic, self._profiles = clicks_topic, profiles
        self._window_ms, self._grace_ms = window_ms, grace_ms
        self._stream_ms: dict[int, int] = {}
        self._record_ms: dict[int, int] = {}

    def feed(self, records: Iterable[Input]) -> None:
        """Take in records; those of one partition must come in order."""
        for record in records:
            if record.erases:
                self._erase(record.erases)
                continue
            if record.odd:
                self.expected.odd[record.first] = record.odd
                if record.odd == AHEAD:
                    self._hear(record, json.loads(record.value or b"")["timestamp"])
                    self._believe(record.partition, json.loads(record.value or b"")["timestamp"])
                continue
            reason = self._one(record)
            if reason:
                self.expected.dead[record.first] = reason

    def _erase(self, user: str) -> None:
        """Forget a user."""
        expected = self.expected
        expected.erasures[user] += 1
        expected.forgotten_clicks.update(self._of_user.pop(user, ()))
        for key in [key for key in expected.counts if key[0] == user]:
            expected.forgotten[key] = max(expected.counts.pop(key), expected.forgotten.get(key, 0))
        if self._ids is not None:
            self._ids = {each for each in self._ids if each[0] != user}

    def _one(self, record: Input) -> str:
        """Take in one record; return why it is a dead letter, or nothing."""
        if record.key is None and not self._any_key:
            return "null-key"
        reason = unreadable(record.value)
        if reason:
            return reason
        click = json.loads(record.value or b"")
        self._hear(record, click["timestamp"])
        profile = self._profiles.get(click["user_id"])
        if profile is None or (click["user_id"].startswith(NEWCOMER) and not record.is_replayed):
            return "unmatched"
        if click["action"] == "heartbeat":
            return ""
        if self._ids is not None:
            once = click["user_id"], click["message_id"]
            if once in self._ids:
                self.expected.repeated += 1
                return ""
            self._ids.add(once)
        event_id = f"{self._topic}-{record.first[0]}-{record.first[1]}"
        self._of_user.setdefault(click["user_id"], []).append(event_id)
        self.expected.enriched[event_id] = {
            "event_id": event_id,
            "user_id": click["user_id"],
            "user_name": profile["name"],
            "country": profile["country"],
            "plan_tier": profile["plan_tier"],
            "page_url": click["page_url"],
            "action": click["action"],
            "timestamp": click["timestamp"],
            **self._added,
        }
        return self._count(record.partition, click["user_id"], click["timestamp"])

    def _hear(self, record: Input, event_ms: int) -> None:
        """Look at the record's time where the event's lies beyond what is believed."""
        known_ms = self._record_ms.get(record.partition, -1)
        if event_ms > known_ms + self._grace_ms:
            self._record_ms[record.partition] = max(known_ms, record.record_ms)

    def _believe(self, partition: int, event_ms: int) -> int:
        """Return stream time after an event that is counted."""
        believed_ms = min(event_ms, self._record_ms.get(partition, -1) + self._grace_ms)
        stream_ms = max(self._stream_ms.get(partition, -1), believed_ms)
        self._stream_ms[partition] = stream_ms
        return stream_ms

    def _count(self, partition: int, user: str, event_ms: int) -> str:
        stream_ms = self._believe(partition, event_ms)
        start_ms = event_ms // self._window_ms * self._window_ms
        if start_ms + self._window_ms + self._grace_ms <= stream_ms:
            return "late"
        key = user, start_ms
        self.expected.counts[key] = self.expected.counts.get(key, 0) + 1
        return ""
