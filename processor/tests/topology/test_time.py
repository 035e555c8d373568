"""Event time that leads record time: no clock closes another user's windows, and no click is lost by it."""

from dataclasses import replace
from typing import Any

import pytest
from clickstream_processor.topology.pipeline import Pipeline
from clickstream_processor.topology.plan import Plan
from clickstream_processor.topology.records.records import EARLIEST_MS
from processor_support.lines.sample_line import T0, Captured, DictState, click, commit, profile

M1, M5, M50 = 60_000, 300_000, 3_000_000
PLAN = Plan("user-clicks", 1)


def begin(plan: Plan = PLAN, state: DictState | None = None) -> tuple[Pipeline, DictState, Captured]:
    """Return a line over the state, which keeps its clocks, with two profiles."""
    state, out = state or DictState(plan), Captured()
    made = Pipeline(plan, state, 0, out)
    made.profiles([profile("honest"), profile("fast")])
    return made, state, out


def fast(offset: int, record_ms: int, ahead_ms: int = M50) -> Any:
    return click("fast", record_ms + ahead_ms, offset, record_ms=record_ms)


def test_a_clock_that_is_50_minutes_fast_closes_nobodys_window() -> None:
    pipeline, state, out = begin()
    for number in range(10):
        now_ms = T0 + number * 1_000
        pipeline.clicks([click("honest", now_ms, 2 * number), fast(2 * number + 1, now_ms)])
    pipeline.flush()
    assert out.dead == []
    assert ("honest", T0, 10, T0 + 9_000) in out.windows()
    assert sum(clicks for user, _, clicks, _ in out.windows() if user == "fast") == 10
    assert state.stream_ms == T0 + 9_000 + M1
    assert (pipeline.counters.ahead, pipeline.counters.counted) == (10, 20)


@pytest.mark.parametrize(("lead_ms", "stream_ms"), [(0, T0), (M1, T0 + M1), (M1 + 1, T0 + M1)])
def test_an_event_time_is_believed_as_far_as_the_grace_beyond_record_time(
    lead_ms: int, stream_ms: int
) -> None:
    pipeline, state, _ = begin()
    pipeline.clicks([fast(0, T0, lead_ms)])
    assert (state.stream_ms, pipeline.counters.ahead) == (stream_ms, int(lead_ms > M1))


@pytest.mark.parametrize("advance_ms", [None, M1, 7_000], ids=["tumbling", "hopping", "uneven"])
def test_counts_of_a_fast_clock_go_on_after_a_restart(advance_ms: int | None) -> None:
    plan = replace(PLAN, advance_ms=advance_ms)
    pipeline, state, _ = begin(plan)
    pipeline.clicks([click("honest", T0), fast(1, T0)])
    commit(pipeline, state)
    pipeline, _, out = begin(plan, DictState(plan, state.store))
    pipeline.clicks([fast(2, T0)])
    pipeline.flush()
    assert {clicks for _, _, clicks, _ in out.windows()} == {2}


@pytest.mark.parametrize("cut", range(1, 6))
def test_the_same_clicks_read_again_from_a_position_move_time_in_the_same_way(cut: int) -> None:
    """Record times that go back, as with several producers: a limit kept in memory alone would differ."""
    clicks = [
        click("honest", T0, 0, record_ms=T0 + M5),
        fast(1, T0, M5 + M1),
        fast(2, T0 + 1, M5 - 1),
        fast(3, T0 - M1, M50),
        click("honest", T0 + 2 * M1, 4),
        fast(5, T0 + 2 * M5),
    ]
    whole, state, _ = begin()
    whole.clicks(clicks)
    pipeline, first, _ = begin()
    pipeline.clicks(clicks[:cut])
    commit(pipeline, first)
    again = DictState(PLAN, first.store)
    pipeline, _, _ = begin(PLAN, again)
    pipeline.clicks(clicks[cut:])
    clocks = ("stream_ms", "closed_ms", "record_ms", "ahead_ms")
    assert [getattr(again, clock) for clock in clocks] == [getattr(state, clock) for clock in clocks]


def test_a_fast_clocks_final_result_comes_when_its_window_closes_by_the_clock() -> None:
    pipeline, state, out = begin(replace(PLAN, emit="final"))
    pipeline.clicks([click("honest", T0), fast(1, T0)])
    start_ms = (T0 + M50) // M5 * M5
    for now_ms in range(T0, start_ms + M5 + M1, M1):
        pipeline.tick(now_ms)
        commit(pipeline, state)
    assert [window[:3] for window in out.windows()] == [("honest", T0, 1)]
    assert pipeline.tick(start_ms + M5 + M1)
    pipeline.flush()
    assert out.windows()[-1][:3] == ("fast", start_ms, 1)
    assert not pipeline.tick(start_ms + 100 * M5)


def test_a_fast_clock_expires_no_chunk_and_its_own_is_kept() -> None:
    plan = replace(PLAN, retention_ms=0, grace_ms=0)
    pipeline, state, _ = begin(plan)
    pipeline.clicks([click("honest", T0), fast(1, T0)])
    assert plan.expired_before_ms(state.stream_ms) <= T0


@pytest.mark.parametrize("event_ms", [0, 1, 1_690_000_000, EARLIEST_MS - 1])
def test_a_time_of_1970_is_refused(event_ms: int) -> None:
    pipeline, state, out = begin(replace(PLAN, earliest_ms=EARLIEST_MS))
    pipeline.clicks(
        [click("honest", event_ms, 7, record_ms=T0), click("honest", EARLIEST_MS, 8, record_ms=T0)]
    )
    assert [(offset, reason) for offset, reason, _ in out.dead] == [(7, "implausible-time")]
    assert state.stream_ms == EARLIEST_MS
