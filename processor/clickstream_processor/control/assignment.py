"""Which task belongs to which pod: the value the worker reconciles to, and where it comes from.

The worker is level-triggered: it takes the newest `AssignmentTable`, compares it with what it holds, and may
miss any number of generations in between (R1 of docs/reference/protocol.md). Two sources give the value:
`StaticAssignment` here, and the control topic (thread.py).
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

from clickstream_processor.directory import Routes
from clickstream_processor.task_id import ALWAYS, CLICKS, TaskId


@dataclass(frozen=True, slots=True)
class TaskAssignment:
    """Who has one task."""

    owner: int | None  # pod ordinal; None in the gap of a hand-over
    epoch: int = 1  # the generation in which the owner last changed
    fence: tuple[int, ...] = ()  # ordinals to fence before the owner starts (R2)
    standbys: tuple[int, ...] = ()
    started: bool = False  # acquired once: a position must exist (R13)


@dataclass(frozen=True, slots=True)
class AssignmentTable:
    """All tasks of the pipeline in one generation. A task without an entry belongs to nobody."""

    generation: int
    term: int
    tasks: MappingProxyType[TaskId, TaskAssignment]
    as_of_ms: int | None = field(
        default=None, compare=False
    )  # wall clock at which this was known to be the newest

    def routes(self, partitions: int, stage: str = CLICKS) -> Routes:
        """Return what the query side needs to find the owner of a stage's partition."""
        nobody = TaskAssignment(owner=None)
        tasks = [self.tasks.get(TaskId(stage, partition), nobody) for partition in range(partitions)]
        return Routes(
            generation=self.generation,
            owners=tuple(task.owner for task in tasks),
            standbys=tuple(task.standbys for task in tasks),
            as_of_ms=self.as_of_ms,
        )


class AssignmentSource(Protocol):
    """Where the assignment comes from and the pod's answers go. Called by the worker thread only.

    No method but `refresh` blocks. All may raise TwinDetected: the process then exits.
    """

    def poll(self) -> AssignmentTable | None:
        """Return the newest assignment known, None as long as none is."""

    def refresh(self, timeout_s: float) -> AssignmentTable | None:
        """Read the source to its end as of now, then return the newest assignment (R3).

        Called after each initialisation of the pod's producer, before it processes. Raises TimeoutError.
        """

    def to_fence(self, task: TaskId, given: TaskAssignment, waited_s: float) -> tuple[int, ...] | None:
        """Return whom a new owner must fence before it restores, or None to wait and ask again (R8).

        A pod of `given.fence` that has released the task in this epoch needs no fencing; one that gives
        heartbeats has 3 s to release (`waited_s`: since the worker first asked); any other is fenced now.
        """

    def holds(self, task: TaskId) -> None:
        """Note that transactions may touch the task from here on: no release may be sent until `released`."""

    def acquired(self, task: TaskId, epoch: int) -> None:
        """Say that this pod has fenced, restored and starts the task now; the fence list may be cleared."""

    def released(self, task: TaskId, epoch: int) -> None:
        """Say that this pod has committed and dropped the task it owned (R8).

        `epoch` is that of the newer record which took the task away, not that of the ownership: the new owner
        looks for a release in the epoch it takes over in. (A pod on the fence list of a task it does not hold
        releases it as well; the source does that by itself, from `Directory.tasks`.)
        """

    def close(self) -> None:
        """Say that this pod ends in order, and close. Called once, after the last commit."""


class StaticAssignment:
    """Task p of each stage belongs to pod p mod pods, forever; no standbys, nobody to fence or to answer.

    Two processes with one ordinal fence each other's producer: nothing is lost or doubled, but neither
    gets far. The controller's heartbeats would detect it; here the operator of the process must.
    """

    def __init__(self, pods: int, partitions: int, stages: Iterable[str] = ALWAYS) -> None:
        tasks = [TaskId(stage, partition) for stage in stages for partition in range(partitions)]
        self._tasks = MappingProxyType({task: TaskAssignment(owner=task.partition % pods) for task in tasks})

    def poll(self) -> AssignmentTable:
        """Return the assignment; it never ages."""
        return AssignmentTable(generation=1, term=0, tasks=self._tasks, as_of_ms=time.time_ns() // 1_000_000)

    def refresh(self, timeout_s: float) -> AssignmentTable:  # noqa: ARG002
        """Return the assignment: nothing to read."""
        return self.poll()

    def to_fence(self, task: TaskId, given: TaskAssignment, waited_s: float) -> tuple[int, ...]:  # noqa: ARG002
        """Return the fence list, which is empty: nobody else ever owned the task."""
        return given.fence

    def holds(self, task: TaskId) -> None:
        """Nobody waits for a release."""

    def acquired(self, task: TaskId, epoch: int) -> None:
        """Nobody listens."""

    def released(self, task: TaskId, epoch: int) -> None:
        """Nobody listens."""

    def close(self) -> None:
        """Nothing to close."""
