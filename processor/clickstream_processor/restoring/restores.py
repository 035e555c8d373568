"""The restores under way, by partition: begun with a goal, left with an outcome."""

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
from clickstream_processor.restoring.outcomes import Outcome, Refused, Restored, Withdrawn
from clickstream_processor.restoring.preparation import Preparation
from clickstream_processor.restoring.restore import Goal, Restore
from clickstream_processor.restoring.stores import close_store, store_path, tell_damage
from clickstream_processor.settings import Settings
from clickstream_processor.state.memory import StateMemory
from clickstream_processor.state.store import TaskStore
from clickstream_processor.topology.plan import Plan

log = logging.getLogger(__name__)

# What stops a task here and leaves its state alone.
STOPS = (PositionLost, StateTooNew, StateUnavailable, LayoutChanged, MalformedRecord)


class Restores:
    """Used by the restore thread only; the worker takes the outcomes."""

    def __init__(
        self,
        settings: Settings,
        plan: Plan,
        memory: StateMemory,
        faults: Faults,
        reader: LogReader,
        preparation: Preparation,
        tasks: dict[int, Restore],
        outcomes: deque[Outcome],
    ) -> None:
        self._settings = settings
        self._plan = plan
        self._memory = memory
        self._faults = faults
        self._reader = reader
        self._preparation = preparation
        self.tasks = tasks
        self._outcomes = outcomes

    def begin(self, goal: Goal) -> None:
        """Begin with a goal; an owner's goal for a standby that is here promotes it."""
        held = self.tasks.get(goal.partition)
        if held is not None:
            held.promote(goal)
            return
        wait = self._settings.processing.join.wait_for_snapshot
        task = Restore(
            goal, self._plan, self._preparation.limits(), wait_for_snapshot=wait, faults=self._faults
        )
        self.tasks[goal.partition] = task
        if goal.store is not None:
            try:
                task.opened(goal.store)
            except STOPS as error:
                self.refuse(task, error)

    def open(self, task: Restore) -> None:
        """1: open the store; one that is damaged is deleted, and opened the next time."""
        path = store_path(self._settings.pod.data_dir, task.partition)
        try:
            task.opened(TaskStore.open(path, self._memory))
        except STOPS as error:
            self.refuse(task, error)
        except StateCorrupted as error:
            tell_damage(task.partition, error)
            TaskStore.destroy(path)

    def reopen(self, task: Restore) -> None:
        """Delete the store and begin again with an empty one."""
        store = task.open_store
        close_store(store)
        TaskStore.destroy(store.path)
        task.opened(TaskStore.open(store.path, self._memory))

    def start_over(self, task: Restore) -> None:
        """Begin again with an empty store: the local state, or the log behind it, is not what it was."""
        self._reader.forget(self._preparation.task_keys(task.partition))
        fresh = Restore(
            task.goal, self._plan, task.limits, wait_for_snapshot=task.wait_for_snapshot, faults=task.faults
        )
        fresh.store = task.store
        self.tasks[task.partition] = fresh
        self.reopen(fresh)

    def finish(self, task: Restore) -> None:
        """6: check the clicks' log, close the restore and hand the store over. Raises PositionLost."""
        clicks, position = task.logs.clicks, task.position
        if position is not None and not clicks.low <= position.clicks <= clicks.high:
            raise PositionLost(
                f"position {position.clicks} is outside the log of {self._settings.topics.clicks} "
                f"({clicks.low} to {clicks.high}). {OUTSIDE_THE_LOG}"
            )
        task.finish(time.time_ns() // 1_000_000)
        self._leave(task)
        took_s = time.monotonic() - task.begun_s
        start = clicks.low if position is None else position.clicks
        profiles = max(task.profiles_next, task.open_store.checkpoint.profiles_offset)
        self._outcomes.append(Restored(task.goal, task.open_store, position, start, profiles, took_s))

    def give_back(self, goal: Goal) -> None:
        """Answer that the goal is withdrawn, unless its outcome is on its way already."""
        task = self.tasks.get(goal.partition)
        if task is not None and task.goal.token == goal.token:
            self._leave(task)
            self._outcomes.append(Withdrawn(goal, task.store))

    def refuse(self, task: Restore, error: ProcessorError) -> None:
        """Answer that the task cannot be had, with why; its store is closed."""
        self._leave(task)
        log.error("task clicks-%d stops: %s", task.partition, error)
        if task.store is not None:
            close_store(task.store)
        self._outcomes.append(Refused(task.goal, str(error), isinstance(error, StateUnavailable)))

    def _leave(self, task: Restore) -> None:
        del self.tasks[task.partition]
        self._reader.forget(self._preparation.task_keys(task.partition))
