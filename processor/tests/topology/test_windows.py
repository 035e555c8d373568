"""Windows of users' clicks, one rule at a time: what is counted, what is late, what is told and when."""

import pytest
from processor_support.lines.sample_line import M5, T0, click, commit, line, plan


def test_counts_are_emitted_once_per_window_and_commit_with_the_greatest_event_time() -> None:
    pipeline, state, out = line()
    pipeline.clicks(
        [click("alice", T0 + 9), click("bob", T0 + 1), click("alice", T0 + 4), click("alice", T0 + M5)]
    )
    changes = commit(pipeline, state)
    assert sorted(out.windows()) == [
        ("alice", T0, 2, T0 + 9),
        ("alice", T0 + M5, 1, T0 + M5),
        ("bob", T0, 1, T0 + 1),
    ]
    assert len(changes) == 3
    out.counts.clear()
    assert pipeline.flush() == []
    pipeline.clicks([click("alice", T0 + 5)])
    pipeline.flush()
    assert out.windows() == [("alice", T0, 3, T0 + 9)]


def test_a_click_is_late_once_stream_time_has_passed_end_and_grace() -> None:
    pipeline, _, out = line(plan(grace_ms=1_000))
    pipeline.clicks([click("alice", T0, 1), click("bob", T0 + M5 + 999, 2), click("alice", T0 + 5, 3)])
    pipeline.clicks(
        [click("bob", T0 + M5 + 1_000, 4), click("alice", T0 + M5 - 1, 5), click("alice", T0 + M5, 6)]
    )
    assert [(offset, reason) for offset, reason, _ in out.dead] == [(5, "late")]
    assert len(out.clicks) == 6  # the join has no windows: a late click is enriched all the same
    pipeline.flush()
    assert ("alice", T0, 2, T0 + 5) in out.windows()
    assert (pipeline.counters.counted, pipeline.counters.dead_lettered) == (5, {"late": 1})


def test_late_clicks_may_be_dropped() -> None:
    pipeline, _, out = line(plan(grace_ms=0, late="drop"))
    pipeline.clicks([click("bob", T0 + M5), click("alice", T0)])
    assert (out.dead, pipeline.counters.dropped) == ([], {"late": 1})


def test_an_unmatched_click_does_not_move_stream_time() -> None:
    pipeline, state, _ = line(plan(grace_ms=0))
    pipeline.clicks([click("alice", T0), click("nobody", T0 + M5), click("alice", T0 + 1)])
    assert (state.stream_ms, pipeline.counters.counted) == (T0 + 1, 2)


@pytest.mark.parametrize(
    ("size_ms", "advance_ms", "event_ms", "starts"),
    [
        (10, 5, 12, [5, 10]),
        (10, 5, 3, [0]),
        (10, 3, 11, [3, 6, 9]),
        (10, 7, 21, [14, 21]),
        (10, 7, 13, [7]),
        (10, 1, 12, list(range(3, 13))),
        (1_500, None, 1_499, [0]),
        (1_500, None, 1_500, [1_500]),
    ],
)
def test_an_event_is_counted_in_every_window_that_holds_it(
    size_ms: int, advance_ms: int | None, event_ms: int, starts: list[int]
) -> None:
    pipeline, _, out = line(plan(size_ms=size_ms, advance_ms=advance_ms, grace_ms=0))
    pipeline.clicks([click("alice", event_ms)])
    pipeline.flush()
    assert sorted(out.windows()) == [("alice", start, 1, event_ms) for start in starts]


def test_a_hopping_click_counts_in_the_windows_that_are_open_and_is_late_only_if_none_is() -> None:
    pipeline, _, out = line(plan(size_ms=10, advance_ms=5, grace_ms=0))
    pipeline.clicks([click("bob", 16), click("alice", 12, 1), click("alice", 9, 2)])
    pipeline.flush()
    assert [w for w in out.windows() if w[0] == "alice"] == [("alice", 10, 1, 12)]  # [5, 15) is closed
    assert [(offset, reason) for offset, reason, _ in out.dead] == [(2, "late")]


@pytest.mark.parametrize(
    "order", [(0, 1, 2, 0), (0, 1, 0, 1), (0, 1, 2, 1, 0), (2, 1, 0, 2, 0), (0, 1, 2, 3, 0, 3, 1), (1, 0, 1)]
)
@pytest.mark.parametrize("committed", [False, True], ids=["in one commit", "after a commit"])
def test_a_user_may_jump_between_chunks_within_one_commit(order: tuple[int, ...], committed: bool) -> None:
    pipeline, state, out = line(plan(grace_ms=100 * M5))
    if committed:
        pipeline.clicks([click("alice", T0 + number * M5) for number in range(4)])
        commit(pipeline, state)
        out.counts.clear()
    pipeline.clicks([click("alice", T0 + number * M5 + at) for at, number in enumerate(order)])
    changes = commit(pipeline, state)
    before = 1 if committed else 0
    expected = {T0 + number * M5: order.count(number) + before for number in set(order)}
    assert {start: clicks for _, start, clicks, _ in out.windows()} == expected
    assert len(changes) == len(out.counts) == len(expected)
    pipeline.clicks([click("alice", T0 + number * M5) for number in set(order)])
    pipeline.flush()
    assert {s: c for _, s, c, _ in out.windows()} == {start: count + 1 for start, count in expected.items()}


# Final results


def test_a_final_result_is_emitted_once_when_stream_time_passes_end_and_grace() -> None:
    pipeline, state, out = line(plan(emit="final", grace_ms=1_000))
    pipeline.clicks([click("alice", T0), click("alice", T0 + 7), click("bob", T0 + M5 + 999)])
    commit(pipeline, state)
    assert out.counts == []
    pipeline.clicks([click("bob", T0 + M5 + 1_000), click("alice", T0 + 8, 9)])
    commit(pipeline, state)
    assert out.windows() == [("alice", T0, 2, T0 + 7)]
    assert out.dead[0][:2] == (9, "late")
    pipeline.clicks([click("bob", T0 + M5 + 1_001)])
    pipeline.flush()
    assert len(out.counts) == 1


def test_a_window_that_opens_and_closes_within_one_commit_is_emitted() -> None:
    pipeline, _, out = line(plan(emit="final", size_ms=10, advance_ms=5, grace_ms=0))
    pipeline.clicks([click("alice", 12), click("bob", 40)])
    pipeline.flush()
    assert out.windows() == [("alice", 5, 1, 12), ("alice", 10, 1, 12)]


def test_a_tick_closes_idle_windows_and_then_time_stands_still() -> None:
    pipeline, state, out = line(plan(emit="final", grace_ms=1_000))
    pipeline.clicks([click("alice", T0 + 7)])
    pipeline.tick(T0 + M5 + 999)
    pipeline.flush()
    assert out.counts == []
    assert pipeline.tick(T0 + M5 + 1_500)
    commit(pipeline, state)
    assert out.windows() == [("alice", T0, 1, T0 + 7)]
    assert (state.stream_ms, state.closed_ms) == (T0 + 7, T0 + M5 + 1_500)
    assert not pipeline.tick(T0 + 10 * M5)
    pipeline.clicks([click("alice", T0 + 8, 5), click("alice", T0 + M5, 6)])
    pipeline.flush()
    assert [(offset, reason) for offset, reason, _ in out.dead] == [(5, "late")]
    assert len(out.counts) == 1


def test_ticks_do_nothing_to_updates() -> None:
    pipeline, state, _ = line()
    pipeline.clicks([click("alice", T0)])
    assert not pipeline.tick(T0 + 100 * M5)
    assert state.closed_ms == T0
