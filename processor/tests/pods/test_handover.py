"""Tasks move between pods: followed, promoted, demoted, taken over from a pod that does not know it yet.

Two workers in this process on a real broker; the assignment is written by the test, as the controller would.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from clickstream_local.parts.kafka import Kafka
from clickstream_local.testing.eventually import eventually
from clickstream_local.testing.fixtures import Topics
from clickstream_processor.control.assignment import TaskAssignment
from clickstream_processor.directory import Directory, Phase, Role, Routes
from clickstream_processor.processing.worker import Worker
from clickstream_processor.settings import settings_file
from clickstream_processor.stages.listed import stages_of
from clickstream_processor.stages.programs import compile_programs, plan_of
from clickstream_processor.state.memory import MemoryShares, StateMemory
from clickstream_processor.task_id import clicks_task
from clickstream_processor.topology import keys
from processor_support.runtime_rig import Rig, users
from processor_support.script import Script

NAMES = users(100)
TASK = clicks_task(0)
MEMORY = StateMemory(MemoryShares.of_limit(1 << 30))


class Pair:
    """Two pods of one pipeline with one partition."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.scripts = [Script(0), Script(1)]
        self.directories = [Directory(i, Routes(0, (None,), ((),), 0)) for i in (0, 1)]
        self.workers = [self._worker(i) for i in (0, 1)]
        for worker in self.workers:
            worker.start()

    def _worker(self, ordinal: int) -> Worker:
        environment = self.rig.environment(ordinal) | {"CLICKSTREAM_ASSIGNMENT": "control"}
        chosen = settings_file.load(environment)
        directory, script = self.directories[ordinal], self.scripts[ordinal]
        stages = stages_of(chosen, plan_of(chosen), compile_programs(chosen))
        return Worker(chosen, stages, directory, script, MEMORY)

    def write(self, generation: int, task: TaskAssignment) -> None:
        """Publish to both pods."""
        for script in self.scripts:
            script.write(generation, {TASK: task})

    def is_in(self, ordinal: int, role: Role, phase: Phase) -> bool:
        """Tell what a pod does with the task."""
        view = self.directories[ordinal].tasks.get(TASK)
        return view is not None and (view.role, view.phase) == (role, phase)

    def wait(self, ordinal: int, role: Role, phase: Phase = Phase.RUNNING) -> None:
        """Wait until a pod is in a role."""
        eventually(lambda: self.is_in(ordinal, role, phase), f"pod {ordinal} is a {phase} {role}")

    def wait_for_standby(self, ordinal: int) -> None:
        """Wait until a standby has read everything that is committed."""
        self.wait(ordinal, Role.STANDBY)
        now_ms = int(time.time() * 1_000)
        eventually(lambda: (self.directories[ordinal].tasks[TASK].as_of_ms or 0) >= now_ms, "caught up")

    def stop(self) -> None:
        """End both."""
        for worker in self.workers:
            worker.stop()
        for worker in self.workers:
            assert worker.ended.wait(120)
            assert worker.failed is None


@pytest.fixture
def pair(kafka: Kafka, topics: Topics, tmp_path: Path) -> Iterator[Pair]:
    rig = Rig(kafka, topics, tmp_path, partitions=1, pods=2)
    rig.send_profiles(NAMES)
    pair = Pair(rig)
    yield pair
    pair.stop()
    rig.stop()


def chunks(pair: Pair, ordinal: int) -> dict[bytes, bytes]:
    """Return the counts in a pod's store."""
    store = pair.directories[ordinal].tasks[TASK].store
    assert store is not None
    with store.reader() as database:
        entries = cast(dict[bytes, bytes], dict(database.items()))
    return {key: value for key, value in entries.items() if key.startswith(keys.CHUNK)}


def test_a_standby_holds_what_the_owner_committed(pair: Pair) -> None:
    pair.write(1, TaskAssignment(owner=0, epoch=1, standbys=(1,)))
    pair.rig.send_clicks(2_000, NAMES)
    pair.rig.wait_until_handled()
    pair.wait_for_standby(1)
    # The owner writes its store after the commit that the standby reads.
    eventually(lambda: chunks(pair, 0) == chunks(pair, 1) != {}, "both have the same")
    eventually(lambda: pair.directories[1].tasks[TASK].restore_records == 0, "nothing is left to read")


def test_a_standby_of_a_task_that_never_ran_becomes_its_owner(pair: Pair) -> None:
    pair.write(1, TaskAssignment(owner=None, epoch=0, standbys=(1,)))
    pair.wait(1, Role.STANDBY)
    pair.write(2, TaskAssignment(owner=1, epoch=2))
    pair.wait(1, Role.OWNER)
    pair.rig.send_clicks(100, NAMES)
    pair.rig.wait_until_handled()


def test_an_orderly_handover_releases_then_acquires_and_loses_nothing(pair: Pair) -> None:
    pair.write(1, TaskAssignment(owner=0, epoch=1, standbys=(1,)))
    pair.rig.send_clicks(2_000, NAMES)
    pair.wait_for_standby(1)
    old, new = pair.scripts
    new.waits_for = old
    after = {TASK: TaskAssignment(owner=1, epoch=2, fence=(0,), standbys=(0,), started=True)}
    new.write(2, after)  # the old owner goes on until it hears of it
    pair.rig.send_clicks(2_000, NAMES)
    eventually(lambda: new.waited, "the new owner waits for the release")
    pair.rig.wait_until_handled()
    assert new.acquisitions == []
    old.write(2, after)
    pair.rig.send_clicks(2_000, NAMES)
    pair.wait(1, Role.OWNER)
    pair.rig.wait_until_handled()
    assert pair.scripts[0].releases == [(TASK, 2)]
    assert pair.scripts[1].acquisitions == [(TASK, 2)]
    pair.wait_for_standby(0)
    eventually(lambda: chunks(pair, 0) == chunks(pair, 1), "both have the same")
    pair.rig.assert_exactly_once()


def test_an_owner_that_has_not_heard_of_its_successor_is_fenced_and_drops_the_task(pair: Pair) -> None:
    pair.write(1, TaskAssignment(owner=0, epoch=1, standbys=(1,)))
    pair.rig.send_clicks(1_000, NAMES)
    pair.wait(0, Role.OWNER)
    pair.wait_for_standby(1)
    after = {TASK: TaskAssignment(owner=1, epoch=2, fence=(0,), started=True)}
    pair.scripts[0].write(2, after, visible=False)
    pair.scripts[1].write(2, after)
    pair.rig.send_clicks(20_000, NAMES)
    eventually(lambda: pair.scripts[1].acquisitions == [(TASK, 2)], "the new owner has fenced the old one")
    pair.rig.send_clicks(1_000, NAMES)  # the old owner, if it was fast, has had nothing to commit since
    eventually(lambda: (TASK, 2) in pair.scripts[0].releases, "the old owner knows")
    pair.rig.wait_until_handled()
    eventually(lambda: pair.directories[0].tasks == {}, "the old owner shows none")
    pair.rig.assert_exactly_once()


def test_an_owner_that_missed_two_generations_takes_its_task_over_in_full(pair: Pair) -> None:
    pair.write(1, TaskAssignment(owner=0, epoch=1))
    pair.rig.send_clicks(1_000, NAMES)
    pair.wait(0, Role.OWNER)
    pair.rig.wait_until_handled()
    pair.write(3, TaskAssignment(owner=0, epoch=3, fence=(0, 1), started=True))
    eventually(lambda: pair.scripts[0].acquisitions == [(TASK, 1), (TASK, 3)], "acquired again")
    pair.rig.send_clicks(1_000, NAMES)
    pair.rig.wait_until_handled()
    pair.rig.assert_exactly_once()


def test_a_task_marked_started_without_a_position_is_refused(pair: Pair) -> None:
    pair.write(1, TaskAssignment(owner=0, epoch=1, started=True))
    pair.wait(0, Role.OWNER, Phase.STOPPED)
    assert "started before" in pair.directories[0].tasks[TASK].detail
    assert pair.scripts[0].acquisitions == []


def test_a_first_acquisition_is_acknowledged_only_after_its_position_is_committed(pair: Pair) -> None:
    def committed() -> None:
        """Look while the worker is held: it commits nothing meanwhile. Markers come after the answer."""
        eventually(lambda: len(pair.rig.committed(f"{pair.rig.id}-positions")) == 1, "its position")

    pair.scripts[0].before_acquired = committed
    pair.write(1, TaskAssignment(owner=0, epoch=1))
    eventually(lambda: pair.scripts[0].acquisitions, "acquired", timeout_s=240)


def test_a_withdrawn_task_is_dropped_wherever_it_was(pair: Pair) -> None:
    pair.write(1, TaskAssignment(owner=0, epoch=1, standbys=(1,)))
    pair.wait(0, Role.OWNER)
    pair.write(2, TaskAssignment(owner=None, epoch=2))
    eventually(lambda: pair.directories[0].tasks == {} == pair.directories[1].tasks, "dropped")
    assert pair.scripts[0].releases == [(TASK, 2)]
