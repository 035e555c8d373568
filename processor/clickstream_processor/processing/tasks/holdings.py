"""The tasks this pod holds, and the steps that make them those the assignment gives it (R1, R2, R8).

Each change goes through a state that is safe to stop in (holding.py): what is given up is committed before
and released after.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from clickstream_processor import metrics
from clickstream_processor.control.assignment import AssignmentSource, AssignmentTable, TaskAssignment
from clickstream_processor.directory import Role
from clickstream_processor.errors import StateCorrupted, TaskBroken
from clickstream_processor.faults import Faults
from clickstream_processor.processing.tasks.holding import (
    Holding,
    Running,
    Stopped,
    Suspended,
    Withdrawing,
)
from clickstream_processor.processing.tasks.reconcile import Held, Transition, role_of, transitions
from clickstream_processor.processing.tasks.running import RunningTasks
from clickstream_processor.processing.tasks.task import Task
from clickstream_processor.restoring.restores.outcomes import Refused, Restored
from clickstream_processor.restoring.restores.restore import Goal
from clickstream_processor.restoring.stores import close_store
from clickstream_processor.restoring.thread import RestoreThread
from clickstream_processor.state.store import TaskStore
from clickstream_processor.task_id import TaskId

log = logging.getLogger(__name__)

VOLUME_RETRY_S = 30.0  # a full volume may have room again


class Holdings:
    """What is held. Used by the worker's thread only."""

    def __init__(
        self,
        ordinal: int,
        source: AssignmentSource,
        restorer: RestoreThread,
        running: RunningTasks,
        faults: Faults,
    ) -> None:
        self._ordinal = ordinal
        self._source, self._restorer, self._running, self._faults = source, restorer, running, faults
        self._held: dict[TaskId, Holding] = {}
        self._open_stores: dict[TaskId, TaskStore] = {}  # open stores of tasks on their way to another role
        self._asked_s: dict[tuple[TaskId, int], float] = {}  # (task, epoch) -> when fencing was first asked
        self.assignment: AssignmentTable | None = None
        self._settled = False  # held and assignment agree; nothing to compare
        self._tokens = 0

    @property
    def held(self) -> Mapping[TaskId, Holding]:
        """Return what is held."""
        return self._held

    # --- reconciliation ---------------------------------------------------------------------------------

    def take_outcomes(self) -> list[Task]:
        """Take what the restorer has done; return what runs since."""
        started = []
        while self._restorer.outcomes:
            outcome = self._restorer.outcomes.popleft()
            self._settled = False
            name = outcome.goal.task
            if not isinstance(outcome, Refused) and outcome.store is not None:
                self._open_stores[name] = outcome.store
            holding = self._held.get(name)
            if holding is None or holding.goal.token != outcome.goal.token:
                continue
            if isinstance(outcome, Refused):
                retry_s = time.monotonic() + VOLUME_RETRY_S if outcome.retry else None
                holding.state = Stopped(outcome.detail, retry_s)
            elif isinstance(outcome, Restored) and not isinstance(holding.state, Withdrawing):
                metrics.RESTORE_DURATION.observe(outcome.took_s)
                started.append(self._start_task(outcome, holding))
            else:
                del self._held[name]
                self._release(name, holding)
        return started

    def reconcile(self, newest: AssignmentTable | None, commit: Callable[[], None]) -> bool:
        """Take the steps to the newest assignment; tell whether any was due.

        `commit` comes before a running task is lost; it commits what is open.
        """
        if newest is None:
            return False
        if self.assignment is None or newest.tasks is not self.assignment.tasks:
            self._settled = False
        self.assignment = newest
        if self._settled:
            return False
        held = {name: Held(h.goal.role, h.goal.epoch) for name, h in self._held.items()}
        steps = transitions(self._ordinal, newest.tasks, held, ignore_epochs=self._faults.skips("R1"))
        if any(name in self._running.tasks for name in steps):
            commit()
        done = [self._take_step(name, step, newest.tasks.get(name)) for name, step in steps.items()]
        for name in self._open_stores.keys() - self._held.keys():
            if role_of(self._ordinal, newest.tasks.get(name)) is None:
                self._restorer.discard(self._open_stores.pop(name))
        self._settled = all(done)
        return True

    def _take_step(self, name: TaskId, step: Transition, given: TaskAssignment | None) -> bool:
        """Take one step; return False where the comparison has to be made again."""
        holding = self._held.get(name)
        if holding is not None and isinstance(holding.state, Withdrawing):
            return False
        if holding is not None and (step is not Transition.PROMOTE or isinstance(holding.state, Stopped)):
            self._give_up(name, holding)
            return False
        if given is None:
            return True
        if step is Transition.FOLLOW:
            self._submit(self._goal(name, Role.STANDBY, given))
            return True
        asked_s = self._asked_s.setdefault((name, given.epoch), time.monotonic())
        fence = self._source.to_fence(name, given, time.monotonic() - asked_s)
        if fence is None:
            return False
        self._asked_s.pop((name, given.epoch), None)
        goal = self._goal(name, Role.OWNER, given)
        self._submit(replace(goal, fence=fence[-1:] if self._faults.skips("R2") else fence))
        return True

    def _give_up(self, name: TaskId, holding: Holding) -> None:
        """Drop, demote or retake: give up what is held; the next comparison starts what is wanted."""
        if isinstance(holding.state, Running):
            self._open_stores[name] = self._running.stop(name).store
            self._faults.reach("before-released")
        elif not isinstance(holding.state, Stopped):
            holding.state = Withdrawing()
            self._restorer.withdraw(holding.goal)
            return
        del self._held[name]
        self._release(name, holding)

    def _release(self, name: TaskId, holding: Holding) -> None:
        """Say that nothing of a task this pod owned is held, unless it is this pod's again (R8)."""
        given = None if self.assignment is None else self.assignment.tasks.get(name)
        if holding.goal.role is Role.OWNER and (given is None or given.owner != self._ordinal):
            self._source.released(name, holding.goal.epoch if given is None else given.epoch)
            log.info("task %s is released, owned since epoch %d", name, holding.goal.epoch)

    def _submit(self, goal: Goal) -> None:
        """Give a goal to the restorer, with the store if it is open: a second time it must not be given."""
        self._restorer.submit(replace(goal, store=self._open_stores.pop(goal.task, None)))
        self._held[goal.task] = Holding(goal)

    def _goal(self, name: TaskId, role: Role, given: TaskAssignment) -> Goal:
        return Goal(self._next_token(), name, role, given.epoch, started=given.started)

    def _next_token(self) -> int:
        self._tokens += 1
        return self._tokens

    def _start_task(self, restored: Restored, holding: Holding) -> Task:
        """Start a restored task, and say that it is acquired once it has a position (R13)."""
        name, epoch = restored.goal.task, restored.goal.epoch
        self._faults.reach("before-acquired")
        owned = sum(
            1
            for other, held in self._held.items()
            if other.stage == name.stage and held.goal.role is Role.OWNER
        )
        task = self._running.start(restored, self._open_stores.pop(name), owned)
        holding.state = Running(task)
        # Fenced once and for all: to fence again after each doubt (R4) would let two living pods, each on an
        # old fence list of the other, fail each other's transactions forever.
        holding.goal = replace(holding.goal, fence=())
        self._source.holds(name)
        if task.position is not None:  # else with its first commit: `started` without a position is refused
            self._source.acquired(name, epoch)
        log.info("task %s runs from offset %d, epoch %d", name, restored.records_from, epoch)
        return task

    # --- doubt ------------------------------------------------------------------------------------------

    def fall_back(self) -> None:
        """Stop every running task where it is, to be resumed from its last commit (R4)."""
        for name, task in list(self._running.tasks.items()):
            self._running.stop(name)
            holding = self._held[name]
            holding.state = Suspended(task.store)
            started = holding.goal.started or task.position is not None
            holding.goal = replace(holding.goal, started=started)

    def resume(self) -> None:
        """After the new producer's initialisation: replay the tail of what was running (R4)."""
        self._settled = False
        for name, holding in list(self._held.items()):
            if isinstance(holding.state, Suspended):
                self._open_stores[name] = holding.state.store
                self._submit(replace(holding.goal, token=self._next_token()))

    def repair(self, broken: TaskBroken) -> None:
        """After `fall_back`: rebuild a corrupted state; stop a task whose volume refuses it, for a while."""
        holding = self._held[broken.task]
        corrupted = isinstance(broken.cause, StateCorrupted)
        if isinstance(holding.state, Suspended):
            self._restorer.discard(holding.state.store, destroy=corrupted)
        if corrupted:
            metrics.STATES_DAMAGED.inc()
            self._submit(replace(holding.goal, token=self._next_token()))
        else:
            holding.state = Stopped(str(broken.cause), time.monotonic() + VOLUME_RETRY_S)
        log.error("task %s: %s", broken.task, broken.cause)

    def stop(self, name: TaskId, detail: str) -> None:
        """Stop one task for good, running or after `fall_back`; the others go on."""
        holding = self._held[name]
        if isinstance(holding.state, Running):
            self._restorer.discard(self._running.stop(name).store)
        elif isinstance(holding.state, Suspended):
            self._restorer.discard(holding.state.store)
        holding.state = Stopped(detail)
        log.error("task %s stops: %s", name, detail)

    def readmit(self, detail: str) -> None:
        """Let tasks that stopped for this reason begin again, as after a restart."""
        for name, holding in list(self._held.items()):
            if isinstance(holding.state, Stopped) and holding.state.detail == detail:
                del self._held[name]
                self._settled = False

    def retry(self) -> None:
        """Try refused volumes again, and delete local states that were unused for long. Once a second."""
        now_s = time.monotonic()
        for name, holding in list(self._held.items()):
            state = holding.state
            if isinstance(state, Stopped) and state.retry_s is not None and now_s >= state.retry_s:
                del self._held[name]
                self._settled = False
        for name in self._restorer.leftovers.due(self._held, now_s):
            if name not in self._open_stores:
                self._restorer.clean(name)

    def close(self) -> None:
        """Close every store that is here. The restorer has closed its own."""
        stores = [task.store for task in self._running.tasks.values()]
        stores += [h.state.store for h in self._held.values() if isinstance(h.state, Suspended)]
        for store in [*stores, *self._open_stores.values()]:
            close_store(store)
