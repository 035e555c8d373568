"""The stores of tasks on the volume: where each is, and how one is closed or deleted."""

import logging
from pathlib import Path

from clickstream_processor import metrics
from clickstream_processor.errors import StateCorrupted, StateUnavailable
from clickstream_processor.state.store import TaskStore
from clickstream_processor.task_id import TaskId

log = logging.getLogger(__name__)


def store_path(data_dir: Path, task: TaskId) -> Path:
    """Return the directory of a task's database."""
    return data_dir / "tasks" / str(task)


def close_store(store: TaskStore) -> None:
    """Close; a volume that refuses even that must not keep the process from what comes next."""
    try:
        store.close()
    except (StateUnavailable, StateCorrupted) as error:
        log.warning("closing %s: %s", store.path.name, error)


def discard_store(store: TaskStore, *, destroy: bool) -> None:
    """Close, and delete if asked to."""
    close_store(store)
    if destroy:
        TaskStore.destroy(store.path)


def tell_damage(task: TaskId, error: StateCorrupted) -> None:
    """Count and name a local state that is about to be rebuilt."""
    metrics.STATES_DAMAGED.inc()
    log.warning("task %s: the local state is damaged, rebuilding it: %s", task, error)
