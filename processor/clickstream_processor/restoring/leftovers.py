"""Local states of tasks that are not this pod's any more: kept for a while, as tasks come back."""

from collections.abc import Collection
from pathlib import Path

from clickstream_processor.state.store import TaskStore
from clickstream_processor.task_id import TaskId

KEEP_S = 600.0  # as Kafka Streams does (state.cleanup.delay.ms)


class Leftovers:
    """Remembers since when each state is unused. The caller makes sure that a state to delete is closed."""

    def __init__(self, tasks_dir: Path) -> None:
        self._dir = tasks_dir
        self._unused_s: dict[TaskId, float] = {}

    def due(self, held: Collection[TaskId], now_s: float) -> list[TaskId]:
        """Return the tasks whose state has been unused for long enough."""
        found = {task for path in self._dir.glob("*") if (task := _task_of(path))}
        self._unused_s = {task: self._unused_s.get(task, now_s) for task in found.difference(held)}
        return [task for task, since_s in self._unused_s.items() if now_s - since_s >= KEEP_S]

    def delete(self, task: TaskId) -> None:
        """Delete one state."""
        TaskStore.destroy(self._dir / str(task))


def _task_of(path: Path) -> TaskId | None:
    try:
        return TaskId.parse(path.name)
    except ValueError:
        return None  # somebody else's
