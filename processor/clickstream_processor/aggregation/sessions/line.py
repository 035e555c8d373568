"""The sessions of one clicks task: what a commit changes in the state, and the records of sessions.

    state     s  user id                               the user's sessions that are not closed (session.py)
              w  time 8, big-endian, user id           nothing: look at this user's sessions at that time
    record    ["alice",1700000000000]                  its value is a JSON object, or nothing

A session is told as it is at each commit that has changed it, and once more when it is closed (`"open":
false`). Its key is user and start, so it keeps it while clicks follow. Where a start moves, or sessions
become one, the key that was told before gets a tombstone.
"""

from collections.abc import Iterator
from typing import Protocol

import msgspec

from clickstream_processor.aggregation.pending import Change, Pending
from clickstream_processor.aggregation.sessions.session import (
    Session,
    SessionWindows,
    add_click,
    decode_sessions,
    encode_sessions,
    without_closed,
)
from clickstream_processor.errors import MalformedPartial, StateCorrupted
from clickstream_processor.topology.working_set import CommittedState

SESSIONS = b"s"
WAKE = b"w"
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

    Call `click` for each joined click, in order, then `flush` once per commit, then `settle` or `rollback`.
    Raises StateCorrupted.
    """

    def __init__(self, committed: CommittedState, windows: SessionWindows, outputs: SessionOutputs) -> None:
        self.late = 0  # clicks that changed no session
        self._committed, self._pending = committed, Pending(committed)
        self._windows, self._outputs = windows, outputs
        self._held: dict[bytes, list[Session]] = {}  # by user
        self._touched: dict[bytes, None] = {}  # users, in the order of the first change

    def click(self, user_key: bytes, event_ms: int, page: str, time_ms: int) -> None:
        """Add a click; `time_ms` is the partition's time, this click included. A late one is counted."""
        sessions = self._held.get(user_key)
        if sessions is None:
            sessions = self._held[user_key] = self._stored(user_key)
        added = add_click(sessions, event_ms, page, time_ms, self._windows)
        if added is None:
            self.late += 1
        else:
            self._held[user_key] = added
            self._touched[user_key] = None

    def flush(self, time_ms: int) -> list[Change]:
        """Tell what has changed and what has closed; return the changes of the state."""
        closing = dict.fromkeys(self._awake(time_ms))
        for user_key in {**self._touched, **closing}:
            before = self._stored(user_key)
            now = self._held.get(user_key, before)
            kept, closed = without_closed(now, time_ms, self._windows)
            self._tell(user_key, before, kept, closed)
            self._held[user_key] = kept
            self._pending.put(SESSIONS + user_key, encode_sessions(kept) if kept else None)
            if kept and (user_key in closing or not before):
                wake_ms = min(self._windows.closes_ms(each.end_ms) for each in kept)
                self._pending.put(WAKE + wake_ms.to_bytes(8, "big") + user_key, b"\1")
        return self._pending.changes()

    def settle(self) -> None:
        """After the commit: nothing is uncommitted any more."""
        self._pending.clear()
        self._touched = {}
        if len(self._held) > CACHED:
            self._held = {}

    def rollback(self) -> None:
        """Forget every uncommitted effect, and the cache."""
        self._pending.clear()
        self._held = {}
        self._touched = {}

    def of_user(self, user_key: bytes) -> list[Session]:
        """Return the sessions of a user that are not closed, as committed; by their start."""
        return self._stored(user_key)

    def _awake(self, time_ms: int) -> Iterator[bytes]:
        """Yield the users whose sessions are to be looked at, and forget that they are."""
        end = WAKE + max(0, time_ms + 1).to_bytes(8, "big")
        for key, _ in self._committed.scan(WAKE, end):
            self._pending.put(key, None)
            yield key[_WAKE_USER:]

    def _stored(self, user_key: bytes) -> list[Session]:
        data = self._committed.get(SESSIONS + user_key)
        try:
            return [] if data is None else decode_sessions(data)
        except MalformedPartial as error:
            raise StateCorrupted(f"the sessions of a user: {error}") from error

    def _tell(
        self, user_key: bytes, before: list[Session], kept: list[Session], closed: list[Session]
    ) -> None:
        told = {each.start_ms: each for each in before}
        there = {each.start_ms for each in (*kept, *closed)}
        user_id = user_key.decode()
        for each in before:
            if each.start_ms not in there:
                self._outputs.session(None, _encode([user_id, each.start_ms]), each.end_ms)
        for each in kept:
            if told.get(each.start_ms) != each:
                self._write(user_id, each, is_open=True)
        for each in closed:
            self._write(user_id, each, is_open=False)

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
