"""One task of this pod, and where it is in its life here.

| state | what happens | next |
|---|---|---|
| Restoring | the restorer has the goal, and the store | Running, Withdrawing, Stopped; a standby stays |
| Withdrawing | the restorer was asked for it back | nothing is held; Stopped |
| Running | the worker processes it | Suspended, Stopped, or nothing is held |
| Suspended | a transaction is in doubt: no producer yet | Restoring, Stopped |
| Stopped | the pod cannot run it, and says why | nothing is held: the assignment is compared again |

A task of which nothing is held is taken from the assignment: it begins in Restoring.
"""

from dataclasses import dataclass
from typing import TypeAlias

from clickstream_processor.processing.tasks.task import Task
from clickstream_processor.restoring.restores.restore import Goal
from clickstream_processor.state.store import TaskStore


@dataclass(frozen=True, slots=True)
class Restoring:
    """The restorer has the goal; an outcome or a promotion follows."""


@dataclass(frozen=True, slots=True)
class Withdrawing:
    """The restorer was asked for the goal back; its outcome is awaited."""


@dataclass(frozen=True, slots=True)
class Running:
    """The task runs."""

    task: Task


@dataclass(frozen=True, slots=True)
class Suspended:
    """Stopped where it was, between a failed transaction and its recovery (R4)."""

    store: TaskStore


@dataclass(frozen=True, slots=True)
class Stopped:
    """The task cannot run here. `detail` says why and what to do."""

    detail: str
    retry_s: float | None = None  # refused by the volume: monotonic time to try again


HoldingState: TypeAlias = Restoring | Withdrawing | Running | Suspended | Stopped


@dataclass(slots=True)
class Holding:
    """What this pod has of a task. The goal names the role and epoch; its `store` is never set here."""

    goal: Goal
    state: HoldingState = Restoring()  # frozen
