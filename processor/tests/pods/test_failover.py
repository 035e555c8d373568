"""Pods under the controller on real Kafka: fail-over, hand-over, restart, twin. Each click comes out once.

One pipeline for the module; each test leaves three pods that run, and the checker reads all that came before.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from clickstream_chaos import waiting
from clickstream_chaos.pipeline import Pipeline
from clickstream_chaos.suite import Suite
from clickstream_local.parts.kafka import Kafka

pytestmark = pytest.mark.timeout(900)
eventually = partial(waiting.eventually, timeout_s=180)  # on a machine that runs other suites too

PODS = 3


@pytest.fixture(scope="module")
def suite(kafka: Kafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    running = Suite(tmp_path_factory.mktemp("failover"), kafka, seed=4, say=print, rate=200)
    try:
        running.start()
        yield running
        assert running.finish().complete(), running.figures.line()
    finally:
        running.stop()


@pytest.fixture
def pipeline(suite: Suite) -> Iterator[Pipeline]:
    """Give the pipeline with all pods up; afterwards nothing may be doubled or contradicted.

    Pods have a minute to come back: on a loaded machine a start takes long, and nothing shall move for it.
    """
    suite.heal()
    fail_over_after(suite.pipeline, "60s")
    yield suite.pipeline
    fail_over_after(suite.pipeline, "5s")
    suite.heal()
    verdict = suite.checker.check()
    assert not verdict.wrong(), verdict.examples


def test_tasks_are_spread_over_the_pods_and_each_has_a_standby(pipeline: Pipeline) -> None:
    eventually("two tasks a pod", lambda: sorted(pipeline.owners().values()) == [0, 0, 1, 1, 2, 2])
    eventually("a caught-up standby of each task", lambda: len(standbys(pipeline)) == 6)
    assert all(pod != pipeline.owners()[partition] for partition, pod in standbys(pipeline).items())


def test_a_dead_pods_tasks_go_to_their_standbys_and_the_others_stay(pipeline: Pipeline) -> None:
    eventually("a caught-up standby of each task", lambda: len(standbys(pipeline)) == 6)
    owners, heirs = pipeline.owners(), standbys(pipeline)
    fail_over_after(pipeline, "20s")  # a living pod of a busy machine may say nothing for some seconds
    pipeline.pod(1).kill()
    expected = {p: heirs[p] if owner == 1 else owner for p, owner in owners.items()}
    eventually("the standbys own the dead pod's tasks", lambda: pipeline.owners() == expected)


def test_a_pod_that_restarts_in_time_keeps_its_tasks(pipeline: Pipeline) -> None:
    eventually("two tasks a pod", lambda: sorted(pipeline.owners().values()) == [0, 0, 1, 1, 2, 2])
    before = epochs(pipeline)
    pipeline.pod(2).stop()
    pipeline.restart_pod(2)
    eventually("all run again, none of them moved", lambda: epochs(pipeline) == before)


def test_scaling_out_moves_only_what_balance_needs_and_scaling_in_drains_first(pipeline: Pipeline) -> None:
    eventually("two tasks a pod", lambda: sorted(pipeline.owners().values()) == [0, 0, 1, 1, 2, 2])
    before = pipeline.owners()
    pipeline.scale(4)
    pipeline.pod(3).start()
    eventually("the new pod owns a task", lambda: 3 in pipeline.owners().values())
    pipeline.wait_until_running()
    assert sum(before[p] != owner for p, owner in pipeline.owners().items()) == 1
    pipeline.scale(PODS)
    eventually("the leaving pod has nothing left", lambda: pipeline.status(3).get("tasks") == {})
    assert pipeline.pod(3).is_running()
    pipeline.pod(3).stop()


def test_a_second_process_of_an_ordinal_ends_and_the_first_goes_on(pipeline: Pipeline) -> None:
    before = epochs(pipeline)
    twin = pipeline.make_pod(0, "-twin")
    twin.start()
    eventually("the twin ends", lambda: not twin.is_running())
    assert twin.exit_status == 3
    assert "another process runs as pod 0" in twin.tail(50)
    eventually("no task has moved", lambda: epochs(pipeline) == before)


def test_a_stale_controller_ends_and_the_new_one_moves_nothing(pipeline: Pipeline) -> None:
    eventually("two tasks a pod", lambda: sorted(pipeline.owners().values()) == [0, 0, 1, 1, 2, 2])
    before = epochs(pipeline)
    pipeline.controller(1).start()
    eventually("the first controller ends", lambda: not pipeline.controller(0).is_running())
    assert pipeline.controller(0).exit_status == 3
    assert "another controller" in pipeline.controller(0).tail(50)
    eventually("the second one has begun", lambda: "begins term 2" in log_of(pipeline.controller(1).log))
    eventually("no task has moved", lambda: epochs(pipeline) == before)


def test_a_zombie_that_wakes_up_after_its_tasks_were_given_away_does_no_harm(suite: Suite) -> None:
    pipeline = suite.pipeline
    suite.heal()
    fail_over_after(pipeline, "5s")
    zombie = pipeline.pod(0)
    zombie.suspend()
    eventually("the others own its tasks", lambda: owned_by(pipeline, {1, 2}))
    zombie.resume()
    eventually("it gets tasks again", lambda: owned_by(pipeline, {0, 1, 2}))
    suite.wait_for_output()
    verdict = suite.checker.check()
    assert not verdict.wrong(), verdict.examples


def standbys(pipeline: Pipeline) -> dict[int, int]:
    """Return partition -> pod of the standbys of clicks that have caught up."""
    return {
        int(name.rpartition("-")[2]): ordinal
        for ordinal in range(PODS)
        for name, task in pipeline.status(ordinal).get("tasks", {}).items()
        if name.startswith("clicks-") and task["role"] == "standby" and task["phase"] == "running"
    }


def epochs(pipeline: Pipeline) -> dict[str, int]:
    """Return task -> epoch of the owners of clicks that run: one that moved there and back has another."""
    return {
        name: task["epoch"]
        for ordinal in range(PODS)
        for name, task in pipeline.status(ordinal).get("tasks", {}).items()
        if name.startswith("clicks-") and task["role"] == "owner" and task["phase"] == "running"
    }


def fail_over_after(pipeline: Pipeline, duration: str) -> None:
    """Change `failoverAfter`, and wait until the controller knows."""
    running = next(n for n in pipeline.controllers() if pipeline.controller(n).is_running())
    log = pipeline.controller(running).log
    before = log.read_text(errors="replace").count("settings read again")
    pipeline.shape.failover_after = duration
    pipeline.write_settings()
    eventually(
        "the controller knows", lambda: log.read_text(errors="replace").count("settings read again") > before
    )


def owned_by(pipeline: Pipeline, pods: set[int]) -> bool:
    """Tell whether every task runs, and each of these pods has one."""
    owners = pipeline.owners()
    return len(owners) == pipeline.shape.partitions and set(owners.values()) == pods


def log_of(file: Path) -> str:
    return file.read_text(errors="replace")
