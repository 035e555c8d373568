"""From a doubt about a transaction back to work (R3, R4, R7).

1. What is uncommitted is forgotten, every running task is suspended, and the producer is given up.
2. A new producer is initialised, step by step, while queries go on.
3. The assignment is read to its end as of then (R3): a task may be another pod's by now.
4. The suspended tasks come back through a restore, which replays the changelog's tail (R4).

After a slow commit (R18) only steps 2 and 3 are taken: nothing is in doubt, and the tasks run on.
"""

import logging
import threading
import time

from clickstream_processor.control.assignment import AssignmentSource
from clickstream_processor.errors import LineFailed, TaskBroken, TransactionFailed
from clickstream_processor.kafka.watchdog import Watchdog
from clickstream_processor.processing.commits import Commits
from clickstream_processor.processing.culprits import Culprits
from clickstream_processor.processing.reporting import Reporter
from clickstream_processor.processing.tasks.holdings import Holdings
from clickstream_processor.processing.tasks.quarantine import Quarantine
from clickstream_processor.processing.tasks.running import RunningTasks
from clickstream_processor.processing.topics_watch import TopicsWatch
from clickstream_processor.processing.transaction import Transactions
from clickstream_processor.task_id import TaskId

log = logging.getLogger(__name__)

REFRESH_S = 10.0
LIMITS_WAIT_S = 2.0
BACK_OFF_S = (0.0, 0.2, 1.0, 2.0, 5.0)  # between recoveries that follow each other


class Recovery:
    """Used by the worker's thread only."""

    def __init__(
        self,
        source: AssignmentSource,
        holdings: Holdings,
        running: RunningTasks,
        transactions: Transactions,
        commits: Commits,
        quarantine: Quarantine,
        culprits: Culprits,
        topics: TopicsWatch,
        reporter: Reporter,
        watchdog: Watchdog,
        stopping: threading.Event,
    ) -> None:
        self._source = source
        self._holdings = holdings
        self._running = running
        self._transactions = transactions
        self._commits = commits
        self._quarantine = quarantine
        self._culprits = culprits
        self._topics = topics
        self._reporter = reporter
        self._watchdog = watchdog
        self._stopping = stopping

    def fall_back(self, error: TransactionFailed | TaskBroken | LineFailed) -> None:
        """R7, R4: forget what is uncommitted, and let every running task come back through a restore.

        A task that is to blame is stopped, or rebuilt where its state is damaged.
        """
        log.warning("transaction given up, starting over from the last commit: %s", error)
        self._commits.failures += 1
        self._reporter.commit_failed(str(error), time.time_ns() // 1_000_000)
        stopped: dict[TaskId, str] = {}
        if not isinstance(error, TaskBroken):
            stopped = self._culprits.find(error)
            if self._culprits.learned:
                self._commits.failures = 1  # no need to wait
        self._holdings.fall_back()
        self._transactions.fail()
        for task, detail in stopped.items():
            self._holdings.stop(task, detail)
        if isinstance(error, TaskBroken):
            self._holdings.repair(error)

    def recover(self) -> bool:
        """Make a producer, then read the assignment to its end (R3); after a slow commit too (R18).

        Returns False while there is no producer yet; call it again.
        """
        failures = self._commits.failures
        if failures:
            self._stopping.wait(BACK_OFF_S[min(failures, len(BACK_OFF_S)) - 1])
        self._learn_limits()
        cause = "slow-commit" if self._transactions.slow else "failure" if failures else "start"
        self._running.unbind()
        if not self._transactions.initialise(cause, careful=self._quarantine.careful):
            return False
        try:
            with self._watchdog.guard("read the assignment", REFRESH_S):
                self._source.refresh(REFRESH_S)
        except TimeoutError as error:
            log.warning("the assignment cannot be read to its end yet: %s", error)
            self._transactions.fail()
            return True
        self._running.bind()
        self._holdings.resume()
        return True

    def _learn_limits(self) -> None:
        """Before the first producer: ask what the topics take, which bounds its batches."""
        deadline_s = time.monotonic() + LIMITS_WAIT_S
        limits = self._topics.limits
        while not limits.options and not limits.unreadable and time.monotonic() < deadline_s:
            self._topics.look(time.monotonic())
            if self._stopping.wait(0.01):
                return
