"""One Kafka transaction at a time: outputs, dead letters, changelog and positions together, or not at all.

Order of a commit, which is the whole of exactly-once (R5, R7, R12, R18):

1. The line's counts and changelog records, then each task's position, are produced.
2. `flush`: everything is acknowledged; the last changelog record's delivery report gives its offset.
3. `commit_transaction`, timed alone.
4. RocksDB: data, position and changelog offset in one batch per task.
5. After a slow commit a new producer, before the next transaction begins.

On any error the producer is given up and never asked again: TransactionFailed.
"""

import logging
import time
from collections.abc import Sequence
from functools import partial

from confluent_kafka import Producer

from clickstream_processor import metrics
from clickstream_processor.errors import TransactionFailed
from clickstream_processor.faults import Faults
from clickstream_processor.kafka import client
from clickstream_processor.kafka.client import CLIENT_ERRORS
from clickstream_processor.kafka.watchdog import Watchdog
from clickstream_processor.processing.output.delivery import (
    ChangelogReport,
    ask_state,
    flush,
    produce_reporting,
)
from clickstream_processor.processing.output.producer import PodProducer
from clickstream_processor.processing.tasks.task import Task
from clickstream_processor.settings.settings import Settings

log = logging.getLogger(__name__)

# R18: below this a commit's request cannot have been sent twice (retry.backoff.ms is 1,000).
SLOW_COMMIT_S = 0.75
# Records on their way to the brokers above which the input waits: some 100 MB of small records.
IN_FLIGHT = 300_000


class Transactions:
    """The transactions of the pod's producer, one after another. Used by the worker's thread only."""

    def __init__(self, settings: Settings, producer: PodProducer, faults: Faults, watchdog: Watchdog) -> None:
        self._settings = settings
        self._producer = producer
        self._faults = faults
        self._watchdog = watchdog
        self.open = False
        self.slow = False  # the last commit was slow: `initialise` before the next begin

    @property
    def ready(self) -> bool:
        """Tell whether a transaction can begin."""
        return self._producer.current is not None and not self.slow

    def initialise(self, cause: str, *, careful: bool) -> bool:
        """Take one step towards a new producer; return True when it is there. Blocks 5 s at most.

        `careful`: it sends each record alone, so that a refusal names one.
        """
        self.open = self.slow = False
        return self._producer.initialise(cause, careful=careful)

    def begin(self) -> None:
        """Begin a transaction unless one is open. Local: nothing is sent yet."""
        if self.open:
            return
        if self._producer.current is None:
            raise TransactionFailed("there is no producer")
        if self.slow:
            raise TransactionFailed("the last commit was slow (R18): a new producer comes first")
        try:
            self._producer.current.begin_transaction()
        except CLIENT_ERRORS as error:
            raise TransactionFailed(str(error)) from error
        self.open = True
        self._faults.reach("after-begin")

    def relieve(self) -> None:
        """Serve delivery reports, and wait while too much is on its way to the brokers."""
        producer = self._producer.current
        if producer is None:
            return
        self._faults.reach("mid")
        deadline_s = time.monotonic() + client.TRANSACTION_TIMEOUT_S
        try:
            producer.poll(0)
            while len(producer) > IN_FLIGHT:
                if time.monotonic() > deadline_s:
                    raise TransactionFailed("the brokers take no records")
                if producer.poll(0.01) == 0:
                    ask_state(producer)
        except CLIENT_ERRORS as error:
            raise TransactionFailed(str(error)) from error

    def commit(self, tasks: Sequence[Task], now_ms: int, timeout_s: float) -> None:
        """Commit what the tasks have done since the last commit. Raises TransactionFailed."""
        producer = self._producer.current
        if producer is None or not self.open:
            raise TransactionFailed("no transaction is open")
        began_s = time.monotonic()
        try:
            for task in tasks:
                task.outputs.at = None  # what follows is of no single click
            reports = [self._produce_state(producer, task, now_ms) for task in tasks]  # 1
            with self._watchdog.guard("flush", timeout_s):  # 2
                flush(producer, timeout_s)
            offsets = [report.offset() for report in reports]
            self._faults.reach("after-flush")
            commit_s = time.monotonic()
            with self._watchdog.guard("commit_transaction", timeout_s):  # 3
                producer.commit_transaction(timeout_s)
            commit_s = time.monotonic() - commit_s
        except CLIENT_ERRORS as error:
            raise TransactionFailed(str(error)) from error
        self.open = False
        self._faults.reach("after-commit")
        for task, offset in zip(tasks, offsets, strict=True):  # 4
            task.committed(now_ms, offset)
        self._faults.reach("after-write")
        if commit_s >= SLOW_COMMIT_S and not self._faults.skips("R18"):  # 5
            log.warning("a commit took %.1f s: a new producer before the next transaction", commit_s)
            self.slow = True
        metrics.COMMITS.labels("committed").inc()
        metrics.COMMIT_DURATION.observe(time.monotonic() - began_s)

    def fail(self) -> None:
        """Give the producer up; its transaction is aborted by the next one's initialisation."""
        metrics.COMMITS.labels("failed").inc()
        self._producer.give_up()
        self.open = self.slow = False

    def close(self) -> None:
        """Give everything up at the end of the process."""
        self._producer.close()
        self.open = self.slow = False

    def _produce_state(self, producer: Producer, task: Task, now_ms: int) -> ChangelogReport:
        """Finish a task's part; return where the offset of its last changelog record will be."""
        report = ChangelogReport(task.store.checkpoint.changelog_offset)
        changes, topic, partition = task.flush(), task.stage.changelog or "", task.partition
        produce = producer.produce
        if task.outputs.careful:
            produce = partial(produce_reporting, produce, task.outputs)
        if changes and not topic:
            raise AssertionError(f"stage {task.stage.name} has changes of a state, and no changelog")
        for key, value in changes[:-1]:
            produce(topic, value, key, partition)
        if changes:
            key, value = changes[-1]
            report.expected = True
            produce(topic, value, key, partition, report)
        position = task.next_position(now_ms, self._settings.pod.ordinal)
        producer.produce(self._settings.positions_topic, position.encode(), task.name, partition)
        return report
