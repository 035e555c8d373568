"""The tasks this pod holds, and the steps that make them those the assignment gives it (R1, R2, R8).

A task runs here, or is with the restorer (which then has its store), or was refused. Each change goes
through a state that is safe to stop in: what is given up is committed before and released after.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from clickstream_processor import metrics
from clickstream_processor.directory import Phase, Role, TaskView
from clickstream_processor.errors import StateCorrupted, TaskBroken
from clickstream_processor.runtime.assignment import Assignment, AssignmentSource, TaskAssignment
from clickstream_processor.runtime.consumer import Input
from clickstream_processor.runtime.crash import CrashPoints
from clickstream_processor.runtime.outcomes import Refused, Restored
from clickstream_processor.runtime.programs import Programs
from clickstream_processor.runtime.reconcile import Change, Held, changes, role_of
from clickstream_processor.runtime.restoration import Goal
from clickstream_processor.runtime.restorer import RestorerThread, close_store
from clickstream_processor.runtime.task import Task
from clickstream_processor.runtime.transaction import Transactions
from clickstream_processor.settings import Settings
from clickstream_processor.state.memory import StateMemory
from clickstream_processor.state.store import TaskStore
from clickstream_processor.topology.plan import Plan

log = logging.getLogger(__name__)

VOLUME_RETRY_S = 30.0  # a full volume may have room again


@dataclass(slots=True)
class Holding:
    """A task of this pod. `goal.store` is set only between a failed transaction and its recovery."""

    goal: Goal
    task: Task | None = None  # running
    withdrawing: bool = False  # the restorer was asked for it back; its outcome is awaited
    refused: str = ""
    retry_s: float | None = None  # refused by the volume: monotonic time to try again


class Tenure:
    """What is held. Used by the worker's thread only."""

    def __init__(
        self,
        settings: Settings,
        plan: Plan,
        programs: Programs,
        memory: StateMemory,
        source: AssignmentSource,
        restorer: RestorerThread,
        transactions: Transactions,
        inputs: Input,
        crash: CrashPoints,
    ) -> None:
        self._plan, self._programs, self._memory = plan, programs, memory
        self._source, self._restorer, self._crash = source, restorer, crash
        self._transactions, self._input = transactions, inputs
        self._ordinal = settings.pod.ordinal
        self._skip = settings.pod.unsafe_skip_rule
        self._held: dict[int, Holding] = {}
        self.running: dict[int, Task] = {}
        self._spare: dict[int, TaskStore] = {}  # open stores of tasks on their way to another role
        self._asked_s: dict[tuple[int, int], float] = {}  # (partition, epoch) -> when fencing was first asked
        self.assignment: Assignment | None = None
        self._settled = False  # held and assignment agree; nothing to compare
        self._tokens = 0

    # --- reconciliation ---------------------------------------------------------------------------------

    def take_outcomes(self) -> list[Restored]:
        """Take what the restorer has done; return what runs since."""
        started = []
        while self._restorer.outcomes:
            outcome = self._restorer.outcomes.popleft()
            self._settled = False
            partition = outcome.goal.partition
            if not isinstance(outcome, Refused) and outcome.store is not None:
                self._spare[partition] = outcome.store
            holding = self._held.get(partition)
            if holding is None or holding.goal.token != outcome.goal.token:
                continue
            if isinstance(outcome, Refused):
                holding.refused, holding.withdrawing = outcome.detail, False
                holding.retry_s = time.monotonic() + VOLUME_RETRY_S if outcome.retry else None
            elif isinstance(outcome, Restored) and not holding.withdrawing:
                self._plug(outcome, holding)
                started.append(outcome)
            else:
                del self._held[partition]
                self._release(partition, holding)
        return started

    def reconcile(self, newest: Assignment | None, commit: Callable[[], None]) -> bool:
        """Take the steps to the newest assignment; tell whether any was due. `commit` comes before a loss."""
        if newest is None:
            return False
        if self.assignment is None or newest.tasks is not self.assignment.tasks:
            self._settled = False
        self.assignment = newest
        if self._settled:
            return False
        held = {p: Held(h.goal.role, h.goal.epoch) for p, h in self._held.items()}
        steps = changes(self._ordinal, newest.tasks, held, ignore_epochs=self._skip == "R1")
        if self._transactions.open and any(partition in self.running for partition in steps):
            commit()
        done = [self._change(p, step, newest.tasks.get(p)) for p, step in steps.items()]
        for partition in self._spare.keys() - self._held.keys():
            if role_of(self._ordinal, newest.tasks.get(partition)) is None:
                self._restorer.discard(self._spare.pop(partition))
        self._settled = all(done)
        return True

    def _change(self, partition: int, step: Change, task: TaskAssignment | None) -> bool:
        """Take one step; return False where the comparison has to be made again."""
        holding = self._held.get(partition)
        if holding is not None and holding.withdrawing:
            return False
        if holding is not None and (step is not Change.PROMOTE or holding.refused):
            self._let_go(partition, holding)
            return False
        if task is None:
            return True
        if step is Change.FOLLOW:
            self._submit(self._goal(partition, Role.STANDBY, task))
            return True
        asked_s = self._asked_s.setdefault((partition, task.epoch), time.monotonic())
        fence = self._source.to_fence(partition, task, time.monotonic() - asked_s)
        if fence is None:
            return False
        self._asked_s.pop((partition, task.epoch), None)
        goal = self._goal(partition, Role.OWNER, task)
        self._submit(replace(goal, fence=fence[-1:] if self._skip == "R2" else fence))
        return True

    def _let_go(self, partition: int, holding: Holding) -> None:
        """Drop, demote or retake: give up what is held; the next comparison starts what is wanted."""
        if holding.task is not None:
            self._spare[partition] = self._unplug(partition).store
            self._crash.reach("before-released")
        elif not holding.refused:
            holding.withdrawing = True
            self._restorer.withdraw(holding.goal)
            return
        del self._held[partition]
        self._release(partition, holding)

    def _release(self, partition: int, holding: Holding) -> None:
        """Say that nothing of a task this pod owned is held, unless it is this pod's again (R8)."""
        task = None if self.assignment is None else self.assignment.tasks.get(partition)
        if holding.goal.role is Role.OWNER and (task is None or task.owner != self._ordinal):
            self._source.released(partition, holding.goal.epoch if task is None else task.epoch)
            log.info("task clicks-%d is released, owned since epoch %d", partition, holding.goal.epoch)

    def _submit(self, goal: Goal) -> None:
        """Give a goal to the restorer, with the store if it is open: a second time it must not be given."""
        self._restorer.submit(replace(goal, store=self._spare.pop(goal.partition, None)))
        self._held[goal.partition] = Holding(goal)

    def _goal(self, partition: int, role: Role, task: TaskAssignment) -> Goal:
        self._tokens += 1
        return Goal(self._tokens, partition, role, task.epoch, started=task.started)

    def _plug(self, restored: Restored, holding: Holding) -> None:
        """Start a restored task."""
        partition, epoch = restored.goal.partition, restored.goal.epoch
        self._crash.reach("before-acquired")
        owned = sum(1 for other in self._held.values() if other.goal.role is Role.OWNER)
        task = Task(
            self._plan,
            self._programs,
            self._spare.pop(partition),
            partition,
            epoch,
            restored.clicks_from,
            restored.position,
            self._memory.cached_users(max(1, owned)),
        )
        self._transactions.bind(task.outputs)
        self._input.add(partition, restored.clicks_from, restored.profiles_from)
        holding.task = self.running[partition] = task
        # Fenced once and for all: to fence again after each doubt (R4) would let two living pods, each on an
        # old fence list of the other, fail each other's transactions for ever.
        holding.goal = replace(holding.goal, fence=())
        self._source.holds(partition)
        if restored.position is not None:
            self.acknowledge(task)
        log.info("task clicks-%d runs from offset %d, epoch %d", partition, restored.clicks_from, epoch)

    def acknowledge(self, task: Task) -> None:
        """Say that the task is acquired, once it has a position: `started` without one is refused (R13)."""
        self._source.acquired(task.partition, task.epoch)

    def _unplug(self, partition: int) -> Task:
        """Stop a running task without a commit; its store stays open."""
        self._input.remove(partition)
        task = self.running.pop(partition)
        task.outputs.unbind()
        self._held[partition].task = None
        return task

    # --- doubt ------------------------------------------------------------------------------------------

    def fall_back(self) -> None:
        """Stop every running task where it is, to be resumed from its last commit (R4)."""
        for partition, task in list(self.running.items()):
            self._unplug(partition)
            goal = replace(self._held[partition].goal, store=task.store)
            self._held[partition].goal = replace(goal, started=goal.started or task.position is not None)

    def resume(self) -> None:
        """After the new producer's initialisation: replay the tail of what was running (R4)."""
        self._settled = False
        for partition, holding in list(self._held.items()):
            if holding.goal.store is not None:
                self._spare[partition] = holding.goal.store
                self._tokens += 1
                self._submit(replace(holding.goal, token=self._tokens, store=None))

    def mend(self, broken: TaskBroken) -> None:
        """After `fall_back`: rebuild a corrupted state; stop a task whose volume refuses it, for a while."""
        partition, holding = broken.partition, self._held[broken.partition]
        store, holding.goal = holding.goal.store, replace(holding.goal, store=None)
        corrupted = isinstance(broken.cause, StateCorrupted)
        if store is not None:
            self._restorer.discard(store, destroy=corrupted)
        if corrupted:
            metrics.STATES_DAMAGED.inc()
            self._tokens += 1
            self._submit(replace(holding.goal, token=self._tokens))
        else:
            holding.refused, holding.retry_s = str(broken.cause), time.monotonic() + VOLUME_RETRY_S
        log.error("task clicks-%d: %s", partition, broken.cause)

    def stop(self, partition: int, detail: str) -> None:
        """After `fall_back`: stop one task for good."""
        holding = self._held[partition]
        store, holding.goal = holding.goal.store, replace(holding.goal, store=None)
        if store is not None:
            self._restorer.discard(store)
        holding.refused = detail
        log.error("task clicks-%d stops: %s", partition, detail)

    def refuse(self, partition: int, detail: str) -> None:
        """Stop one running task for good; the others go on."""
        self._restorer.discard(self._unplug(partition).store)
        self._held[partition].refused = detail
        log.error("task clicks-%d stops: %s", partition, detail)

    def readmit(self, detail: str) -> None:
        """Let tasks that stopped for this reason begin anew, as after a restart."""
        for partition, holding in list(self._held.items()):
            if holding.refused == detail:
                del self._held[partition]
                self._settled = False

    def retry(self) -> None:
        """Try refused volumes again, and delete local states that were unused for long. Once a second."""
        now_s = time.monotonic()
        for partition, holding in list(self._held.items()):
            if holding.retry_s is not None and now_s >= holding.retry_s:
                del self._held[partition]
                self._settled = False
        for partition in self._restorer.leftovers.due(self._held, now_s):
            if partition not in self._spare:
                self._restorer.clean(partition)

    def close(self) -> None:
        """Close every store that is here. The restorer has closed its own."""
        open_stores = [task.store for task in self.running.values()]
        open_stores += [h.goal.store for h in self._held.values() if h.goal.store is not None]
        for store in [*open_stores, *self._spare.values()]:
            close_store(store)

    # --- what the directory shows -----------------------------------------------------------------------

    def views(self, before: dict[int, TaskView], changed: list[Task]) -> dict[int, TaskView]:
        """Return a view of each task; running ones anew only if they are among `changed`."""
        views: dict[int, TaskView] = {}
        for partition, holding in self._held.items():
            view, task = before.get(partition), holding.task
            if task is None:
                views[partition] = _with_place(self._waiting_view(partition, holding), view)
            elif view is None or view.store is not task.store or view.phase is not Phase.RUNNING:
                views[partition] = task.view()
            else:
                views[partition] = view
        views |= {task.partition: task.view() for task in changed}
        return views

    def _waiting_view(self, partition: int, holding: Holding) -> TaskView:
        goal, progress = holding.goal, self._restorer.progress.get(partition)
        if holding.refused:
            return TaskView(
                partition,
                goal.role,
                Phase.STOPPED,
                goal.epoch,
                None,
                None,
                detail=holding.refused,
                volume_refuses=holding.retry_s is not None,
            )
        if progress is None:
            as_of_ms = None if goal.store is None else goal.store.checkpoint.proved_ms
            return TaskView(partition, goal.role, Phase.RESTORING, goal.epoch, goal.store, as_of_ms)
        return progress.view(goal)


def _with_place(view: TaskView, before: TaskView | None) -> TaskView:
    """Keep the last commit's place of an owner that does not run: its clicks wait as before."""
    if view.committed is not None or view.role is not Role.OWNER or before is None:
        return view
    return replace(view, committed=before.committed) if before.role is Role.OWNER else view
