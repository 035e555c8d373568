"""Which clicks a task has taken already: `processing.dedup`. Pure.

A click is a duplicate if one of the same user with the same id went on, and the two records' times are at
most `within_ms` apart. Only clicks that went on are remembered: what became a dead letter may come again.

Ids stand in the state by the interval of record time in which they came, the interval as long as `within_ms`
(topology/keys.py, deduplication/segment.py). So a click's duplicates are in its own interval or beside it,
and what is too old is one range of keys.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from clickstream_processor.deduplication.interval import INDEXED_ID_BYTES, Interval
from clickstream_processor.deduplication.segment import stored_id
from clickstream_processor.topology import keys
from clickstream_processor.topology.erasing import user_of
from clickstream_processor.topology.interfaces import Message, Row
from clickstream_processor.topology.records.records import Click
from clickstream_processor.topology.users.working_set import CommittedState

Change = tuple[bytes, bytes | None]


class _User:
    """The ids of one user that are in hand: of the interval of the last click, and of those beside it."""

    __slots__ = ("after", "before", "now")

    def __init__(self, before: Interval, now: Interval, after: Interval) -> None:
        self.before = before
        self.now = now
        self.after = after


class Deduplication:
    """The ids of one task. Made with its line and thrown away with it; belongs to one thread."""

    def __init__(self, field: str, within_ms: int, committed: CommittedState, cached_bytes: int) -> None:
        """`field`: of the click, holds its id. `cached_bytes`: about so many are kept in memory."""
        self._field = field
        self._within_ms = within_ms
        self._committed = committed
        self._half = cached_bytes // 2
        self.decode: Callable[[bytes], Click] = _decoder(field)  # a click that has the id, too
        self._users: dict[bytes, _User] = {}
        self._older: dict[bytes, _User] = {}  # the cohort before: users not seen since fall out
        self._cached = 0  # bytes in `_users`
        self._changes: dict[bytes, bytes | None] = {}
        self._touched: dict[tuple[bytes, int], Interval] = {}  # not committed; by user and start
        self._earliest_ms = -1  # record time since the last flush; -1: no click
        # Of the click under way: where its id goes, the id, and its record time.
        self._interval: Interval | None = None
        self._id = b""
        self._time_ms = 0

    def is_duplicate(self, click: Any, fields: Row, key: bytes, message: Message, /) -> bool:
        """Tell whether a click has gone on before. `fields`: its JSON where `decode` did not read it."""
        self._interval = None
        stored = stored_id(click.dedup_id if type(click) is not Click else (fields or {}).get(self._field))
        if stored is None:
            return False
        time_ms = message.timestamp()[1]
        if time_ms < 0:
            time_ms = 0
        if self._earliest_ms < 0 or time_ms < self._earliest_ms:
            self._earliest_ms = time_ms
        user = self._users.get(key)
        if user is None:
            user = self._older.pop(key, None) or self._load(key, time_ms - time_ms % self._within_ms)
            self._users[key] = user
            self._cached += user.before.size() + user.now.size()
        now = user.now
        if not 0 <= time_ms - now.start_ms < self._within_ms:
            user = self._users[key] = self._load(key, time_ms - time_ms % self._within_ms, user)
            now = user.now
        if now.last_ms(stored) >= 0:
            return True
        before = user.before
        if (before.tail or before.full) and time_ms - before.last_ms(stored) <= self._within_ms:
            return True
        after = user.after
        if after.tail or after.full:
            after_ms = after.last_ms(stored)
            if after_ms >= 0 and after_ms - time_ms <= self._within_ms:
                return True
        self._interval, self._id, self._time_ms = now, stored, time_ms
        return False

    def remember(self) -> None:
        """Remember the click that `is_duplicate` was asked about last: it goes on."""
        interval = self._interval
        if interval is None:
            return
        if not interval.touched:
            interval.touched = True
            self._touched[interval.key, interval.start_ms] = interval
        self._cached += len(self._id) + 4 if interval.index is None else INDEXED_ID_BYTES
        filled = interval.add(self._id, self._time_ms)
        if filled is not None:
            self._changes[keys.seen_key(interval.start_ms, interval.key, interval.full - 1)] = filled

    def erase(self, user_key: bytes) -> None:
        """Forget a user's ids that are in hand. The caller deletes those that are committed."""
        self._users.pop(user_key, None)
        self._older.pop(user_key, None)
        self._touched = {place: each for place, each in self._touched.items() if place[0] != user_key}
        self._changes = {key: each for key, each in self._changes.items() if user_of(key) != user_key}
        self._interval = None

    def flush(self) -> list[Change]:
        """Return the changes of the state since the last call; call it once per commit."""
        for interval in self._touched.values():
            interval.touched = False
            if interval.tail:
                key = keys.seen_key(interval.start_ms, interval.key, interval.full)
                self._changes[key] = interval.tail
        changes = list(self._changes.items())
        self._changes, self._touched = {}, {}
        if self._cached > self._half:
            self._older, self._users, self._cached = self._users, {}, 0
        return changes

    def expired(self) -> list[tuple[bytes, bytes]]:
        """Return the range of keys that no click needs any more, of those that came since the last call.

        It goes by the earliest of them: one record from the future must not make the task forget. And it
        leaves another interval, for those that come up to `within_ms` out of order.
        """
        earliest_ms, self._earliest_ms = self._earliest_ms, -1
        if earliest_ms < 0:
            return []
        return keys.seen_before(earliest_ms - earliest_ms % self._within_ms - 2 * self._within_ms)

    def _load(self, key: bytes, start_ms: int, had: _User | None = None) -> _User:
        """Return a user's ids of an interval and of those beside it."""
        span = self._within_ms
        held: dict[int, Interval] = {}
        if had is not None:
            held = {each.start_ms: each for each in (had.before, had.now, had.after)}
        near = [
            held.get(at) or self._touched.get((key, at)) or self._read(key, at)
            for at in (start_ms - span, start_ms, start_ms + span)
        ]
        return _User(*near)

    def _read(self, key: bytes, start_ms: int) -> Interval:
        """Return the committed ids of an interval."""
        interval = Interval(key, start_ms)
        if start_ms >= 0:
            number = 0
            segment = self._committed.get(keys.seen_key(start_ms, key, 0))
            while segment is not None and interval.load(segment):
                number += 1
                segment = self._committed.get(keys.seen_key(start_ms, key, number))
        return interval


def _decoder(field: str) -> Callable[[bytes], Click]:
    """Return a decoder of clicks that also gives the field, as `dedup_id`."""
    named = msgspec.defstruct(
        "IdentifiedClick",
        [("dedup_id", Any, msgspec.field(name=field, default=None))],
        bases=(Click,),
        gc=False,
    )
    decode: Any = msgspec.json.Decoder(named).decode
    return decode  # type: ignore[no-any-return]
