"""Which of a pod's states may be read, how old they are, and what a reader does about a damaged one.

Only a running owner with a fresh view of control topic and brokers reads a current state. Every other state
(a standby's, that of a task that restores, of an owner cut off from Kafka) is of a moment in the past.
"""

import logging

from clickstream_processor.directory import Directory, Phase, Role, TaskView
from clickstream_processor.errors import ProcessorError, StateCorrupted
from clickstream_processor.state.store import TaskStore
from clickstream_processor.task_id import TaskId

log = logging.getLogger(__name__)


def is_running_owner(view: TaskView | None) -> bool:
    """Tell whether a pod owns a task and runs it."""
    return view is not None and view.role is Role.OWNER and view.phase is Phase.RUNNING


def stale_ms(directory: Directory, view: TaskView, now_ms: int, fresh_ms: int) -> int | None:
    """Return how old a task's state is, ms; 0: current; None: nobody knows, so it must not be read."""
    routes_ms, brokers_ms = directory.routes.as_of_ms, directory.brokers_seen_ms
    # An owner that has heard from neither has just started: its state has a time of its own.
    if is_running_owner(view) and routes_ms is not None and brokers_ms is not None:
        age_ms = now_ms - min(routes_ms, brokers_ms)
        return age_ms if age_ms > fresh_ms else 0
    return None if view.as_of_ms is None else max(now_ms - view.as_of_ms, 1)


def note(error: ProcessorError, task: TaskId, store: TaskStore) -> None:
    """Tell whoever holds the task: its own reads may never meet what a query has met."""
    if store.damage is not None:
        return  # it is told, and the state is about to be rebuilt
    if isinstance(error, StateCorrupted):
        store.damage = error
    log.error("task %s cannot be read: %s", task, error)
