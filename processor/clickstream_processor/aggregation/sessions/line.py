"""The sessions of one clicks task: what a commit changes in the state, and the records of sessions.

    state     s  user id                               the user's sessions that are not closed (session.py)
              w  time 8, big-endian, user id           nothing: look at this user's sessions at that time
    record    ["alice",1700000000000]                  its value is a JSON object, or nothing

A session is told as it is at each commit that has changed it, and once more when it is closed (`"open":
false`). Its key is user and start, so it keeps it while clicks follow. Where a start moves, or sessions
become one, the key that was told before gets a tombstone.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

import msgspec

from clickstream_processor.aggregation.partials import end_of
from clickstream_processor.aggregation.pending import Change, Pending
from clickstream_processor.aggregation.sessions.session import (
    Session,
    SessionWindows,
    add_click,
    cut,
    decode_sessions,
    encode_sessions,
    without_closed,
)
from clickstream_processor.errors import MalformedPartial, StateCorrupted
from clickstream_processor.topology.interfaces import JoinedClick
from clickstream_processor.topology.keys import SESSIONS, WAKE
from clickstream_processor.topology.users.working_set import CommittedState

NEVER_MS = 1 << 62
CACHED = 50_000  # users whose sessions are kept between commits

_WAKE_USER = 9  # where the user id begins
_encode = msgspec.json.encode


class SessionOutputs(Protocol):
    """Where sessions go."""

    def session(self, value: bytes | None, key: bytes, timestamp_ms: int, /) -> None:
        """Send a session, None: the tombstone of its key. The time is that of the session's last click.

        The partition is that of the user's clicks, not the key's own.
        """


class SessionsLine:
    """The sessions of one task. Not thread-safe.

    Call `add` or `click` for joined clicks, in order, then `flush` once per commit, then `settle` or
    `rollback`. Raises StateCorrupted.
    """

    def __init__(self, committed: CommittedState, windows: SessionWindows, outputs: SessionOutputs) -> None:
        self.late = 0  # clicks that changed no session
        self.closed: list[tuple[str, Session]] = []  # user id and session, of the last flush
        self._committed, self._pending = committed, Pending(committed)
        self._windows, self._outputs = windows, outputs
        self._held: dict[str, list[Session]] = {}  # by user id
        self._touched: dict[str, None] = {}  # user ids, in the order of the first change
        self._awake_ms = 0  # whom to look at before this time was looked at
        self._next_ms: int | None = None  # the first time to look at a user; None: not known

    def add(self, rows: Sequence[JoinedClick], clock_ms: int = -1) -> None:
        """Add a batch of joined clicks, in order; `clock_ms`: the partition's time, where that is greater."""
        held, touched = self._held, self._touched
        gap_ms, lateness_ms = self._windows.gap_ms, self._windows.gap_ms + self._windows.grace_ms
        for click, _, _, _, stream_ms in rows:
            user_id, event_ms = click.user_id, click.timestamp
            sessions = held.get(user_id)
            if sessions:
                last = sessions[-1]
                end_ms = last.end_ms
                # A click of the newest session, as most are: no other is near.
                if last.start_ms <= event_ms <= end_ms + gap_ms:
                    newest_ms = event_ms if event_ms > end_ms else end_ms
                    if newest_ms >= (stream_ms if stream_ms > clock_ms else clock_ms) - lateness_ms:
                        last.clicks += 1
                        if event_ms >= end_ms:
                            last.end_ms, last.exit_page = event_ms, cut(click.page_url)
                        touched[user_id] = None
                        continue
            self.click(user_id.encode(), event_ms, click.page_url, max(stream_ms, clock_ms))

    def click(self, user_key: bytes, event_ms: int, page: str, time_ms: int) -> None:
        """Add a click; `time_ms` is the partition's time, this click included. A late one is counted."""
        user_id = user_key.decode()
        sessions = self._held.get(user_id)
        if sessions is None:
            sessions = self._held[user_id] = self._stored(user_key)
        added = add_click(sessions, event_ms, page, time_ms, self._windows)
        if added is None:
            self.late += 1
        else:
            self._held[user_id] = added
            self._touched[user_id] = None

    def erase(self, user_key: bytes) -> None:
        """Forget a user's sessions; those that were told get tombstones, and one more says that it was done.

        That one has the key of a session that starts at 0, as no session does. The caller deletes the keys.
        """
        user_id = user_key.decode()
        for session in self._stored(user_key):
            self._outputs.session(None, _encode([user_id, session.start_ms]), session.end_ms)
        self._outputs.session(None, _encode([user_id, 0]), 0)
        self._held.pop(user_id, None)
        self._touched.pop(user_id, None)

    def is_due(self, time_ms: int) -> bool:
        """Tell whether a session may close by this time. Call it between commits."""
        if self._next_ms is None:
            first = WAKE + self._awake_ms.to_bytes(8, "big")
            key = next((key for key, _ in self._committed.scan(first, end_of(WAKE))), None)
            self._next_ms = NEVER_MS if key is None else int.from_bytes(key[1:_WAKE_USER], "big")
        return time_ms >= self._next_ms

    def flush(self, time_ms: int) -> list[Change]:
        """Tell what has changed and what has closed; return the changes of the state."""
        self.closed = []
        closing = dict.fromkeys(self._awake(time_ms))
        for user_id in {**self._touched, **closing}:
            user_key = user_id.encode()
            before = self._stored(user_key)
            kept, closed = without_closed(self._held.get(user_id, before), time_ms, self._windows)
            self._tell(user_id, before, kept, closed)
            self._held[user_id] = kept
            self._pending.put(SESSIONS + user_key, encode_sessions(kept) if kept else None)
            if kept:
                wake_ms = self._closes_ms(kept)
                if user_id in closing or not before or wake_ms < self._closes_ms(before):
                    self._pending.put(WAKE + wake_ms.to_bytes(8, "big") + user_key, b"\1")
        self._awake_ms = max(self._awake_ms, time_ms + 1)
        self._next_ms = None
        return self._pending.changes()

    def settle(self) -> None:
        """After the commit: nothing is uncommitted any more."""
        self._pending.clear()
        self._touched = {}
        if len(self._held) > CACHED:
            self._held = {}

    def rollback(self) -> None:
        """Forget every uncommitted effect, and the cache."""
        self.settle()
        self._held = {}
        self._awake_ms = 0

    def of_user(self, user_key: bytes) -> list[Session]:
        """Return the sessions of a user that are not closed, as committed; by their start."""
        return self._stored(user_key)

    def _closes_ms(self, sessions: Sequence[Session]) -> int:
        return min(self._windows.closes_ms(each.end_ms) for each in sessions)

    def _awake(self, time_ms: int) -> Iterator[str]:
        """Yield the users whose sessions are to be looked at, and forget that they are."""
        if time_ms < self._awake_ms:
            return
        first, end = (WAKE + ms.to_bytes(8, "big") for ms in (self._awake_ms, time_ms + 1))
        for key, _ in self._committed.scan(first, end):
            self._pending.put(key, None)
            yield key[_WAKE_USER:].decode()

    def _stored(self, user_key: bytes) -> list[Session]:
        return read_sessions(self._committed.get(SESSIONS + user_key))

    def _tell(self, user_id: str, before: list[Session], kept: list[Session], closed: list[Session]) -> None:
        told = {each.start_ms: each for each in before}
        there = {each.start_ms for each in (*kept, *closed)}
        for each in before:
            if each.start_ms not in there:
                self._outputs.session(None, _encode([user_id, each.start_ms]), each.end_ms)
        for each in closed:
            self._write(user_id, each, is_open=False)
            self.closed.append((user_id, each))
        for each in kept:  # last: late clicks may have moved its start to that of a closed one
            if told.get(each.start_ms) != each:
                self._write(user_id, each, is_open=True)

    def _write(self, user_id: str, session: Session, *, is_open: bool) -> None:
        body = {
            "user_id": user_id,
            "session_start": session.start_ms,
            "session_end": session.end_ms,
            "clicks": session.clicks,
            "entry_page": session.entry_page,
            "exit_page": session.exit_page,
            "open": is_open,
        }
        self._outputs.session(_encode(body), _encode([user_id, session.start_ms]), session.end_ms)


def read_sessions(data: bytes | None) -> list[Session]:
    """Return a user's sessions of their bytes in the state; raises StateCorrupted."""
    try:
        return [] if data is None else decode_sessions(data)
    except MalformedPartial as error:
        raise StateCorrupted(f"the sessions of a user: {error}") from error
