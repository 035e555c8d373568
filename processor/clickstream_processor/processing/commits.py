"""When the running tasks are committed, and what follows a commit (R11).

A commit is due as soon as the input is drained, at least 10 ms and at most `commitInterval` after the last.
Where the pod is behind, commits are rarer: a tenth of that delay apart, up to five times `commitInterval` or
a second. Then a commit has more clicks of each user and key, so fewer records are written for a click, and
results that are late anyway come at most a tenth later (ADR 0078). What a transaction does, in its order, is
in transaction.py.
"""

import time
from collections.abc import Mapping

from clickstream_processor.backlog import Backlog
from clickstream_processor.control.assignment import AssignmentSource
from clickstream_processor.kafka import client
from clickstream_processor.processing.reporting import Reporter
from clickstream_processor.processing.tasks.consumer import Batch
from clickstream_processor.processing.tasks.quarantine import Quarantine
from clickstream_processor.processing.tasks.running import RunningTasks
from clickstream_processor.processing.tasks.views import TaskViews
from clickstream_processor.processing.transaction import Transactions
from clickstream_processor.settings.settings import Settings
from clickstream_processor.stages.stage import Stages
from clickstream_processor.task_id import TaskId

MIN_COMMIT_S = 0.010  # R11: commits closer together cost more than they give
IDLE_WAIT_S = 0.05
DELAY_SHARE = 10  # a commit adds a tenth to the delay there is,
LONGEST = 5  # and is no further from the last one than so many intervals,
LONGEST_S = 1.0  # nor than this, where `commitInterval` is not longer itself


class Commits:
    """The pod's commits, one after another. Used by the worker's thread only."""

    def __init__(
        self,
        settings: Settings,
        stages: Stages,
        source: AssignmentSource,
        running: RunningTasks,
        transactions: Transactions,
        quarantine: Quarantine,
        reporter: Reporter,
        views: TaskViews,
    ) -> None:
        self._configured_s = self._interval_s = settings.processing.commit_interval_ms / 1_000
        self._first_stages = {
            stage.name for stage in stages.values() if stage.input == settings.topics.clicks
        }
        self._source = source
        self._running = running
        self._transactions = transactions
        self._quarantine = quarantine
        self._reporter = reporter
        self._views = views
        self._committed_s = 0.0
        self.failures = 0  # since the last commit that got through; the recovery counts them

    def pending(self) -> bool:
        """Tell whether any task has something to commit."""
        return any(task.touched or task.profiles_touched for task in self._running.tasks.values())

    def due(self, batch: Batch) -> bool:
        """Tell whether it is time to commit after this batch."""
        # A pod that is behind knows that more is waiting, though a poll may bring less than it could.
        is_stretched = self._interval_s > self._configured_s
        drained = not batch.records if is_stretched else batch.drained
        since_s = time.monotonic() - self._committed_s
        return since_s >= (MIN_COMMIT_S if drained else self._interval_s)

    def adapt(self, backlogs: Mapping[TaskId, Backlog]) -> None:
        """Set how far commits are apart, by how far the tasks that read the clicks topic are behind.

        The one that is the least behind decides: its results wait for the commit, too.
        """
        behind = (backlog.ms or 0 for task, backlog in backlogs.items() if task.stage in self._first_stages)
        self._interval_s = interval_s(self._configured_s, min(behind, default=0))

    def wait_s(self) -> float:
        """Return how long to wait for input: not beyond the time of the next commit."""
        if not self._transactions.open and not self.pending():
            return IDLE_WAIT_S
        return max(0.0, self._committed_s + MIN_COMMIT_S - time.monotonic())

    def commit_open(self) -> None:
        """Commit if a transaction is open: before tasks stop that it may touch."""
        if self._transactions.open:
            self.commit()

    def commit(self, timeout_s: float = client.TRANSACTION_TIMEOUT_S) -> None:
        """Commit every task that has something to commit; nothing happens where none has.

        Raises TransactionFailed, TaskBroken, LineFailed.
        """
        self._committed_s = time.monotonic()
        changed = [task for task in self._running.tasks.values() if task.touched or task.profiles_touched]
        touched = [task for task in changed if task.touched]
        for task in changed:
            if not task.touched:
                task.commit_profiles()
        now_ms = time.time_ns() // 1_000_000
        if touched:
            self._transactions.begin()
            new = [task for task in touched if task.position is None]
            self._transactions.commit(touched, now_ms, timeout_s)
            for task in new:
                self._source.acquired(task.id, task.epoch)
            for task in touched:
                self._quarantine.committed(task.id, task.next_record)
            self.failures = 0
            self._committed_s = time.monotonic()
        self._reporter.set_aside(touched, now_ms)
        self._reporter.committed(changed, now_ms, transactions=1 if touched else 0)
        self._views.publish(touched)


def interval_s(configured_s: float, behind_ms: int) -> float:
    """Return how far commits are apart at most, for a pod that is so far behind."""
    wanted_s = min(behind_ms / 1_000 / DELAY_SHARE, configured_s * LONGEST, LONGEST_S)
    return max(configured_s, wanted_s)
