"""The worker: one thread that reconciles its tasks to the assignment, processes, and commits.

A turn takes the restorer's outcomes, compares what is held with the newest assignment, reads one chunk,
lets each task's line process its part, and commits when it is due. Any doubt about a transaction leads
to `_recover`: a new producer, the assignment read anew (R3), the changelog's tail replayed for every task
kept (R4).
"""

import logging
import threading
import time
from dataclasses import dataclass, replace

from confluent_kafka import KafkaException

from clickstream_processor.directory import Directory, Phase, Role, TaskView
from clickstream_processor.errors import StateCorrupted, TaskBroken, TransactionFailed
from clickstream_processor.runtime import client
from clickstream_processor.runtime.assignment import Assignment, AssignmentSource, TaskAssignment
from clickstream_processor.runtime.consumer import Batch, Input
from clickstream_processor.runtime.crash import CrashPoints
from clickstream_processor.runtime.ends import EndsWatch
from clickstream_processor.runtime.programs import Programs
from clickstream_processor.runtime.reconcile import Change, Held, changes, role_of
from clickstream_processor.runtime.reporting import Reporter
from clickstream_processor.runtime.restoration import Goal
from clickstream_processor.runtime.restorer import Refused, Restored, RestorerThread, close_store
from clickstream_processor.runtime.task import Task
from clickstream_processor.runtime.transaction import Transactions
from clickstream_processor.runtime.watchdog import Watchdog
from clickstream_processor.settings import Settings
from clickstream_processor.state.memory import StateMemory
from clickstream_processor.state.store import TaskStore
from clickstream_processor.topology.plan import Plan

log = logging.getLogger(__name__)

MIN_COMMIT_S = 0.010  # R11: commits closer together cost more than they give
IDLE_WAIT_S = 0.05
SECOND = 1.0
REPORT_EVERY_S = 5.0
PROVE_EVERY_MS = 600_000  # an idle task commits its position this often: its state stays proved (R14)
REFRESH_S = 10.0
SHUTDOWN_COMMIT_S = 4.0
VOLUME_RETRY_S = 30.0
BACK_OFF_S = (0.0, 0.2, 1.0, 2.0, 5.0)  # between recoveries that follow each other


@dataclass(slots=True)
class Holding:
    """A task of this pod: running here, or with the restorer, or refused."""

    goal: Goal
    task: Task | None = None  # running
    withdrawing: bool = False  # the restorer was asked for it back; its outcome is awaited
    refused: str = ""
    retry_s: float | None = None  # refused by the volume: monotonic time to try again


class Worker:
    """The thread. `start`, `stop` and `age_s` may be called from others; all else is its own."""

    def __init__(
        self,
        settings: Settings,
        plan: Plan,
        programs: Programs,
        directory: Directory,
        source: AssignmentSource,
        memory: StateMemory,
    ) -> None:
        self._settings = settings
        self._plan = plan
        self._programs = programs
        self._directory = directory
        self._source = source
        self._memory = memory
        self._ordinal = settings.pod.ordinal
        self._interval_s = settings.processing.commit_interval_ms / 1_000
        self._skip = settings.pod.unsafe_skip_rule
        self._crash = CrashPoints(settings.pod.crash_at)
        self._admin = client.make_admin(settings, "admin")
        self._watchdog = Watchdog(self._brokers_answer)
        self._restorer = RestorerThread(settings, plan, memory, self._crash, self._watchdog)
        self._transactions = Transactions(settings, self._crash, self._watchdog)
        self._input = Input(settings, self._watchdog)
        self._ends = EndsWatch(self._admin)
        self._reporter = Reporter(directory)
        self._held: dict[int, Holding] = {}
        self._running: dict[int, Task] = {}
        self._spare: dict[int, TaskStore] = {}  # open stores of tasks on their way to another role
        self._asked_s: dict[tuple[int, int], float] = {}  # (partition, epoch) -> when fencing was first asked
        self._assignment: Assignment | None = None
        self._settled = False  # held and assignment agree; nothing to compare
        self._tokens = 0
        self._failures = 0
        self._committed_s = 0.0
        self._second_s = 0.0
        self._report_s = 0.0
        self._turned_s = time.monotonic()
        self.stopping = threading.Event()
        self.failed: BaseException | None = None  # what ended the thread out of order
        self.ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)

    # --- from other threads -----------------------------------------------------------------------------

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Ask for an orderly end: commit, flush, close. `ended` is set when it is done."""
        self.stopping.set()

    def age_s(self) -> float:
        """Return how long the loop has not turned; a guarded client call is the watchdog's business (R6)."""
        return 0.0 if self._watchdog.in_call() else time.monotonic() - self._turned_s

    # --- the thread -------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._watchdog.start()
            self._restorer.start()
            while not self.stopping.is_set():
                self._turn()
            self._shut_down()
        except BaseException as error:
            log.exception("the worker failed")
            self.failed = error
        finally:
            self.ended.set()

    def _turn(self) -> None:
        self._turned_s = time.monotonic()
        if self._restorer.failed is not None:
            raise self._restorer.failed
        try:
            if not self._transactions.ready:
                self._recover()
                return
            self._take_outcomes()
            self._reconcile()
            batch = self._input.poll(self._wait_s())
            self._process(batch)
            if self._pending() and self._due(batch.drained):
                self._commit(client.TRANSACTION_TIMEOUT_S)
            if self._turned_s - self._second_s >= SECOND:
                self._second_s = self._turned_s
                self._each_second()
        except TransactionFailed as error:
            self._fall_back(error)
        except TaskBroken as error:
            self._fall_back(TransactionFailed(str(error)))
            self._mend(error)

    def _wait_s(self) -> float:
        """Return how long to wait for input: not beyond the time of the next commit."""
        if not self._transactions.open and not self._pending():
            return IDLE_WAIT_S
        return max(0.0, self._committed_s + MIN_COMMIT_S - time.monotonic())

    def _process(self, batch: Batch) -> None:
        running = self._running
        for partition, messages in batch.profiles:
            task = running.get(partition)
            if task is not None:
                task.profiles(messages)
        for partition, messages in batch.clicks:
            task = running.get(partition)
            if task is not None:
                self._transactions.begin()
                task.clicks(messages)
                self._transactions.relieve()
        for partition, position in batch.reached.items():
            task = running.get(partition)
            if task is not None:
                task.reached = max(task.reached, position)
        for partition, why in batch.lost.items():
            self._stop_task(partition, f"its position is outside the log: {why}")

    # --- commits ----------------------------------------------------------------------------------------

    def _pending(self) -> bool:
        return any(task.touched or task.profiles_touched for task in self._running.values())

    def _due(self, drained: bool) -> bool:
        since_s = time.monotonic() - self._committed_s
        return since_s >= self._interval_s or (drained and since_s >= MIN_COMMIT_S)

    def _commit(self, timeout_s: float) -> None:
        """Commit every task that has something to commit; nothing happens where none has."""
        self._committed_s = time.monotonic()
        touched = [task for task in self._running.values() if task.touched]
        for task in self._running.values():
            if task.profiles_touched and not task.touched:
                task.commit_profiles()
        now_ms = _now_ms()
        if touched:
            self._transactions.begin()
            new = [task for task in touched if task.position is None]
            self._transactions.commit(touched, now_ms, timeout_s)
            for task in new:
                self._acknowledge(task)
            self._failures = 0
            self._directory.brokers_seen_ms = now_ms
            self._committed_s = time.monotonic()
        self._reporter.committed(touched, now_ms)
        self._publish(touched)

    # --- doubt ------------------------------------------------------------------------------------------

    def _fall_back(self, error: TransactionFailed) -> None:
        """R7, R4: forget what is uncommitted, and let every running task come back through a restore."""
        log.warning("transaction failed, starting over from the last commit: %s", error)
        self._failures += 1
        for partition in list(self._running):
            task = self._unplug(partition)
            goal = self._goal(partition, Role.OWNER, task.epoch, (), task.position is not None, task.store)
            self._held[partition] = Holding(goal)
        self._transactions.fail()
        self._publish([])

    def _mend(self, broken: TaskBroken) -> None:
        """Rebuild a corrupted state; stop a task whose volume refuses it, and try again later."""
        holding = self._held[broken.partition]
        store, goal = holding.goal.store, holding.goal
        if store is None:
            return
        corrupted = isinstance(broken.cause, StateCorrupted)
        self._restorer.discard(store, destroy=corrupted)
        if corrupted:
            self._submit(goal.partition, goal.role, goal.epoch, (), started=goal.started)
        else:
            holding.goal = replace(goal, store=None)
            holding.refused, holding.retry_s = str(broken.cause), self._turned_s + VOLUME_RETRY_S
        self._publish([])

    def _recover(self) -> None:
        """Make a producer, then read the assignment to its end (R3); after a slow commit too (R18)."""
        if self._failures:
            self.stopping.wait(BACK_OFF_S[min(self._failures, len(BACK_OFF_S)) - 1])
        cause = "slow-commit" if self._transactions.slow else "failure" if self._failures else "start"
        for task in self._running.values():
            task.outputs.unbind()
        if not self._transactions.initialise(cause):
            self._each_second()
            return
        try:
            with self._watchdog.guard("read the assignment", REFRESH_S):
                self._assignment = self._source.refresh(REFRESH_S)
        except TimeoutError as error:
            log.warning("the assignment cannot be read to its end yet: %s", error)
            self._transactions.fail()
            return
        self._settled = False
        for task in self._running.values():
            self._transactions.bind(task.outputs)
        for partition, holding in self._held.items():
            if partition not in self._running and holding.goal.store is not None:
                self._resume(partition, holding)

    def _resume(self, partition: int, holding: Holding) -> None:
        """After a failed transaction: replay the tail (R4), now that the old one has ended."""
        goal, store = holding.goal, holding.goal.store
        if store is None:
            return
        self._spare[partition] = store
        self._submit(partition, goal.role, goal.epoch, (), started=goal.started)

    # --- reconciliation ---------------------------------------------------------------------------------

    def _take_outcomes(self) -> None:
        outcomes = self._restorer.outcomes
        while outcomes:
            outcome = outcomes.popleft()
            partition = outcome.goal.partition
            holding = self._held.get(partition)
            current = holding is not None and holding.goal.token == outcome.goal.token
            if isinstance(outcome, Refused):
                if holding is not None and current:
                    holding.refused, holding.withdrawing = outcome.detail, False
                    holding.retry_s = self._turned_s + VOLUME_RETRY_S if outcome.retry else None
                    self._settled = False
                continue
            if outcome.store is not None:
                self._spare[partition] = outcome.store
            self._settled = False
            if holding is None or not current:
                continue
            if isinstance(outcome, Restored) and not holding.withdrawing:
                self._plug(outcome, holding)
            else:
                del self._held[partition]
                self._release(partition, holding)

    def _reconcile(self) -> None:
        newest = self._source.poll()
        if newest is None:
            return
        if self._assignment is None or newest.tasks is not self._assignment.tasks:
            self._settled = False
        self._assignment = newest
        if self._settled:
            return
        held = {p: Held(h.goal.role, h.goal.epoch) for p, h in self._held.items()}
        steps = changes(self._ordinal, newest.tasks, held, ignore_epochs=self._skip == "R1")
        leaving = [p for p, s in steps.items() if p in self._running and s is not Change.PROMOTE]
        if leaving and self._transactions.open:
            self._commit(client.TRANSACTION_TIMEOUT_S)
        waiting = False
        for partition, step in steps.items():
            waiting |= not self._change(partition, step, newest.tasks.get(partition))
        for partition in self._spare.keys() - self._held.keys():
            if role_of(self._ordinal, newest.tasks.get(partition)) is None:
                self._restorer.discard(self._spare.pop(partition))
        self._settled = not waiting
        self._directory.routes = newest.routes(self._plan.partitions)
        self._directory.ready = True
        self._publish([])

    def _change(self, partition: int, step: Change, task: TaskAssignment | None) -> bool:
        """Take one step; return False where it has to be tried again."""
        holding = self._held.get(partition)
        if holding is not None and holding.withdrawing:
            return False
        if holding is not None and step is not Change.PROMOTE:
            return self._let_go(partition, holding)
        if task is None:
            return True
        if step is Change.FOLLOW:
            self._submit(partition, Role.STANDBY, task.epoch, (), started=task.started)
            return True
        asked_s = self._asked_s.setdefault((partition, task.epoch), time.monotonic())
        fence = self._source.to_fence(partition, task, time.monotonic() - asked_s)
        if fence is None:
            return False
        if self._skip == "R2":
            fence = fence[-1:]
        self._asked_s.pop((partition, task.epoch), None)
        self._submit(partition, Role.OWNER, task.epoch, fence, started=task.started)
        return True

    def _let_go(self, partition: int, holding: Holding) -> bool:
        """Drop, demote or retake: give up what is held; the next comparison starts what is wanted."""
        if holding.task is not None:
            owned = self._unplug(partition)
            del self._held[partition]
            self._spare[partition] = owned.store
            self._crash.reach("before-released")
            self._release(partition, holding)
        elif holding.refused:
            del self._held[partition]
            self._release(partition, holding)
        else:
            holding.withdrawing = True
            self._restorer.withdraw(holding.goal)
        return False

    def _release(self, partition: int, holding: Holding) -> None:
        """Say that nothing of a task this pod owned is held, unless it is this pod's again (R8)."""
        task = None if self._assignment is None else self._assignment.tasks.get(partition)
        if holding.goal.role is Role.OWNER and (task is None or task.owner != self._ordinal):
            self._source.released(partition, holding.goal.epoch if task is None else task.epoch)
            log.info("task clicks-%d is released, owned since epoch %d", partition, holding.goal.epoch)

    def _submit(
        self, partition: int, role: Role, epoch: int, fence: tuple[int, ...], *, started: bool
    ) -> None:
        goal = self._goal(partition, role, epoch, fence, started, self._spare.pop(partition, None))
        self._restorer.submit(goal)
        # The restorer has the store now: a second failure must not hand it over twice.
        self._held[partition] = Holding(
            Goal(goal.token, partition, role, epoch, fence=fence, started=started, store=None)
        )

    def _goal(
        self,
        partition: int,
        role: Role,
        epoch: int,
        fence: tuple[int, ...],
        started: bool,
        store: TaskStore | None,
    ) -> Goal:
        self._tokens += 1
        return Goal(self._tokens, partition, role, epoch, fence=fence, started=started, store=store)

    def _plug(self, restored: Restored, holding: Holding) -> None:
        """Start a restored task."""
        partition, goal = restored.goal.partition, restored.goal
        self._crash.reach("before-acquired")
        store = self._spare.pop(partition)
        share = self._memory.cached_users(max(1, self._owned()))
        task = Task(
            self._plan,
            self._programs,
            store,
            partition,
            goal.epoch,
            restored.clicks_from,
            restored.position,
            share,
        )
        self._transactions.bind(task.outputs)
        self._input.add(partition, restored.clicks_from, restored.profiles_from)
        holding.task = self._running[partition] = task
        self._source.holds(partition)
        if restored.position is not None:
            self._acknowledge(task)
        self._reporter.restored(restored.took_s)
        log.info(
            "task clicks-%d runs from offset %d in epoch %d, restored in %.2f s",
            partition,
            restored.clicks_from,
            goal.epoch,
            restored.took_s,
        )

    def _acknowledge(self, task: Task) -> None:
        """Say that the task is acquired, once it has a position: `started` without one is refused (R13)."""
        self._source.acquired(task.partition, task.epoch)

    def _owned(self) -> int:
        return sum(1 for holding in self._held.values() if holding.goal.role is Role.OWNER)

    def _unplug(self, partition: int) -> Task:
        """Stop a running task without a commit; its store stays open."""
        self._input.remove(partition)
        task = self._running.pop(partition)
        task.outputs.unbind()
        return task

    def _stop_task(self, partition: int, detail: str) -> None:
        """Stop one task for good; the others go on."""
        task = self._running.get(partition)
        if task is None:
            return
        if self._transactions.open:
            self._commit(client.TRANSACTION_TIMEOUT_S)
        self._unplug(partition)
        holding = self._held[partition]
        holding.task, holding.refused = None, detail
        self._restorer.discard(task.store)
        log.error("task clicks-%d stops: %s", partition, detail)
        self._publish([])

    # --- once a second ----------------------------------------------------------------------------------

    def _each_second(self) -> None:
        now_ms = _now_ms()
        answer = self._ends.take()
        if answer is not None:
            self._directory.brokers_seen_ms = max(self._directory.brokers_seen_ms, answer.asked_ms)
            for partition, task in self._running.items():
                high = answer.high.get((self._settings.topics.clicks, partition))
                if high is not None and task.measure(high, answer.asked_ms):
                    task.tick(answer.asked_ms)
        for task in self._running.values():
            if now_ms - task.committed_ms > PROVE_EVERY_MS:
                task.touched = True
        self._ends.ask([(self._settings.topics.clicks, p) for p in self._running] or self._any_log())
        if self._assignment is not None:
            self._directory.routes = self._assignment.routes(self._plan.partitions)
        for partition, holding in list(self._held.items()):
            if holding.retry_s is not None and self._turned_s >= holding.retry_s:
                del self._held[partition]
                self._settled = False
        for partition in self._restorer.leftovers.due(self._held, self._turned_s):
            if partition not in self._spare:
                self._restorer.clean(partition)
        if self._turned_s - self._report_s >= REPORT_EVERY_S and self._running:
            self._report_s = self._turned_s
            self._input.report({p: t.next_clicks for p, t in self._running.items() if t.position is not None})
        self._publish(list(self._running.values()))
        self._reporter.measured(self._running.values(), self._memory, now_ms)

    def _any_log(self) -> list[tuple[str, int]]:
        """Return a log to ask for when no task runs: the answer is a broker's sign of life."""
        return [(self._settings.topics.clicks, 0)]

    def _publish(self, changed: list[Task]) -> None:
        """Show the queries what is held: `changed` running tasks, and everything that does not run."""
        now_ms = _now_ms()
        tasks = {p: view for p, view in self._directory.tasks.items() if p in self._held}
        for task in changed:
            tasks[task.partition] = task.view(now_ms)
        for partition, holding in self._held.items():
            if holding.task is None:
                tasks[partition] = self._waiting_view(partition, holding)
            elif tasks.get(partition) is None or tasks[partition].phase is not Phase.RUNNING:
                tasks[partition] = holding.task.view(now_ms)
        self._directory.tasks = tasks

    def _waiting_view(self, partition: int, holding: Holding) -> TaskView:
        goal, progress = holding.goal, self._restorer.progress.get(partition)
        if holding.refused:
            return TaskView(partition, goal.role, Phase.STOPPED, goal.epoch, None, 0, detail=holding.refused)
        if progress is None:
            return TaskView(partition, goal.role, Phase.RESTORING, goal.epoch, goal.store, 0)
        return TaskView(
            partition,
            goal.role,
            progress.phase,
            goal.epoch,
            progress.store,
            progress.as_of_ms,
            lag_records=progress.lag_records,
            stream_ms=progress.stream_ms,
        )

    def _brokers_answer(self) -> bool:
        try:
            self._admin.list_topics(timeout=5)
        except KafkaException:
            return False
        return True

    # --- the end ----------------------------------------------------------------------------------------

    def _shut_down(self) -> None:
        """Commit, close the stores, say goodbye. Bounded: what is not committed is done again by the next."""
        self._watchdog.stop()
        try:
            if self._transactions.ready and self._pending():
                self._commit(SHUTDOWN_COMMIT_S)
        except (TransactionFailed, TaskBroken) as error:
            log.warning("the last transaction failed, its clicks will be processed again: %s", error)
        self._directory.ready = False
        self._directory.tasks = {}
        self._transactions.close()
        self._restorer.stop(3.0)
        open_stores = [task.store for task in self._running.values()]
        open_stores += [h.goal.store for h in self._held.values() if h.goal.store is not None]
        for store in [*open_stores, *self._spare.values()]:
            close_store(store)
        self._source.close()
        self._input.close()
        self._reporter.summary()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
