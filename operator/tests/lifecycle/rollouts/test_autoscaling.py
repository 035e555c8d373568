"""Pods by lag: which number, after how long, and never one move upon another."""

import pytest
from clickstream_operator.lifecycle.rollouts.autoscaling import (
    Advice,
    Load,
    ScalingMemory,
    advise,
    next_count,
    remembered,
    shown,
)
from clickstream_operator.spec.processors import Autoscale

POLICY = Autoscale.model_validate({"max": 8, "targetLag": "30s", "stabilization": "60s", "cooldown": "300s"})
BEHIND_MS, STEADY_MS, IDLE_MS = 40_000, 10_000, 1_000


def after(lags_ms: list[int | None], replicas: int = 3, every_s: float = 20.0) -> Advice:
    """Return the last advice after looks at a steady pace, nobody following it."""
    memory, advice = ScalingMemory(), None
    for number, lag_ms in enumerate(lags_ms):
        advice = advise(POLICY, 12, replicas, lag_ms, memory, 10_000 + number * every_s)
        memory = remembered({"autoscaling": shown(advice)})
    assert advice
    return advice


@pytest.mark.parametrize(
    ("replicas", "up", "wanted"),
    [
        *((1, True, 2), (3, True, 4), (4, True, 6), (5, True, 6), (6, True, 8), (8, True, 8), (9, True, 9)),
        *((8, False, 6), (6, False, 4), (5, False, 4), (2, False, 2), (1, False, 1)),
    ],
)
def test_divisors_of_the_partitions_come_first_and_limits_hold(replicas: int, up: bool, wanted: int) -> None:
    assert next_count(POLICY.model_copy(update={"min": 2}), 12, replicas, up) == wanted


def test_more_pods_than_partitions_are_never_advised() -> None:
    assert next_count(POLICY, 6, 6, up=True) == 6


def test_lag_must_last_for_the_window() -> None:
    assert after([BEHIND_MS] * 3).replicas == 3
    assert after([BEHIND_MS] * 4).replicas == 4


@pytest.mark.parametrize("between", [STEADY_MS, IDLE_MS, None], ids=["caught up", "idle", "not known"])
def test_window_begins_anew_when_the_lag_was_well_or_unknown(between: int | None) -> None:
    assert after([BEHIND_MS] * 3 + [between] + [BEHIND_MS] * 3).replicas == 3


def test_pods_are_taken_away_after_six_quiet_windows() -> None:
    assert after([IDLE_MS] * 18).replicas == 3
    assert after([IDLE_MS] * 19).replicas == 2


def test_lag_between_the_limits_moves_nothing() -> None:
    assert after([STEADY_MS] * 100).replicas == 3


def test_cooldown_follows_every_change_whoever_made_it() -> None:
    memory = ScalingMemory(Load.BEHIND, since_s=0, replicas=3)
    moved = advise(POLICY, 12, 4, BEHIND_MS, memory, 1000).memory
    assert moved.moved_s == 1000
    assert advise(POLICY, 12, 4, BEHIND_MS, moved, 1299).replicas == 4
    assert advise(POLICY, 12, 4, BEHIND_MS, moved, 1301).replicas == 6


def test_first_look_is_no_change() -> None:
    assert advise(POLICY, 12, 4, BEHIND_MS, ScalingMemory(), 1000).memory.moved_s == 0


def test_status_at_rest_says_the_same_at_each_look() -> None:
    first = advise(POLICY, 12, 3, IDLE_MS, ScalingMemory(), 1000)
    second = advise(POLICY, 12, 3, IDLE_MS, remembered({"autoscaling": shown(first)}), 1300)
    assert shown(first) == shown(second)


def test_status_that_somebody_broke_is_begun_anew() -> None:
    assert remembered({"autoscaling": {"load": "High"}}) == ScalingMemory()
