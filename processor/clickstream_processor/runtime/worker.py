"""The worker: one thread that reconciles its tasks to the assignment, processes, and commits.

A turn takes the restorer's outcomes, compares what is held with the newest assignment, reads one chunk,
lets each task's line process its part, and commits when it is due. Any doubt about a transaction leads
to `_recover`: a new producer, the assignment read anew (R3), the changelog's tail replayed for every task
kept (R4).
"""

import logging
import threading
import time
from collections.abc import Collection, Sequence

from confluent_kafka import KafkaException

from clickstream_processor.directory import Directory, Phase
from clickstream_processor.errors import OUTSIDE_THE_LOG, LineFailed, TaskBroken, TransactionFailed
from clickstream_processor.runtime import client
from clickstream_processor.runtime.assignment import AssignmentSource
from clickstream_processor.runtime.client import CLIENT_ERRORS
from clickstream_processor.runtime.consumer import Batch, Input
from clickstream_processor.runtime.crash import CrashPoints
from clickstream_processor.runtime.lag_watch import LagWatch
from clickstream_processor.runtime.programs import Programs
from clickstream_processor.runtime.quarantine import Quarantine
from clickstream_processor.runtime.refused import RefusedProfiles
from clickstream_processor.runtime.reporting import Reporter
from clickstream_processor.runtime.restorer import RestorerThread
from clickstream_processor.runtime.task import Task
from clickstream_processor.runtime.tenure import Tenure
from clickstream_processor.runtime.topics_watch import TopicsWatch
from clickstream_processor.runtime.transaction import Transactions
from clickstream_processor.runtime.watchdog import Watchdog
from clickstream_processor.settings import Settings
from clickstream_processor.state.memory import StateMemory
from clickstream_processor.topology.interfaces import Message
from clickstream_processor.topology.plan import Plan

log = logging.getLogger(__name__)

MIN_COMMIT_S = 0.010  # R11: commits closer together cost more than they give
IDLE_WAIT_S = 0.05
SECOND = 1.0
REPORT_EVERY_S = 5.0
PROVE_EVERY_MS = 600_000  # an idle task commits its position this often: its state stays proved (R14)
REFRESH_S = 10.0
SHUTDOWN_COMMIT_S = 4.0
LIMITS_WAIT_S = 2.0
BACK_OFF_S = (0.0, 0.2, 1.0, 2.0, 5.0)  # between recoveries that follow each other


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
        self._directory = directory
        self._source = source
        self._memory = memory
        self._interval_s = settings.processing.commit_interval_ms / 1_000
        self._crash = CrashPoints(settings.pod.crash_at)
        self._admin = client.make_admin(settings, "admin")
        self._watchdog = Watchdog(self._brokers_answer)
        self._topics = TopicsWatch(self._admin, settings, directory)
        self._refused = RefusedProfiles(settings.topics.profiles, directory)
        self._restorer = RestorerThread(settings, plan, memory, self._crash, self._watchdog, self._refused)
        self._transactions = Transactions(
            settings, self._crash, self._watchdog, self._topics.limits.max_bytes
        )
        self._quarantine = Quarantine()
        self._input = Input(settings, self._watchdog)
        self._lag = LagWatch(self._admin, settings.topics.clicks, directory)
        self._reporter = Reporter(directory, settings.topics.retention_ms)
        self._tenure = Tenure(
            settings,
            plan,
            programs,
            memory,
            source,
            self._restorer,
            self._transactions,
            self._input,
            self._crash,
        )
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
            self._lag.start()
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
        if self._transactions.careful and not (self._quarantine.careful or self._transactions.open):
            self._transactions.slow = True  # the suspects are behind: a producer for full speed
        try:
            if not self._transactions.ready:
                self._recover()
                return
            self._follow_assignment()
            self._stop_where_topics_do_not_fit()
            batch = self._input.poll(self._wait_s())
            self._process(batch)
            if self._pending() and self._due(batch.drained):
                self._commit(client.TRANSACTION_TIMEOUT_S)
            if self._turned_s - self._second_s >= SECOND:
                self._second_s = self._turned_s
                self._each_second()
        except (TransactionFailed, LineFailed) as error:
            self._fall_back(error)
        except TaskBroken as error:
            self._fall_back(error)
            self._tenure.mend(error)
            self._publish([])

    def _follow_assignment(self) -> None:
        """Take the restorer's outcomes and the steps to the newest assignment."""
        for restored in self._tenure.take_outcomes():
            self._reporter.restored(restored.took_s)
            goal, position = restored.goal, restored.position
            task = self._tenure.running[goal.partition]
            task.pipeline.limit_outputs(self._transactions.output_bytes())
            if position is not None:
                self._quarantine.took_over(goal.partition, goal.epoch, position.clicks, position.attempts)
        if self._tenure.reconcile(self._source.poll(), lambda: self._commit(client.TRANSACTION_TIMEOUT_S)):
            self._directory.ready = True
            self._show_routes()
            self._publish([])

    def _show_routes(self) -> None:
        if self._tenure.assignment is not None:
            self._directory.routes = self._tenure.assignment.routes(self._plan.partitions)

    def _wait_s(self) -> float:
        """Return how long to wait for input: not beyond the time of the next commit."""
        if not self._transactions.open and not self._pending():
            return IDLE_WAIT_S
        return max(0.0, self._committed_s + MIN_COMMIT_S - time.monotonic())

    def _process(self, batch: Batch) -> None:
        running = self._tenure.running
        for partition, messages in batch.profiles:
            task = running.get(partition)
            if task is not None:
                task.profiles(messages)
                if task.pipeline.refused:
                    self._tell_refused(task)
        self._tell_attempts(batch)
        careful: list[tuple[Task, Sequence[Message]]] = []
        for partition, messages in batch.clicks:
            task = running.get(partition)
            if task is None:
                continue
            if self._quarantine.suspicion(partition) is not None:
                careful.append((task, messages))
            else:
                self._process_clicks(task, messages)
        for task, messages in careful:
            self._process_carefully(task, messages)
        for partition, position in batch.reached.items():
            task = running.get(partition)
            if task is not None:
                task.reached = max(task.reached, position)
        for partition, why in batch.lost.items():
            if partition in running:
                if self._transactions.open:
                    self._commit(client.TRANSACTION_TIMEOUT_S)
                self._tenure.refuse(partition, f"its position is outside the log: {why}. {OUTSIDE_THE_LOG}")

    def _tell_refused(self, task: Task) -> None:
        """Count and name the rows that the task has just refused, and set them aside as dead letters."""
        self._refused.note(task.partition, task.pipeline.refused)
        self._transactions.begin()
        try:
            task.write_refusals()
        except CLIENT_ERRORS as error:
            raise TransactionFailed(str(error)) from error
        self._transactions.relieve()

    def _tell_attempts(self, batch: Batch) -> None:
        """Before the first clicks of a task that was taken over: commit that they are begun (ADR 0050)."""
        begun = {}
        for partition, _ in batch.clicks:
            task = self._tenure.running.get(partition)
            if task is None or self._quarantine.suspicion(partition) is not None or partition in begun:
                continue
            if self._quarantine.to_tell(partition, task.epoch, task.next_clicks):
                task.begin_attempt(alone=False)
                begun[partition] = task
        self._commit_attempts(begun.values())

    def _commit_attempts(self, tasks: Collection[Task]) -> None:
        if not tasks:
            return
        self._commit(client.TRANSACTION_TIMEOUT_S)
        for task in tasks:
            self._quarantine.told(task.partition, task.epoch, task.next_clicks)

    def _process_carefully(self, task: Task, messages: Sequence[Message]) -> None:
        """Process clicks among which one may be to blame for a failure: see quarantine.py."""
        partition = task.partition
        messages = [message for message in messages if message.offset() >= task.next_clicks]
        while part := self._quarantine.take(partition, messages):
            if self.stopping.is_set():
                return  # what is not processed is read again
            if self._pending():
                self._commit(client.TRANSACTION_TIMEOUT_S)
            if self._quarantine.to_tell(partition, task.epoch, task.next_clicks):
                task.begin_attempt(alone=len(part) == 1)
                self._commit_attempts([task])
            messages = messages[len(part) :]
            self._transactions.begin()
            self._transactions.bind(task.outputs, careful=True)
            verdicts = self._quarantine.verdicts(partition)
            try:
                for message in part:
                    task.outputs.at = message.offset()
                    verdict = verdicts.get(message.offset())
                    if verdict is None:
                        task.clicks([message])
                    else:
                        task.set_aside(message, verdict)
            except CLIENT_ERRORS as error:
                raise TransactionFailed(str(error)) from error
            self._transactions.relieve()
            self._commit(client.TRANSACTION_TIMEOUT_S)
            self._turned_s = time.monotonic()
        self._transactions.bind(task.outputs)
        if messages:
            self._process_clicks(task, messages)

    def _process_clicks(self, task: Task, messages: Sequence[Message]) -> None:
        self._transactions.begin()
        try:
            task.clicks(messages)
        except CLIENT_ERRORS as error:
            raise TransactionFailed(str(error)) from error
        self._transactions.relieve()

    # --- commits ----------------------------------------------------------------------------------------

    def _pending(self) -> bool:
        return any(task.touched or task.profiles_touched for task in self._tenure.running.values())

    def _due(self, drained: bool) -> bool:
        since_s = time.monotonic() - self._committed_s
        return since_s >= self._interval_s or (drained and since_s >= MIN_COMMIT_S)

    def _commit(self, timeout_s: float) -> None:
        """Commit every task that has something to commit; nothing happens where none has."""
        self._committed_s = time.monotonic()
        changed = [task for task in self._tenure.running.values() if task.touched or task.profiles_touched]
        touched = [task for task in changed if task.touched]
        for task in changed:
            if not task.touched:
                task.commit_profiles()
        now_ms = _now_ms()
        if touched:
            self._transactions.begin()
            new = [task for task in touched if task.position is None]
            self._transactions.commit(touched, now_ms, timeout_s)
            for task in new:
                self._tenure.acknowledge(task)
            for task in touched:
                self._quarantine.committed(task.partition, task.next_clicks)
            self._failures = 0
            self._committed_s = time.monotonic()
        self._reporter.set_aside(touched, self._settings.topics.clicks, now_ms)
        self._reporter.committed(changed, now_ms, transactions=1 if touched else 0)
        self._publish(touched)

    # --- doubt ------------------------------------------------------------------------------------------

    def _fall_back(self, error: TransactionFailed | TaskBroken | LineFailed) -> None:
        """R7, R4: forget what is uncommitted, and let every running task come back through a restore."""
        log.warning("transaction given up, starting over from the last commit: %s", error)
        self._failures += 1
        self._reporter.commit_failed(str(error), _now_ms())
        stopped = {} if isinstance(error, TaskBroken) else self._find_culprits(error)
        self._tenure.fall_back()
        self._transactions.fail()
        for partition, detail in stopped.items():
            self._tenure.stop(partition, detail)
        self._publish([])

    def _find_culprits(self, error: TransactionFailed | LineFailed) -> dict[int, str]:
        """Take in what the failed transaction says of its clicks; return tasks to stop, with why."""
        stopped = {}
        if self._quarantine.careful:
            self._transactions.hear_refusals()
        for task in self._suspects(error):
            partition = task.partition
            self._quarantine.suspect(partition, task.next_clicks)
            known, outputs = self._quarantine.known(partition), task.outputs
            if not outputs.careful:
                continue  # which click it was shows the next time
            if isinstance(error, LineFailed) and error.partition == partition:
                self._quarantine.failed(
                    partition, task.first_in_hand, task.in_hand, error.offset, error.cause
                )
            else:
                detail = self._quarantine.refused(
                    partition, task.first_in_hand, task.in_hand, outputs.refusals
                )
                if detail is not None:
                    stopped[partition] = detail
            if self._quarantine.known(partition) != known:
                self._failures = 1  # it was learned from: no need to wait
        return stopped

    def _suspects(self, error: TransactionFailed | LineFailed) -> list[Task]:
        """Return the tasks with clicks in hand that may be to blame; none, where the world is."""
        tasks = [task for task in self._tenure.running.values() if task.in_hand]
        if isinstance(error, LineFailed):
            return [task for task in tasks if task.partition == error.partition]
        refused = self._transactions.refused_partitions(error)
        return [task for task in tasks if task.partition in refused or task.outputs.refusals]

    def _recover(self) -> None:
        """Make a producer, then read the assignment to its end (R3); after a slow commit too (R18)."""
        if self._failures:
            self.stopping.wait(BACK_OFF_S[min(self._failures, len(BACK_OFF_S)) - 1])
        self._learn_limits()
        cause = "slow-commit" if self._transactions.slow else "failure" if self._failures else "start"
        for task in self._tenure.running.values():
            task.outputs.unbind()
        if not self._transactions.initialise(cause, careful=self._quarantine.careful):
            self._each_second()
            return
        try:
            with self._watchdog.guard("read the assignment", REFRESH_S):
                self._source.refresh(REFRESH_S)
        except TimeoutError as error:
            log.warning("the assignment cannot be read to its end yet: %s", error)
            self._transactions.fail()
            return
        for task in self._tenure.running.values():
            self._transactions.bind(task.outputs)
        self._tenure.resume()

    def _learn_limits(self) -> None:
        """Before the first producer: ask what the topics take, which bounds its batches."""
        deadline_s = time.monotonic() + LIMITS_WAIT_S
        limits = self._topics.limits
        while not limits.options and not limits.unreadable and time.monotonic() < deadline_s:
            self._topics.look(time.monotonic())
            if self.stopping.wait(0.01):
                return

    # --- once a second ----------------------------------------------------------------------------------

    def _each_second(self) -> None:
        now_ms = _now_ms()
        answer = self._lag.take()
        if answer is not None:
            behind = False
            for partition, task in self._tenure.running.items():
                high = answer.high.get((self._settings.topics.clicks, partition))
                if high is not None:
                    behind |= high > task.reached
                    if task.measure(high, answer.asked_ms):
                        task.tick(answer.asked_ms)
            self._input.tell_progress(behind=behind)
        for task in self._tenure.running.values():
            task.check()
            if now_ms - task.committed_ms > PROVE_EVERY_MS:
                task.touched = True
        self._heed_topics()
        for task in self._tenure.running.values():
            task.pipeline.limit_outputs(self._transactions.output_bytes())
        self._quarantine.keep(p for p, view in self._directory.tasks.items() if view.phase != Phase.STOPPED)
        self._show_routes()
        self._tenure.retry()
        if self._turned_s - self._report_s >= REPORT_EVERY_S and self._tenure.running:
            self._report_s = self._turned_s
            self._input.report(
                {p: t.next_clicks for p, t in self._tenure.running.items() if t.position is not None}
            )
        self._publish(list(self._tenure.running.values()))
        self._reporter.measured(self._tenure.running.values(), self._memory, now_ms)

    def _heed_topics(self) -> None:
        """Look at the topics; let the tasks that stopped for them go on when they are right again."""
        before = self._topics.problem
        if self._topics.look(time.monotonic()) and before:
            self._tenure.readmit(before)

    def _stop_where_topics_do_not_fit(self) -> None:
        """Stop every task while the topics are not what the pipeline was made for.

        In each turn: a task that has just come back would fail its first transaction again.
        """
        if self._topics.problem and self._tenure.running:
            if self._transactions.open:
                self._commit(client.TRANSACTION_TIMEOUT_S)
            for partition in list(self._tenure.running):
                self._tenure.refuse(partition, self._topics.problem)

    def _publish(self, changed: list[Task]) -> None:
        """Show the queries what is held; `changed` are running tasks that have moved on."""
        self._directory.tasks = self._tenure.views(self._directory.tasks, changed)

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
        self._lag.stop()
        try:
            if self._transactions.ready and self._pending():
                self._commit(SHUTDOWN_COMMIT_S)
        except (TransactionFailed, TaskBroken) as error:
            log.warning("the last transaction failed, its clicks will be processed again: %s", error)
        self._directory.ready = False
        self._directory.tasks = {}
        self._transactions.close()
        self._restorer.stop(3.0)
        self._tenure.close()
        self._source.close()
        self._input.close()
        self._reporter.summary()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
