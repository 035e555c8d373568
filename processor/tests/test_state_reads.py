"""What a query reads: rolling counts by seconds, windows, profile; only what is committed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from clickstream_processor.errors import StoreClosed
from clickstream_processor.state.checkpoint import Position
from clickstream_processor.state.memory import MemoryShares, StateMemory
from clickstream_processor.state.overlay import TaskState
from clickstream_processor.state.reads import WindowCount, user_metrics
from clickstream_processor.state.store import TaskStore
from clickstream_processor.topology.pipeline import Pipeline
from clickstream_processor.topology.plan import Plan
from sample_line import T0, Captured, click, profile

PLAN = Plan("t", 1)
M5 = 300_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[TaskStore]:
    opened = TaskStore.open(tmp_path / "clicks-0", StateMemory(MemoryShares.of_limit(0)))
    yield opened
    opened.close()


def commit(store: TaskStore, *event_ms: int, plan: Plan = PLAN) -> None:
    state = TaskState(store, plan)
    line = Pipeline(plan, state, 0, Captured())
    line.profiles([profile("alice", country="FR")])
    line.clicks([click("alice", at) for at in event_ms])
    line.flush()
    state.commit(Position(1, state.stream_ms, state.closed_ms), 1)


def rolling(store: TaskStore, at_ms: int, plan: Plan = PLAN) -> int:
    found = user_metrics(store, plan, "alice", at_ms)
    assert found is not None
    return found.rolling


@pytest.mark.parametrize(
    ("at_ms", "clicks"),
    [
        (T0 + 9_999, 0),
        (T0 + 10_000, 1),  # its second has begun: the whole second counts
        (T0 + 10_000 + M5 - 1, 1),
        (T0 + 10_000 + M5, 0),  # floor(at) - size is excluded
    ],
)
def test_a_click_counts_from_the_start_of_its_second_for_the_windows_size(
    store: TaskStore, at_ms: int, clicks: int
) -> None:
    commit(store, T0 + 10_700)
    assert rolling(store, at_ms) == clicks


def test_a_rolling_count_spans_two_chunks(store: TaskStore) -> None:
    commit(store, T0 + 1_000, T0 + M5 - 1, T0 + M5, T0 + M5 + 1_500, T0 + M5 + 1_400)
    assert rolling(store, T0 + M5 + 1_000) == 4
    assert rolling(store, T0 + M5 + 999) == 3


def test_windows_are_told_newest_first_up_to_the_time_asked_for(store: TaskStore) -> None:
    commit(store, T0, T0 + 5, T0 + M5)
    found = user_metrics(store, PLAN, "alice", T0 + M5 + 7, windows=True)
    assert found is not None
    assert found.windows == (WindowCount(T0 + M5, T0 + 2 * M5, 1), WindowCount(T0, T0 + M5, 2))
    earlier = user_metrics(store, PLAN, "alice", T0 + 7, windows=True)
    assert earlier is not None
    assert earlier.windows == (WindowCount(T0, T0 + M5, 2),)


def test_hopping_windows_overlap(store: TaskStore) -> None:
    plan = Plan("t", 1, size_ms=10_000, advance_ms=5_000)
    commit(store, T0 + 7_000, plan=plan)
    found = user_metrics(store, plan, "alice", T0 + 8_000, windows=True)
    assert found is not None
    assert [(w.start_ms - T0, w.end_ms - T0, w.clicks) for w in found.windows] == [
        (5_000, 15_000, 1),
        (0, 10_000, 1),
    ]


def test_a_user_with_a_profile_and_no_click_has_a_count_of_zero(store: TaskStore) -> None:
    commit(store)
    found = user_metrics(store, PLAN, "alice", T0)
    assert found is not None
    assert found.profile is not None
    assert (found.rolling, found.profile.country) == (0, "FR")


def test_a_user_nobody_knows_is_none(store: TaskStore) -> None:
    commit(store, T0)
    assert user_metrics(store, PLAN, "bob", T0) is None


def test_what_is_not_committed_is_not_read(store: TaskStore) -> None:
    state = TaskState(store, PLAN)
    line = Pipeline(PLAN, state, 0, Captured())
    line.profiles([profile("alice")])
    line.clicks([click("alice", T0)])
    line.flush()
    assert user_metrics(store, PLAN, "alice", T0) is None
    state.commit(Position(1, T0, T0), 1)
    assert rolling(store, T0) == 1


def test_a_time_before_all_clicks_is_zero(store: TaskStore) -> None:
    commit(store, 500)
    assert rolling(store, 0) == 1  # of the same second
    assert rolling(store, M5) == 0


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = TaskStore.open(tmp_path / "closed", StateMemory(MemoryShares.of_limit(0)))
    store.close()
    with pytest.raises(StoreClosed):
        user_metrics(store, PLAN, "alice", T0)
