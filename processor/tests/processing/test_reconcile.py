"""Which steps lead from what a pod holds to what it shall hold (R1)."""

import pytest
from clickstream_processor.control.assignment import StaticAssignment, TaskAssignment
from clickstream_processor.directory import Role
from clickstream_processor.processing.tasks.reconcile import Held, Transition, transitions
from clickstream_processor.task_id import TaskId, clicks_task

TASK = clicks_task(3)
OWNED, STANDBY = Held(Role.OWNER, 5), Held(Role.STANDBY, 5)


def step(task: TaskAssignment | None, held: Held | None) -> Transition | None:
    desired = {} if task is None else {TASK: task}
    return transitions(1, desired, {} if held is None else {TASK: held}).get(TASK)


WANTED = {
    "mine": TaskAssignment(1, epoch=5, standbys=(2,)),
    "mine in a later epoch": TaskAssignment(1, epoch=7),
    "mine to follow": TaskAssignment(0, epoch=9, standbys=(1,)),
    "another's": TaskAssignment(0, epoch=5),
    "nobody's": TaskAssignment(None, epoch=6),
    "not assigned": None,
}
HELD = {"owned": OWNED, "a standby": STANDBY, "not held": None}
STEPS = {
    ("mine", "owned"): None,
    ("mine", "a standby"): Transition.PROMOTE,
    ("mine", "not held"): Transition.TAKE,
    ("mine in a later epoch", "owned"): Transition.RETAKE,  # it takes the task over in full
    ("mine in a later epoch", "a standby"): Transition.PROMOTE,
    ("mine in a later epoch", "not held"): Transition.TAKE,
    ("mine to follow", "owned"): Transition.DEMOTE,
    ("mine to follow", "a standby"): None,
    ("mine to follow", "not held"): Transition.FOLLOW,
    ("another's", "owned"): Transition.DROP,
    ("another's", "a standby"): Transition.DROP,
    ("another's", "not held"): None,
    ("nobody's", "owned"): Transition.DROP,
    ("nobody's", "a standby"): Transition.DROP,
    ("nobody's", "not held"): None,
    ("not assigned", "owned"): Transition.DROP,
    ("not assigned", "a standby"): Transition.DROP,
    ("not assigned", "not held"): None,
}


@pytest.mark.parametrize("held", HELD)
@pytest.mark.parametrize("wanted", WANTED)
def test_each_pair_of_held_and_wanted_has_its_step(wanted: str, held: str) -> None:
    assert step(WANTED[wanted], HELD[held]) is STEPS[wanted, held]


def test_a_static_assignment_gives_each_partition_to_one_pod() -> None:
    assignment = StaticAssignment(3, 8).poll()
    assert [assignment.tasks[clicks_task(p)].owner for p in range(8)] == [0, 1, 2, 0, 1, 2, 0, 1]
    of_two = StaticAssignment(3, 8, ["clicks", "metrics"]).poll()
    assert of_two.tasks[TaskId("metrics", 5)] == of_two.tasks[clicks_task(5)]
    assert of_two.routes(8, "metrics") == of_two.routes(8)
    assert assignment.routes(8, "metrics").owners == (None,) * 8
    assert assignment.routes(8).owners == (0, 1, 2, 0, 1, 2, 0, 1)
