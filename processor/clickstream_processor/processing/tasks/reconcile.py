"""What must change between the tasks a pod holds and those the assignment gives it. Pure (R1)."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from clickstream_processor.control.assignment import TaskAssignment
from clickstream_processor.directory import Role
from clickstream_processor.task_id import TaskId


class Transition(StrEnum):
    """One step for one task."""

    TAKE = "take"  # nothing is held: restore as owner
    FOLLOW = "follow"  # nothing is held: restore as standby
    PROMOTE = "promote"  # a standby becomes the owner
    DEMOTE = "demote"  # the owner becomes a standby
    RETAKE = "retake"  # owned in another epoch: drop it and take it over in full
    DROP = "drop"  # not given to this pod any more


@dataclass(frozen=True, slots=True)
class Held:
    """What a pod holds of a task, as far as the comparison goes."""

    role: Role
    epoch: int


def transitions(
    ordinal: int,
    desired: Mapping[TaskId, TaskAssignment],
    held: Mapping[TaskId, Held],
    *,
    ignore_epochs: bool = False,
) -> dict[TaskId, Transition]:
    """Return the steps by task; a task that is as it should be is left out.

    `ignore_epochs` switches R1 off, for the fault suite.
    """
    steps: dict[TaskId, Transition] = {}
    for task in sorted(held.keys() | desired.keys()):
        role = role_of(ordinal, desired.get(task))
        step = _step(role, desired.get(task), held.get(task), ignore_epochs)
        if step is not None:
            steps[task] = step
    return steps


def role_of(ordinal: int, task: TaskAssignment | None) -> Role | None:
    """Return what the assignment makes a pod of a task."""
    if task is None:
        return None
    if task.owner == ordinal:
        return Role.OWNER
    return Role.STANDBY if ordinal in task.standbys else None


def _step(
    role: Role | None, task: TaskAssignment | None, held: Held | None, ignore_epochs: bool
) -> Transition | None:
    if role is None or task is None:
        return None if held is None else Transition.DROP
    if held is None:
        return Transition.TAKE if role is Role.OWNER else Transition.FOLLOW
    if role is not held.role:
        return Transition.PROMOTE if role is Role.OWNER else Transition.DEMOTE
    if role is Role.OWNER and held.epoch != task.epoch and not ignore_epochs:
        return Transition.RETAKE
    return None
