"""The worker: one thread that reconciles its tasks to the assignment, processes, and commits.

A turn takes the restorer's outcomes, compares what is held with the newest assignment, reads one batch,
lets each task's line process its part, and commits when it is due. Any doubt about a transaction leads
to the recovery (recovery.py), which turns take before they go on.
"""

import logging
import threading
from collections.abc import Mapping

from confluent_kafka import KafkaException

from clickstream_processor.control.assignment import AssignmentSource
from clickstream_processor.directory import Directory
from clickstream_processor.errors import OUTSIDE_THE_LOG, LineFailed, TaskBroken, TransactionFailed
from clickstream_processor.faults import NO_FAULTS, Faults
from clickstream_processor.kafka import client
from clickstream_processor.kafka.watchdog import Watchdog
from clickstream_processor.processing.commits import Commits
from clickstream_processor.processing.culprits import Culprits
from clickstream_processor.processing.dispatcher import Dispatcher
from clickstream_processor.processing.housekeeping import Housekeeping
from clickstream_processor.processing.lag_watch import LagWatch
from clickstream_processor.processing.liveness import Liveness
from clickstream_processor.processing.output.producer import PodProducer
from clickstream_processor.processing.recovery import Recovery
from clickstream_processor.processing.reporting import Reporter
from clickstream_processor.processing.tasks.consumer import Input
from clickstream_processor.processing.tasks.holdings import Holdings
from clickstream_processor.processing.tasks.quarantine import Quarantine
from clickstream_processor.processing.tasks.running import RunningTasks
from clickstream_processor.processing.tasks.views import TaskViews
from clickstream_processor.processing.topics_watch import TopicsWatch
from clickstream_processor.processing.transaction import Transactions
from clickstream_processor.restoring.refused_rows import RefusedProfiles
from clickstream_processor.restoring.skipped import tell_skipped
from clickstream_processor.restoring.thread import RestoreThread
from clickstream_processor.settings.settings import Settings
from clickstream_processor.stages.stage import Stages
from clickstream_processor.state.memory import StateMemory
from clickstream_processor.task_id import TaskId

log = logging.getLogger(__name__)

SECOND = 1.0
SHUTDOWN_COMMIT_S = 4.0


class Worker:
    """The thread. `start`, `stop` and `age_s` may be called from others; all else is its own."""

    def __init__(
        self,
        settings: Settings,
        stages: Stages,
        directory: Directory,
        source: AssignmentSource,
        memory: StateMemory,
        faults: Faults = NO_FAULTS,
    ) -> None:
        self._directory = directory
        self._source = source
        self._admin = client.make_admin(settings, "admin")
        self._watchdog = Watchdog(self._brokers_answer)
        self._liveness = Liveness(self._watchdog)
        self.stopping = threading.Event()
        self.failed: BaseException | None = None  # what ended the thread out of order
        self.ended = threading.Event()
        self._topics = TopicsWatch(self._admin, settings, stages, directory)
        refused = RefusedProfiles(settings.topics.profiles, directory)
        self._restorer = RestoreThread(settings, stages, memory, faults, self._watchdog, refused)
        self._producer = PodProducer(settings, stages, self._watchdog, self._topics.limits.max_bytes)
        self._transactions = Transactions(settings, self._producer, faults, self._watchdog)
        self._quarantine = Quarantine()
        self._input = Input(settings, stages, self._watchdog)
        self._lag = LagWatch(self._admin, stages, directory)
        self._reporter = Reporter(directory, settings.topics.retention_ms)
        self._running = RunningTasks(stages, memory, self._producer, self._input)
        self._holdings = Holdings(settings.pod.ordinal, source, self._restorer, self._running, faults)
        self._views = TaskViews(directory, self._holdings, self._restorer, settings.topics.partitions)
        self._commits = Commits(
            settings,
            stages,
            source,
            self._running,
            self._transactions,
            self._quarantine,
            self._reporter,
            self._views,
        )
        self._dispatcher = Dispatcher(
            self._running,
            self._producer,
            self._transactions,
            self._commits,
            self._quarantine,
            refused,
            self._liveness,
            self.stopping,
        )
        self._recovery = Recovery(
            source,
            self._holdings,
            self._running,
            self._transactions,
            self._commits,
            self._quarantine,
            Culprits(self._running, self._producer, self._quarantine, stages, settings.topics.partitions),
            self._topics,
            self._reporter,
            self._watchdog,
            self.stopping,
        )
        self._housekeeping = Housekeeping(
            directory,
            memory,
            self._input,
            self._holdings,
            self._running,
            self._quarantine,
            self._views,
            self._topics,
            self._lag,
            self._reporter,
        )
        self._second_s = 0.0
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
        return self._liveness.age_s()

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
        self._liveness.turn()
        if self._restorer.failed is not None:
            raise self._restorer.failed
        if self._producer.careful and not (self._quarantine.careful or self._transactions.open):
            self._transactions.slow = True  # the suspects are behind: a producer for full speed
        try:
            if not self._transactions.ready:
                if not self._recovery.recover():
                    self._housekeeping.each_second(self._liveness.turned_s)
                return
            self._follow_assignment()
            self._stop_where_topics_do_not_fit()
            batch = self._input.poll(self._commits.wait_s())
            self._dispatcher.process(batch)
            self._stop_where_input_is_lost(batch.lost)
            if self._commits.pending() and self._commits.due(batch):
                self._commits.commit()
            if self._liveness.turned_s - self._second_s >= SECOND:
                self._second_s = self._liveness.turned_s
                self._housekeeping.each_second(self._second_s)
                self._commits.adapt(self._directory.backlogs)
        except (TransactionFailed, LineFailed, TaskBroken) as error:
            self._recovery.fall_back(error)
            self._views.publish()

    def _follow_assignment(self) -> None:
        """Take the restorer's outcomes and the steps to the newest assignment."""
        for task in self._holdings.take_outcomes():
            task.line.limit_outputs(self._producer.output_bytes())
            if task.position is not None:
                begun = task.position
                self._quarantine.took_over(task.id, task.epoch, begun.clicks, begun.attempts)
        if self._holdings.reconcile(self._source.poll(), self._commits.commit_open):
            self._directory.ready = True
            self._views.publish_routes()
            self._views.publish()

    def _stop_where_topics_do_not_fit(self) -> None:
        """Stop every task while the topics are not what the pipeline was made for.

        In each turn: a task that has just come back would fail its first transaction again.
        """
        if self._topics.problem and self._running.tasks:
            self._commits.commit_open()
            for task in list(self._running.tasks):
                self._holdings.stop(task, self._topics.problem)

    def _stop_where_input_is_lost(self, lost: Mapping[TaskId, str]) -> None:
        """Stop the tasks whose position the log does not have, with why; or let them skip what is lost."""
        for task, why in lost.items():
            if task in self._running.tasks:
                self._commits.commit_open()
                if self._running.tasks[task].stage.skips_lost_input:
                    self._skip_lost_input(task)
                    continue
                self._holdings.stop(task, f"its position is outside the log: {why}. {OUTSIDE_THE_LOG}")

    def _skip_lost_input(self, task: TaskId) -> None:
        try:
            before, now = self._running.skip_lost(task)
        except KafkaException as error:
            raise TransactionFailed(f"the start of the input of {task}: {error}") from error
        tell_skipped(task, before, now)

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
            if self._transactions.ready and self._commits.pending():
                self._commits.commit(SHUTDOWN_COMMIT_S)
        except (TransactionFailed, TaskBroken) as error:
            log.warning("the last transaction failed, its clicks will be processed again: %s", error)
        self._directory.ready = False
        self._directory.tasks = {}
        self._transactions.close()
        self._restorer.stop(3.0)
        self._holdings.close()
        self._source.close()
        self._input.close()
        self._reporter.summary()
