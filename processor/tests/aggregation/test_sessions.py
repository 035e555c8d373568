"""Sessions: clicks within a gap, merged out of order, late beyond the grace, told as they change."""

import json
from typing import Any

import pytest
from clickstream_local.testing.randomised import examples
from clickstream_processor.aggregation.sessions.line import SessionsLine
from clickstream_processor.aggregation.sessions.session import (
    MAX_PAGE_BYTES,
    MAX_SESSIONS,
    Session,
    SessionWindows,
    add_click,
    decode_sessions,
    encode_sessions,
)
from clickstream_processor.errors import MalformedPartial, StateCorrupted
from clickstream_processor.topology.keys import SESSIONS
from hypothesis import given, settings
from hypothesis import strategies as st
from processor_support.lines.metrics_rig import Panes, row

GAP, GRACE = 30, 20
WINDOWS = SessionWindows(GAP, GRACE)
CLICKS = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(-120, 60), st.sampled_from("xyz")), max_size=40
)


class Task:
    """One task over a dict: a compacted topic of sessions, and how often each was told as closed."""

    def __init__(self, windows: SessionWindows = WINDOWS) -> None:
        self.windows, self.state = windows, Panes()
        self.table: dict[str, Any] = {}
        self.closed: list[Any] = []
        self.out: list[tuple[bytes | None, bytes]] = []
        self.line = SessionsLine(self.state, windows, self)

    def session(self, value: bytes | None, key: bytes, timestamp_ms: int, /) -> None:
        assert value is None or json.loads(value)["session_end"] == timestamp_ms
        self.out.append((value, key))

    def click(self, event_ms: int, page: str = "/", user: str = "alice", time_ms: int | None = None) -> None:
        self.line.add([row(event_ms, time_ms, user=user, page=page)])

    def commit(self, time_ms: int) -> list[tuple[bytes | None, bytes]]:
        for key, value in self.line.flush(time_ms):
            if value is None:
                self.state.pop(key, None)
            else:
                self.state[key] = value
        self.line.settle()
        out, self.out = self.out, []
        for value, key in out:
            body = json.loads(value) if value else None
            if body is None:
                del self.table[key.decode()]
            else:
                self.table[key.decode()] = body
                self.closed += [] if body["open"] else [body]
        return out

    def crash(self) -> None:
        self.out = []
        self.line = SessionsLine(self.state, self.windows, self)


def test_clicks_within_the_gap_are_one_session() -> None:
    task = Task()
    for event_ms, page in [(100, "/in"), (130, "/"), (160, "/out")]:
        task.click(event_ms, page)
    ((value, key),) = task.commit(160)
    assert json.loads(value or b"") == {
        "user_id": "alice", "session_start": 100, "session_end": 160, "clicks": 3,
        "entry_page": "/in", "exit_page": "/out", "open": True,
    }  # fmt: skip
    assert key == b'["alice",100]'


def test_a_click_beyond_the_gap_begins_another_session() -> None:
    task = Task()
    task.click(100)
    task.click(131)
    assert len(task.commit(131)) == 2


def test_a_click_out_of_order_makes_one_session_of_two_and_the_old_key_gets_a_tombstone() -> None:
    task = Task()
    task.click(100, "/a")
    task.click(150, "/b")
    task.commit(150)
    task.click(125, "/between", time_ms=150)
    told = task.commit(150)
    assert [(value is None, key) for value, key in told] == [
        (True, b'["alice",150]'),
        (False, b'["alice",100]'),
    ]
    (left,) = task.table.values()
    assert (left["clicks"], left["entry_page"], left["exit_page"]) == (3, "/a", "/b")


def test_a_start_that_moves_leaves_a_tombstone() -> None:
    task = Task()
    task.click(100)
    task.commit(100)
    task.click(90, "/first", time_ms=100)
    assert [value is None for value, _ in task.commit(100)] == [True, False]
    assert task.table['["alice",90]']["entry_page"] == "/first"


def test_what_was_never_told_needs_no_tombstone() -> None:
    task = Task()
    task.click(100)
    task.click(90, time_ms=100)
    assert [key for _, key in task.commit(100)] == [b'["alice",90]']


@pytest.mark.parametrize(("time_ms", "late"), [(100 + GAP + GRACE, 0), (101 + GAP + GRACE, 1)])
def test_a_click_is_late_once_its_session_ended_before_gap_and_grace(time_ms: int, late: int) -> None:
    task = Task()
    task.click(100, time_ms=time_ms)
    assert (task.line.late, len(task.commit(time_ms))) == (late, 1 - late)


def test_a_closed_session_is_told_once_and_leaves_the_state() -> None:
    task = Task()
    task.click(100)
    task.commit(100)
    closes_ms = WINDOWS.closes_ms(100)
    assert task.commit(closes_ms - 1) == []
    assert len(task.commit(closes_ms)) == 1
    assert [each["open"] for each in task.closed] == [False]
    assert task.state == {}
    assert task.commit(closes_ms + 1_000) == []


def test_a_session_that_goes_on_is_looked_at_again_when_it_may_close() -> None:
    task = Task()
    for event_ms in range(100, 400, GAP):
        task.click(event_ms)
        task.commit(event_ms)
    assert task.closed == []
    task.commit(10_000)
    assert [(each["clicks"], each["session_end"]) for each in task.closed] == [(10, 370)]
    assert task.state == {}


def test_the_sessions_of_a_user_that_are_not_closed_can_be_read() -> None:
    task = Task()
    task.click(100, "/a")
    task.commit(100)
    assert task.line.of_user(b"alice") == [Session(100, 100, 1, "/a", "/a")]
    assert task.line.of_user(b"bob") == []


@pytest.mark.parametrize("commit_ms", [None, 215])
def test_a_late_click_joins_the_session_that_goes_on_and_not_the_closed_one_beside_it(
    commit_ms: int | None,
) -> None:
    task = Task()
    for event_ms in (100, 160, 190, 215):
        task.click(event_ms)
    if commit_ms:
        task.commit(commit_ms)
    task.click(130, "/late", time_ms=215)  # the gap from 100, which closed at 181, and from 160
    task.commit(215)
    assert {(each["session_start"], each["clicks"], each["open"]) for each in task.table.values()} == {
        (100, 1, False),
        (130, 4, True),
    }


def test_where_a_start_comes_to_that_of_a_closed_session_the_one_that_goes_on_is_told_last() -> None:
    task = Task()
    task.click(100)
    task.commit(100)
    for event_ms, time_ms in ((160, 160), (190, 190), (215, 215), (130, 215), (100, 215)):
        task.click(event_ms, time_ms=time_ms)
    told = task.commit(215)
    assert [json.loads(value or b"")["open"] for value, _ in told] == [False, True]
    assert task.table['["alice",100]']["clicks"] == 5


def naive(clicks: Any, grace_ms: int) -> tuple[dict[str, list[list[Any]]], int]:
    """Return each user's sessions as lists of clicks, and how many were late: all clicks, looked at anew."""
    sessions: dict[str, list[list[Any]]] = {}
    late = time_ms = 0
    for number, (user, event_ms, page) in enumerate(clicks):
        time_ms = max(time_ms, event_ms)
        own = sessions.setdefault(user, [])
        live = [each for each in own if max(each)[0] + 2 * GAP + grace_ms >= time_ms]
        near = [each for each in live if min(each)[0] - GAP <= event_ms <= max(each)[0] + GAP]
        joined = [*(click for each in near for click in each), (event_ms, number, page)]
        if max(joined)[0] + GAP + grace_ms < time_ms:
            late += 1
        else:
            sessions[user] = [*[each for each in own if each not in near], joined]
    return sessions, late


def timed(clicks: Any) -> list[tuple[str, int, str]]:
    """Return clicks with times from their distances to the newest one."""
    time_ms, made = 0, []
    for user, ahead, page in clicks:
        event_ms = max(0, time_ms + ahead)
        time_ms = max(time_ms, event_ms)
        made.append((user, event_ms, page))
    return made


@settings(max_examples=examples(100))
@given(CLICKS, st.integers(0, 60), st.sets(st.integers(0, 39)), st.sets(st.integers(0, 39)))
def test_sessions_are_what_the_oracle_says_wherever_commits_and_crashes_are(
    drawn: Any, grace_ms: int, commits: set[int], crashes: set[int]
) -> None:
    clicks = timed(drawn)
    task = Task(SessionWindows(GAP, grace_ms))
    time_ms = committed = committed_time_ms = late = 0
    at = 0
    crashes = set(crashes)
    while at < len(clicks):
        if at in crashes:
            crashes.discard(at)
            task.crash()
            at, time_ms = committed, committed_time_ms
            continue
        user, event_ms, page = clicks[at]
        time_ms = max(time_ms, event_ms)
        before = task.line.late
        task.click(event_ms, page, user, time_ms)
        late += task.line.late - before if at >= committed else 0
        at += 1
        if at in commits:
            task.commit(time_ms)
            committed, committed_time_ms = at, time_ms
    task.commit(time_ms)
    task.commit(10**6)
    expected, expected_late = naive(clicks, grace_ms)
    found = {
        (each["user_id"], each["session_start"]): (each["session_end"], each["clicks"])
        for each in task.closed
    }
    assert len(found) == len(task.closed) == len(task.table), "each session is closed once"
    assert found == {
        (user, min(each)[0]): (max(each)[0], len(each)) for user, own in expected.items() for each in own
    }
    assert late >= expected_late
    assert task.state == {}


@given(CLICKS)
def test_with_enough_grace_sessions_are_the_sorted_clicks_cut_at_the_gaps(drawn: Any) -> None:
    clicks = timed(drawn)
    sessions: list[Session] = []
    for _, event_ms, page in clicks:
        added = add_click(sessions, event_ms, page, 0, WINDOWS)
        assert added is not None
        sessions = added
    expected: list[list[int]] = []
    for event_ms in sorted(each[1] for each in clicks):
        if not expected or event_ms - expected[-1][-1] > GAP:
            expected.append([])
        expected[-1].append(event_ms)
    assert [(each.start_ms, each.end_ms, each.clicks) for each in sessions] == [
        (each[0], each[-1], len(each)) for each in expected
    ]
    assert decode_sessions(encode_sessions(sessions)) == sessions


@given(st.binary(max_size=40))
def test_any_bytes_are_sessions_or_malformed(data: bytes) -> None:
    try:
        decode_sessions(data)
    except MalformedPartial:
        return


def test_a_long_address_is_cut() -> None:
    (session,) = add_click([], 1, "/" + "ä" * 2_000, 1, WINDOWS) or []
    assert MAX_PAGE_BYTES - 3 < len(session.entry_page.encode()) <= MAX_PAGE_BYTES


def test_a_state_that_cannot_be_read_is_corrupted() -> None:
    task = Task()
    task.state[SESSIONS + b"alice"] = b"\xff"
    with pytest.raises(StateCorrupted, match="sessions of a user"):
        task.click(100)


@pytest.mark.parametrize("values", [(0, 0), (1, -1)])
def test_windows_that_cannot_be_are_refused(values: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="sessions"):
        SessionWindows(*values)


def test_of_two_clicks_at_one_time_the_later_is_the_last() -> None:
    task = Task()
    for page in ("/a", "/b", "/c"):
        task.click(100, page)
    task.commit(100)
    (told,) = task.table.values()
    assert (told["entry_page"], told["exit_page"]) == ("/a", "/c")


def test_an_earlier_session_that_comes_later_closes_at_its_own_time() -> None:
    task = Task()
    task.click(150)
    task.commit(150)
    task.click(110, time_ms=150)
    task.commit(150)
    task.commit(WINDOWS.closes_ms(110))
    assert [(each["session_start"], each["open"]) for each in task.closed] == [(110, False)]


def test_a_user_has_so_many_open_sessions_at_most() -> None:
    task = Task(SessionWindows(1, 10_000_000))
    for number in range(MAX_SESSIONS + 5):
        task.click(10 * number + 10, time_ms=10)
    task.commit(10)
    assert (len(task.table), task.line.late) == (MAX_SESSIONS, 5)
    task.crash()
    task.click(10, time_ms=10)  # those there are take clicks
    task.commit(10)
    assert task.line.late == 0


def test_the_first_time_to_look_at_a_user_is_known_after_each_commit_and_restart() -> None:
    task = Task()
    assert not task.line.is_due(2**50)
    task.click(100)
    task.click(130, user="bob", time_ms=130)
    task.commit(130)
    for _ in range(2):
        assert not task.line.is_due(WINDOWS.closes_ms(100) - 1)
        assert task.line.is_due(WINDOWS.closes_ms(100))
        task.crash()
    task.commit(WINDOWS.closes_ms(100))
    assert not task.line.is_due(WINDOWS.closes_ms(130) - 1)
    task.commit(WINDOWS.closes_ms(130))
    assert not task.line.is_due(2**50)
    assert task.state == {}
