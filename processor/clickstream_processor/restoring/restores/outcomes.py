"""What the restorer answers to a goal, and what it shows of tasks on their way."""

from dataclasses import dataclass
from typing import TypeAlias

from clickstream_processor.backlog import LastCommit
from clickstream_processor.directory import Phase, TaskView
from clickstream_processor.restoring.restores.restore import Goal, Restore
from clickstream_processor.state.checkpoint import Position
from clickstream_processor.state.store import TaskStore


@dataclass(frozen=True, slots=True)
class Restored:
    """An owner's state is complete; the worker may start the task."""

    goal: Goal
    store: TaskStore
    position: Position | None  # None: the task was never started
    records_from: int
    profiles_from: int
    took_s: float


@dataclass(frozen=True, slots=True)
class Refused:
    """The task cannot be had; its store is closed. `detail` says why and what to do."""

    goal: Goal
    detail: str
    retry: bool = False  # the volume may serve it again later


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """The goal was taken back; the store, if open, is the worker's again."""

    goal: Goal
    store: TaskStore | None


Outcome: TypeAlias = Restored | Refused | Withdrawn


@dataclass(frozen=True, slots=True)
class Progress:
    """What the directory shows of a task that is here."""

    token: int
    phase: Phase
    store: TaskStore | None
    as_of_ms: int | None
    restore_records: int  # still to read
    committed: LastCommit | None
    stream_ms: int

    def view(self, goal: Goal) -> TaskView:
        """Return what the directory shows of a task that is wanted here, and does not run yet.

        A standby that is to be the owner runs as a standby until the restorer has the goal: shown as a
        running owner, its state would pass for the newest.
        """
        return TaskView(
            goal.task,
            goal.role,
            self.phase if self.token == goal.token else Phase.RESTORING,
            goal.epoch,
            self.store,
            self.as_of_ms,
            committed=self.committed,
            restore_records=self.restore_records,
            stream_ms=self.stream_ms,
        )


def progress_of(task: Restore) -> Progress:
    """Return what the directory shows of a task."""
    complete_once = task.store is not None and task.store.checkpoint.position is not None
    readable = task.tailing or (complete_once and not task.profiles_lack)
    return Progress(
        token=task.goal.token,
        phase=task.phase,
        store=task.store if readable else None,
        as_of_ms=task.known_as_of_ms,
        restore_records=task.lag_records,
        committed=None if task.position is None else LastCommit(task.position.clicks, task.position.at_ms),
        stream_ms=-1 if task.position is None else task.position.stream_ms,
    )
