"""What a query reads, in steps: rolling counts, pages of windows, profile; only what is committed."""

import contextlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Literal

import pytest
from clickstream_processor.errors import StoreClosed
from clickstream_processor.state.checkpoint import Position
from clickstream_processor.state.memory import MemoryShares, StateMemory
from clickstream_processor.state.overlay import TaskState
from clickstream_processor.state.reads import (
    PAGE_LOOKUPS,
    STEP_LOOKUPS,
    Span,
    Steps,
    WindowCount,
    WindowPage,
    user_metrics,
    window_page,
)
from clickstream_processor.state.store import TaskStore
from clickstream_processor.topology.pipeline import Pipeline
from clickstream_processor.topology.plan import Plan
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from processor_support.lines.sample_line import T0, Captured, click, profile, read_whole

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
    found = read_whole(user_metrics(store, plan, "alice", at_ms))
    assert found is not None
    return found.rolling


def page_of(store: TaskStore, at_ms: int, plan: Plan = PLAN, **span: int) -> WindowPage:
    return read_whole(window_page(store, plan, "alice", at_ms, Span(**span)))


def pages_of(store: TaskStore, at_ms: int, plan: Plan, **span: int) -> list[WindowPage]:
    """Follow `next` to the last page."""
    pages = [page_of(store, at_ms, plan, **span)]
    while (to_ms := pages[-1].next_to_ms) is not None:
        assert span.get("to_ms") is None or to_ms < span["to_ms"], "the next page begins where this one did"
        span["to_ms"] = to_ms
        pages.append(page_of(store, at_ms, plan, **span))
    return pages


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
    found = page_of(store, T0 + M5 + 7)
    assert found.windows == [WindowCount(T0 + M5, T0 + 2 * M5, 1), WindowCount(T0, T0 + M5, 2)]
    assert page_of(store, T0 + 7).windows == [WindowCount(T0, T0 + M5, 2)]


def test_hopping_windows_overlap(store: TaskStore) -> None:
    plan = Plan("t", 1, size_ms=10_000, advance_ms=5_000)
    commit(store, T0 + 7_000, plan=plan)
    found = page_of(store, T0 + 8_000, plan=plan)
    assert [(w.start_ms - T0, w.end_ms - T0, w.clicks) for w in found.windows] == [
        (5_000, 15_000, 1),
        (0, 10_000, 1),
    ]


def test_a_user_with_a_profile_and_no_click_has_a_count_of_zero(store: TaskStore) -> None:
    commit(store)
    found = read_whole(user_metrics(store, PLAN, "alice", T0))
    assert found is not None
    assert found.profile is not None
    assert (found.rolling, found.profile.country) == (0, "FR")


def test_a_user_nobody_knows_is_none(store: TaskStore) -> None:
    commit(store, T0)
    assert read_whole(user_metrics(store, PLAN, "bob", T0)) is None


def test_what_is_not_committed_is_not_read(store: TaskStore) -> None:
    state = TaskState(store, PLAN)
    line = Pipeline(PLAN, state, 0, Captured())
    line.profiles([profile("alice")])
    line.clicks([click("alice", T0)])
    line.flush()
    assert read_whole(user_metrics(store, PLAN, "alice", T0)) is None
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
        read_whole(user_metrics(store, PLAN, "alice", T0))


def steps_of(steps: Steps[Any]) -> int:
    """Return in how many steps a read ends."""
    taken = 1
    with contextlib.suppress(StopIteration):
        while True:
            steps.send(None)
            taken += 1
    return taken


@pytest.mark.parametrize("join", ["inner", "left"])
@pytest.mark.parametrize("user", ["alice", "nobody"])
def test_the_default_answer_takes_one_step_however_long_the_retention(
    store: TaskStore, join: Literal["inner", "left"], user: str
) -> None:
    plan = Plan("t", 1, size_ms=10_000, retention_ms=87_600 * 3_600_000, join=join)
    commit(store, T0, T0 + 10_000, plan=plan)
    assert steps_of(user_metrics(store, plan, user, T0 + 15_000)) == 1


@pytest.mark.parametrize("user", ["alice", "nobody"])
def test_a_page_takes_a_bounded_number_of_look_ups_however_long_the_retention(
    store: TaskStore, user: str
) -> None:
    plan = Plan("t", 1, size_ms=10_000, retention_ms=87_600 * 3_600_000)
    commit(store, T0, plan=plan)
    at_ms = T0 + 365 * 86_400_000
    assert steps_of(window_page(store, plan, user, at_ms, Span())) <= PAGE_LOOKUPS // STEP_LOOKUPS + 2
    page = read_whole(window_page(store, plan, user, at_ms, Span()))
    assert page.next_to_ms == at_ms - (PAGE_LOOKUPS - 1) * 10_000
    assert page.windows == []


def test_a_page_that_is_told_to_end_says_where_the_next_begins(store: TaskStore) -> None:
    plan = Plan("t", 1, size_ms=1_000, retention_ms=3_600_000)
    commit(store, *range(T0, T0 + 200_000, 1_000), plan=plan)
    steps = window_page(store, plan, "alice", T0 + 200_000, Span(limit=1_000))
    steps.send(None)
    with pytest.raises(StopIteration) as ended:
        steps.send(True)
    page: WindowPage = ended.value.value
    assert 0 < len(page.windows) < 200
    assert page.next_to_ms == page.windows[-1].start_ms


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    clicks=st.sets(st.integers(0, 600), max_size=40),
    advance_ms=st.sampled_from([None, 2_500, 700]),
    limit=st.integers(1, 30),
    bounds=st.tuples(st.integers(-50, 700), st.integers(-50, 700)),
)
def test_pages_together_are_the_windows_asked_for_each_once(
    tmp_path: Path, clicks: set[int], advance_ms: int | None, limit: int, bounds: tuple[int, int]
) -> None:
    plan = Plan("t", 1, size_ms=10_000, advance_ms=advance_ms, retention_ms=3_600_000)
    store = TaskStore.open(Path(mkdtemp(dir=tmp_path)), StateMemory(MemoryShares.of_limit(0)))
    events = [T0 + 1_000 * second for second in sorted(clicks)]
    commit(store, *events, plan=plan)
    from_ms, to_ms = (T0 + 1_000 * bound for bound in sorted(bounds))
    at_ms = T0 + 600_000
    expected: Counter[int] = Counter()
    for event_ms in events:
        first_ms = plan.windows.first_start_ms(event_ms - plan.size_ms + 1)
        expected.update(range(first_ms, event_ms + 1, plan.step_ms))
    pages = pages_of(store, at_ms, plan, limit=limit, from_ms=from_ms, to_ms=to_ms)
    assert all(len(page.windows) <= limit for page in pages)
    found = [(window.start_ms, window.clicks) for page in pages for window in page.windows]
    wanted = {start: n for start, n in expected.items() if from_ms <= start < to_ms and start <= at_ms}
    assert found == sorted(wanted.items(), reverse=True)
    store.close()


def test_clicks_ahead_of_the_time_asked_for_are_neither_counted_nor_listed(store: TaskStore) -> None:
    commit(store, T0 + 1_000, T0 + 12 * M5)
    assert rolling(store, T0 + 2_000) == 1
    assert rolling(store, T0 + 12 * M5) == 1
    assert [window.start_ms for window in page_of(store, T0 + 2_000).windows] == [T0]
    assert [window.start_ms for window in page_of(store, T0 + 12 * M5).windows] == [T0 + 12 * M5, T0]


def test_a_rolling_count_of_days_is_read_in_steps(store: TaskStore) -> None:
    day_ms = 86_400_000
    plan = Plan("t", 1, size_ms=day_ms)
    start_ms = plan.windows.chunk_start_ms(T0)
    commit(store, *range(start_ms, start_ms + 2 * day_ms, 4_000), plan=plan)
    at_ms = start_ms + day_ms + day_ms // 2
    assert rolling(store, at_ms, plan) == 21_600
    assert steps_of(user_metrics(store, plan, "alice", at_ms)) > 8


def test_a_window_below_a_second_is_read_in_steps(store: TaskStore) -> None:
    plan = Plan("t", 1, size_ms=1)
    commit(store, T0, T0 + 10, T0 + 999, T0 + 1_000, plan=plan)
    assert rolling(store, T0, plan) == 3
    assert rolling(store, T0 + 1_000, plan) == 1
    assert steps_of(user_metrics(store, plan, "nobody", T0)) > 16
