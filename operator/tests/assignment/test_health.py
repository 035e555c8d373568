"""When a pod counts as dead (R16): not by one kind of silence alone, and not while Kafka is away."""

from dataclasses import replace

from clickstream_operator.assignment.health import ABSENT_AFTER_S, PodWatch
from clickstream_operator.assignment.planner import PodHealth
from clickstream_operator.assignment.records import Heartbeat, TaskReport

WELL, SILENT, DEAD, ABSENT = PodHealth.WELL, PodHealth.SILENT, PodHealth.DEAD, PodHealth.ABSENT
FAILOVER_S = 5.0


def beat(ordinal: int, commits: int = 0, lag: int = 0, worker_silent_ms: int = 0) -> Heartbeat:
    task = TaskReport("owner", "running", 1, lag_records=lag)
    return Heartbeat(ordinal, f"i{ordinal}", 1, 0, 1, 1, commits, False, {"clicks-0": task}, worker_silent_ms)


def watch(pods: int = 3) -> PodWatch:
    watching = PodWatch(FAILOVER_S, now_s=0.0)
    for ordinal in range(pods):
        watching.hear(beat(ordinal), 0.0)
    return watching


def hear_all_but(watching: PodWatch, missing: int, until_s: float, pods: int = 3, **of_missing: int) -> None:
    """Let heartbeats come each second; the missing pod gives none, or those described."""
    for second in range(1, int(until_s) + 1):
        for ordinal in range(pods):
            if ordinal != missing:
                watching.hear(beat(ordinal, commits=second), float(second))
            elif of_missing:
                watching.hear(beat(ordinal, **of_missing), float(second))


def test_a_pod_silent_on_both_ways_is_dead_after_failover_after() -> None:
    watching = watch()
    hear_all_but(watching, 0, 5)
    assert watching.judge(4.9)[0] is SILENT
    assert watching.judge(5.0) == {0: DEAD, 1: WELL, 2: WELL}


def test_a_pod_that_answers_http_is_not_dead_for_missing_heartbeats() -> None:
    watching = watch()
    hear_all_but(watching, 0, 8)
    watching.answer(0, 7.5)
    assert watching.judge(8.0)[0] is SILENT


def test_http_silence_alone_fails_nobody_over() -> None:
    watching = watch()
    hear_all_but(watching, 0, 100, commits=0)
    assert watching.judge(100.0)[0] is WELL


def test_a_pod_cut_off_from_kafka_is_dead_after_three_times_as_long_though_it_answers_http() -> None:
    watching = watch()
    hear_all_but(watching, 0, 15)
    watching.answer(0, 14.9)
    assert watching.judge(14.9)[0] is SILENT
    assert watching.judge(15.0)[0] is DEAD


def test_a_pod_that_commits_nothing_while_its_input_waits_is_dead_after_three_times_as_long() -> None:
    watching = watch()
    hear_all_but(watching, 0, 15, commits=0, lag=10)
    assert watching.judge(14.9)[0] is WELL
    assert watching.judge(15.0)[0] is DEAD


def test_a_pod_whose_worker_hangs_is_dead_after_three_times_as_long() -> None:
    watching = watch()
    hear_all_but(watching, 0, 20, worker_silent_ms=15_000)
    assert watching.judge(20.0)[0] is DEAD


def test_a_pod_whose_volume_refuses_is_dead_at_once_and_given_nothing_back_soon() -> None:
    watching = watch()
    hear_all_but(watching, 0, 2)
    watching.hear(replace(beat(0), volume_refuses=True), 2.0)
    assert watching.judge(2.0)[0] is DEAD
    for ordinal in range(3):
        watching.hear(beat(ordinal), 3.0)
    assert watching.judge(3.0)[0] is SILENT


def test_when_all_volumes_refuse_nobody_takes_over() -> None:
    watching = watch()
    for ordinal in range(3):
        watching.hear(replace(beat(ordinal), volume_refuses=True), 2.0)
    assert DEAD not in watching.judge(2.0).values()


def test_a_pod_without_input_needs_no_commits() -> None:
    watching = watch()
    hear_all_but(watching, 0, 100, commits=0, lag=0)
    assert watching.judge(100.0)[0] is WELL


def test_a_stalled_pod_is_given_nothing_back_at_once() -> None:
    watching = watch()
    hear_all_but(watching, 0, 16, commits=0, lag=10)
    assert watching.judge(16.0)[0] is DEAD
    for ordinal in range(3):
        watching.hear(beat(ordinal, commits=50), 17.0)
    assert watching.judge(17.0)[0] is SILENT
    for ordinal in range(3):
        watching.hear(beat(ordinal, commits=99), 80.0)
    assert watching.judge(80.0)[0] is WELL


def test_when_all_pods_stall_none_is_to_blame() -> None:
    watching = watch()
    for second in range(1, 31):
        for ordinal in range(3):
            watching.hear(beat(ordinal, commits=0, lag=10), float(second))
    assert set(watching.judge(30.0).values()) == {WELL}


def test_silence_while_kafka_could_not_be_read_proves_nothing() -> None:
    watching = watch()
    watching.regained(300.0)
    assert set(watching.judge(302.0).values()) == {WELL}
    assert set(watching.judge(306.0).values()) == {DEAD}


def test_a_pod_away_for_long_is_absent() -> None:
    watching = watch()
    hear_all_but(watching, 0, 100)
    assert watching.judge(FAILOVER_S + ABSENT_AFTER_S)[0] is ABSENT


def test_a_pod_that_owns_something_and_was_never_heard_of_has_failover_after_to_show_itself() -> None:
    watching = PodWatch(FAILOVER_S, now_s=10.0)
    watching.expect(2, 10.0)
    assert watching.judge(14.9) == {2: SILENT}
    assert watching.judge(15.0) == {2: DEAD}


def test_only_pods_with_late_heartbeats_are_asked_by_http() -> None:
    watching = watch()
    hear_all_but(watching, 0, 3)
    assert watching.to_probe(3.0) == [0]
