"""The rules of docs/reference/protocol.md that a pod applies to what it reads, without Kafka."""

from pathlib import Path

import pytest
from clickstream_processor.control.assignment import TaskAssignment
from clickstream_processor.control.instance import Instance
from clickstream_processor.control.ordinal_claim import SILENCE_S, ClaimStep, OrdinalClaim
from clickstream_processor.control.records import Ack, Claim, Heartbeat, TaskRecord, encode
from clickstream_processor.control.view import ALIVE_S, RELEASE_WAIT_S, ControlView, PodProcess
from clickstream_processor.errors import MalformedRecord, TwinDetected
from clickstream_processor.task_id import TaskId, clicks_task

ME, OTHER = 1, 0


def claim(term: int) -> tuple[bytes, bytes]:
    return b"claim", encode(Claim(1, term, "controller", 0))


def owned(
    partition: int, term: int, generation: int, owner: int, fence: tuple[int, ...] = ()
) -> tuple[bytes, bytes]:
    record = TaskRecord(1, term, generation, generation, owner, fence, (), True)
    return f"task/clicks-{partition}".encode(), encode(record)


def heartbeat(
    ordinal: int, instance: str, incarnation: int, at_ms: int = 0, ended: bool = False
) -> tuple[bytes, bytes]:
    beat = Heartbeat(1, ordinal, instance, incarnation, at_ms, 1, 1, 0, ended, {})
    return f"pod/{ordinal}".encode(), encode(beat)


def released(partition: int, epoch: int, ordinal: int, instance: str) -> tuple[bytes, bytes]:
    return f"task/clicks-{partition}".encode(), encode(Ack(1, "released", epoch, ordinal, instance, 0))


def view_of(*acks: tuple[bytes, bytes], heard_s: float = 100.0) -> ControlView:
    view = ControlView()
    for key, value in acks:
        view.apply_ack(key, value, heard_s)
    return view


class TestAssignment:
    def test_nobody_owns_anything_before_a_controller_has_claimed_the_topic(self) -> None:
        assert ControlView().assignment(0) is None

    def test_the_last_record_of_a_task_counts_and_generations_may_be_missed(self) -> None:
        view = ControlView()
        for record in (claim(1), owned(3, 1, 5, owner=0), owned(3, 1, 9, owner=1, fence=(0,))):
            view.apply_assignment(*record)
        assignment = view.assignment(77)
        assert assignment is not None
        assert (assignment.generation, assignment.term, assignment.as_of_ms) == (9, 1, 77)
        assert assignment.tasks[clicks_task(3)] == TaskAssignment(1, 9, (0,), (), True)

    def test_tasks_of_every_stage_of_the_pod_are_taken_in_and_those_of_others_are_malformed(self) -> None:
        key, value = owned(3, 1, 5, owner=0)
        view = ControlView(stages={"clicks", "metrics"})
        for name in (b"clicks", b"metrics"):
            view.apply_assignment(key.replace(b"clicks", name), value)
        assert set(view.tasks) == {clicks_task(3), TaskId("metrics", 3)}
        view.apply_assignment(key, None)
        assert set(view.tasks) == {TaskId("metrics", 3)}
        with pytest.raises(MalformedRecord, match="of no stage"):
            view.apply_assignment(key.replace(b"clicks", b"other"), value)

    def test_a_release_is_of_one_task_and_not_of_its_partition(self) -> None:
        view = ControlView(stages={"clicks", "metrics"})
        view.apply_ack(*heartbeat(OTHER, "a", 1), 100.0)
        view.apply_ack(*released(3, 9, OTHER, "a"), 100.0)
        given = TaskAssignment(ME, 9, fence=(OTHER,))
        assert view.to_fence(ME, clicks_task(3), given, 0.0, 100.0) == ()
        assert view.to_fence(ME, TaskId("metrics", 3), given, 0.0, 100.0) is None

    def test_a_record_of_a_stale_controller_is_ignored(self) -> None:
        view = ControlView()
        for record in (claim(2), owned(3, 2, 9, owner=1), owned(3, 1, 10, owner=0)):
            view.apply_assignment(*record)
        assert view.tasks[clicks_task(3)].owner == 1

    def test_a_given_out_assignment_never_changes_under_its_reader(self) -> None:
        view = ControlView()
        view.apply_assignment(*owned(3, 1, 5, owner=0))
        given = view.assignment(0)
        view.apply_assignment(*owned(3, 1, 6, owner=1))
        assert given is not None
        assert given.tasks[clicks_task(3)].owner == 0

    def test_a_task_of_an_unknown_stage_is_malformed(self) -> None:
        key, value = owned(3, 1, 5, owner=0)
        with pytest.raises(MalformedRecord):
            ControlView().apply_assignment(key.replace(b"clicks", b"other"), value)


class TestFencing:
    TASK = TaskAssignment(owner=ME, epoch=41, fence=(OTHER,), started=True)

    def whom(self, view: ControlView, waited_s: float = 0.0, now_s: float = 100.0) -> tuple[int, ...] | None:
        return view.to_fence(ME, clicks_task(3), self.TASK, waited_s, now_s)

    def test_a_pod_never_heard_of_is_fenced_at_once(self) -> None:
        assert self.whom(view_of()) == (OTHER,)

    def test_a_silent_pod_is_fenced_at_once(self) -> None:
        assert self.whom(view_of(heartbeat(OTHER, "a", 1)), now_s=100 + ALIVE_S) == (OTHER,)

    def test_a_pod_that_ended_in_order_is_fenced_at_once(self) -> None:
        assert self.whom(view_of(heartbeat(OTHER, "a", 1, ended=True))) == (OTHER,)

    def test_a_living_pod_is_waited_for_and_fenced_after_three_seconds(self) -> None:
        view = view_of(heartbeat(OTHER, "a", 1))
        assert self.whom(view) is None
        assert self.whom(view, waited_s=RELEASE_WAIT_S) == (OTHER,)

    def test_a_pod_that_has_released_in_this_epoch_is_not_fenced(self) -> None:
        assert self.whom(view_of(heartbeat(OTHER, "a", 1), released(3, 41, OTHER, "a"))) == ()

    @pytest.mark.parametrize("epoch", [40, 42], ids=["earlier", "later"])
    def test_a_release_of_another_epoch_does_not_count(self, epoch: int) -> None:
        view = view_of(heartbeat(OTHER, "a", 1), released(3, epoch, OTHER, "a"))
        assert self.whom(view, waited_s=RELEASE_WAIT_S) == (OTHER,)

    def test_a_zombies_release_does_not_speak_for_the_process_that_replaced_it(self) -> None:
        view = view_of(heartbeat(OTHER, "old", 1), heartbeat(OTHER, "new", 2), released(3, 41, OTHER, "old"))
        assert self.whom(view, waited_s=RELEASE_WAIT_S) == (OTHER,)

    def test_a_pod_does_not_fence_itself(self) -> None:
        task = TaskAssignment(owner=ME, epoch=43, fence=(ME,), started=True)
        assert view_of().to_fence(ME, clicks_task(3), task, 0.0, 100.0) == ()


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    return Instance(tmp_path)


def pod(instance: str, incarnation: int, at_ms: int = 0, ended: bool = False) -> PodProcess:
    return PodProcess(Heartbeat(1, ME, instance, incarnation, at_ms, 1, 1, 0, ended, {}), heard_s=0.0)


def after_reading(instance: Instance) -> OrdinalClaim:
    claiming = OrdinalClaim(ME, instance)
    assert claiming.next_step(0.0, None) is ClaimStep.READ_TO_END
    claiming.end_reached()
    return claiming


class TestOrdinal:
    def test_the_first_process_of_an_ordinal_claims_at_once(self, instance: Instance) -> None:
        claiming = after_reading(instance)
        assert claiming.next_step(0.1, None) is ClaimStep.SEND
        assert claiming.incarnation == 1
        assert claiming.next_step(0.2, pod(instance.id, 1)) is ClaimStep.DONE

    def test_a_restart_on_the_same_volume_does_not_wait_for_its_own_last_heartbeat_to_grow_old(
        self, tmp_path: Path
    ) -> None:
        crashed = Instance(tmp_path)
        crashed.close()  # the kernel does it for a process that is killed
        claiming = after_reading(Instance(tmp_path))
        assert claiming.next_step(0.1, pod(crashed.id, 7)) is ClaimStep.SEND
        assert claiming.incarnation == 8

    def test_an_orderly_end_is_not_waited_for(self, instance: Instance) -> None:
        assert after_reading(instance).next_step(0.1, pod("elsewhere", 7, ended=True)) is ClaimStep.SEND

    def test_a_process_with_another_volume_waits_for_silence_and_reads_again(
        self, instance: Instance
    ) -> None:
        claiming, other = after_reading(instance), pod("elsewhere", 7, at_ms=5)
        assert claiming.next_step(0.1, other) is ClaimStep.WAIT
        assert claiming.next_step(0.1 + SILENCE_S, other) is ClaimStep.READ_TO_END
        claiming.end_reached()
        assert claiming.next_step(0.2 + SILENCE_S, other) is ClaimStep.SEND
        assert claiming.incarnation == 8

    def test_a_process_that_finds_a_living_one_ends(self, instance: Instance) -> None:
        claiming = after_reading(instance)
        claiming.next_step(0.1, pod("elsewhere", 7, at_ms=5))
        with pytest.raises(TwinDetected, match=r"runs as pod 1 .*elsewhere"):
            claiming.next_step(1.1, pod("elsewhere", 7, at_ms=1005))

    def test_a_zombie_that_wakes_up_after_its_replacement_ends(self, instance: Instance) -> None:
        claiming = after_reading(instance)
        claiming.next_step(0.1, None)
        claiming.next_step(0.2, pod(instance.id, 1))
        with pytest.raises(TwinDetected, match="was started as pod 1"):
            claiming.check(pod("replacement", 2))

    def test_the_replacement_is_not_disturbed_by_the_zombies_late_heartbeat(self, instance: Instance) -> None:
        view = view_of(
            heartbeat(ME, "zombie", 1), heartbeat(ME, instance.id, 2), heartbeat(ME, "zombie", 1, 9)
        )
        assert view.pods[ME].heartbeat.instance == instance.id

    def test_of_two_that_start_at_once_the_first_in_the_topic_stays(self) -> None:
        view = view_of(heartbeat(ME, "first", 2), heartbeat(ME, "second", 2))
        assert view.pods[ME].heartbeat.instance == "first"

    def test_two_processes_cannot_share_a_data_directory(self, tmp_path: Path) -> None:
        first = Instance(tmp_path)
        with pytest.raises(TwinDetected, match="uses the data directory"):
            Instance(tmp_path)
        first.close()
