"""The restores under way, by task: begun with a goal, left with an outcome."""

import logging
import time
from collections import deque

from clickstream_processor.errors import (
    OUTSIDE_THE_LOG,
    LayoutChanged,
    MalformedRecord,
    PositionLost,
    ProcessorError,
    StateCorrupted,
    StateTooNew,
    StateUnavailable,
)
from clickstream_processor.faults import Faults
from clickstream_processor.kafka.log_reader import LogReader
from clickstream_processor.restoring.positions import PositionLogs
from clickstream_processor.restoring.restores.outcomes import Outcome, Refused, Restored, Withdrawn
from clickstream_processor.restoring.restores.preparation import Preparation
from clickstream_processor.restoring.restores.restore import Goal, Restore
from clickstream_processor.restoring.skipped import tell_skipped
from clickstream_processor.restoring.stores import close_store, store_path, tell_damage
from clickstream_processor.settings.settings import Settings
from clickstream_processor.stages.stage import Stages
from clickstream_processor.state.memory import StateMemory
from clickstream_processor.state.store import TaskStore
from clickstream_processor.task_id import TaskId

log = logging.getLogger(__name__)

# What stops a task here and leaves its state alone.
STOPS = (PositionLost, StateTooNew, StateUnavailable, LayoutChanged, MalformedRecord)


class Restores:
    """Used by the restore thread only; the worker takes the outcomes."""

    def __init__(
        self,
        settings: Settings,
        stages: Stages,
        memory: StateMemory,
        faults: Faults,
        reader: LogReader,
        preparation: Preparation,
        positions: PositionLogs,
        tasks: dict[TaskId, Restore],
        outcomes: deque[Outcome],
    ) -> None:
        self._settings = settings
        self._stages = stages
        self._memory = memory
        self._faults = faults
        self._reader = reader
        self._preparation = preparation
        self._positions = positions
        self.tasks = tasks
        self._outcomes = outcomes

    def that_read(self, topic: str, partition: int) -> list[Restore]:
        """Return the restores that read a log: of the positions' several may."""
        shared = topic == self._settings.positions_topic
        return [
            task
            for task in self.tasks.values()
            if task.partition == partition and (shared or topic in (task.stage.changelog, task.stage.table))
        ]

    def begin(self, goal: Goal) -> None:
        """Begin with a goal; an owner's goal for a standby that is here promotes it."""
        held = self.tasks.get(goal.task)
        if held is not None:
            held.promote(goal)
            return
        stage = self._stages[goal.task.stage]
        limits, wait = self._preparation.limits(stage), stage.waits_for_snapshot
        task = Restore(goal, stage, limits, wait_for_snapshot=wait, faults=self._faults)
        self.tasks[goal.task] = task
        if goal.store is not None:
            try:
                task.opened(goal.store)
            except STOPS as error:
                self.refuse(task, error)

    def open(self, task: Restore) -> None:
        """1: open the store; one that is damaged is deleted, and opened the next time."""
        path = store_path(self._settings.pod.data_dir, task.id)
        try:
            task.opened(TaskStore.open(path, self._memory))
        except STOPS as error:
            self.refuse(task, error)
        except StateCorrupted as error:
            tell_damage(task.id, error)
            TaskStore.destroy(path)

    def reopen(self, task: Restore) -> None:
        """Delete the store and begin again with an empty one."""
        store = task.open_store
        close_store(store)
        TaskStore.destroy(store.path)
        task.opened(TaskStore.open(store.path, self._memory))

    def start_over(self, task: Restore) -> None:
        """Begin again with an empty store: the local state, or the log behind it, is not what it was."""
        self._forget(task)
        fresh = Restore(
            task.goal, task.stage, task.limits, wait_for_snapshot=task.wait_for_snapshot, faults=task.faults
        )
        fresh.store = task.store
        self.tasks[task.id] = fresh
        self.reopen(fresh)

    def finish(self, task: Restore) -> None:
        """6: check the input's log, close the restore and hand the store over. Raises PositionLost."""
        records, position = task.logs.input, task.position
        outside = position is not None and not records.low <= position.clicks <= records.high
        if outside and position is not None and task.stage.skips_lost_input:
            tell_skipped(task.id, position.clicks, records.low)
        elif outside and position is not None:
            raise PositionLost(
                f"position {position.clicks} is outside the log of {task.stage.input} "
                f"({records.low} to {records.high}). {OUTSIDE_THE_LOG}"
            )
        task.finish(time.time_ns() // 1_000_000)
        self._leave(task)
        took_s = time.monotonic() - task.begun_s
        start = records.low if position is None or outside else position.clicks
        profiles = max(task.profiles_next, task.open_store.checkpoint.profiles_offset)
        self._outcomes.append(Restored(task.goal, task.open_store, position, start, profiles, took_s))

    def give_back(self, goal: Goal) -> None:
        """Answer that the goal is withdrawn, unless its outcome is on its way already."""
        task = self.tasks.get(goal.task)
        if task is not None and task.goal.token == goal.token:
            self._leave(task)
            self._outcomes.append(Withdrawn(goal, task.store))

    def refuse(self, task: Restore, error: ProcessorError) -> None:
        """Answer that the task cannot be had, with why; its store is closed."""
        self._leave(task)
        log.error("task %s stops: %s", task.id, error)
        if task.store is not None:
            close_store(task.store)
        self._outcomes.append(Refused(task.goal, str(error), isinstance(error, StateUnavailable)))

    def _leave(self, task: Restore) -> None:
        del self.tasks[task.id]
        self._forget(task)

    def _forget(self, task: Restore) -> None:
        self._reader.forget(self._preparation.tail_keys(task.id))
        self._positions.leave(task.id)
