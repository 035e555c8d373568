"""Which steps lead from what a pod holds to what it shall hold (R1)."""

from clickstream_processor.directory import Role
from clickstream_processor.runtime.assignment import StaticAssignment, TaskAssignment
from clickstream_processor.runtime.reconcile import Change, Held, changes

OWNED, STANDBY = Held(Role.OWNER, 5), Held(Role.STANDBY, 5)


def step(task: TaskAssignment | None, held: Held | None) -> Change | None:
    desired = {} if task is None else {3: task}
    return changes(1, desired, {} if held is None else {3: held}).get(3)


def test_each_pair_of_held_and_wanted_has_its_step() -> None:
    mine, follows = TaskAssignment(1, epoch=5), TaskAssignment(0, epoch=5, standbys=(1,))
    other, nobody = TaskAssignment(0, epoch=5), TaskAssignment(None, epoch=6)
    assert step(mine, None) is Change.TAKE
    assert step(follows, None) is Change.FOLLOW
    assert step(mine, STANDBY) is Change.PROMOTE
    assert step(follows, OWNED) is Change.DEMOTE
    for gone in (other, nobody, None):
        assert step(gone, OWNED) is Change.DROP
        assert step(gone, STANDBY) is Change.DROP
        assert step(gone, None) is None


def test_what_is_as_it_should_be_stays() -> None:
    assert step(TaskAssignment(1, epoch=5, standbys=(2,)), OWNED) is None
    assert step(TaskAssignment(0, epoch=9, standbys=(1,)), STANDBY) is None


def test_the_same_owner_in_another_epoch_takes_the_task_over_in_full() -> None:
    assert step(TaskAssignment(1, epoch=7), OWNED) is Change.RETAKE


def test_a_static_assignment_gives_each_partition_to_one_pod() -> None:
    assignment = StaticAssignment(3, 8).poll()
    assert [assignment.tasks[p].owner for p in range(8)] == [0, 1, 2, 0, 1, 2, 0, 1]
    assert assignment.routes(8).owners == (0, 1, 2, 0, 1, 2, 0, 1)
