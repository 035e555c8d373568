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
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from clickstream_processor import metrics
from clickstream_processor.errors import TransactionFailed
from clickstream_processor.runtime import client
from clickstream_processor.runtime.crash import CrashPoints
from clickstream_processor.runtime.protocol import task_name
from clickstream_processor.runtime.task import Task, TaskOutputs
from clickstream_processor.runtime.watchdog import Watchdog
from clickstream_processor.settings import Settings
from clickstream_processor.topology.interfaces import Message as Record

log = logging.getLogger(__name__)

# R18: below this a commit's request cannot have been sent twice (retry.backoff.ms is 1,000).
SLOW_COMMIT_S = 0.75
INIT_TRY_S = 5.0  # one wait for init_transactions, which goes on in the client between the waits
# Records on their way to the brokers above which the input waits: some 100 MB of small records.
IN_FLIGHT = 300_000
# What a call of the producer may raise. SystemError: the client sets the exception of a fatal error (being
# fenced is one) while it goes on calling delivery callbacks, whose results Python then finds inconsistent.
CLIENT_ERRORS = (KafkaException, BufferError, SystemError)
# What a call on a producer may raise. SystemError: the client sets the exception of a fatal error (fenced,
# mostly) inside a callback, and the next callback of the same call finds it there.
CLIENT_ERRORS = (KafkaException, BufferError, SystemError)


class Transactions:
    """The pod's one transactional producer and its open transaction. Used by the worker's thread only."""

    def __init__(self, settings: Settings, crash: CrashPoints, watchdog: Watchdog) -> None:
        self._settings = settings
        self._crash = crash
        self._watchdog = watchdog
        self._producer: Producer | None = None  # initialised, fit for use
        self._next: Producer | None = None  # being initialised
        self._skip_r18 = settings.pod.unsafe_skip_rule == "R18"
        self.open = False
        self.slow = False  # the last commit was slow: `initialise` before the next begin

    @property
    def ready(self) -> bool:
        """Tell whether a transaction can begin."""
        return self._producer is not None and not self.slow

    def initialise(self, cause: str) -> bool:
        """Take one step towards a new producer; return True when it is there. Blocks 5 s at most."""
        self._give_up()
        try:
            if self._next is None:
                self._next = client.make_transactional_producer(self._settings, self._settings.pod.ordinal)
                metrics.PRODUCERS.labels(cause).inc()
            with self._watchdog.guard("init_transactions", client.TRANSACTION_TIMEOUT_S):
                self._next.init_transactions(INIT_TRY_S)
        except CLIENT_ERRORS as error:
            log.warning("transactional producer not initialised yet: %s", error)
            if not _goes_on(error):
                _drop(self._next)
                self._next = None
                time.sleep(0.2)
            return False
        self._producer, self._next = self._next, None
        return True

    def bind(self, outputs: TaskOutputs) -> None:
        """Let a task's outputs go through the current producer."""
        if self._producer is None:
            raise TransactionFailed("there is no producer")
        topics, partition, produce = self._settings.topics, outputs.partition, self._producer.produce
        enriched_topic, metrics_topic = topics.enriched, topics.metrics

        def enriched(value: str | bytes, key: bytes, timestamp_ms: int, /) -> None:
            produce(enriched_topic, value, key, partition, None, None, timestamp_ms)

        def counts(value: str, key: bytes, timestamp_ms: int, /) -> None:
            produce(metrics_topic, value, key, partition, None, None, timestamp_ms)

        outputs.enriched, outputs.metrics = enriched, counts
        outputs.dead_letter = partial(_dead_letter, produce, topics.dead_letters, topics.clicks, partition)

    def begin(self) -> None:
        """Begin a transaction unless one is open. Local: nothing is sent yet."""
        if self.open:
            return
        if self._producer is None:
            raise TransactionFailed("there is no producer")
        try:
            self._producer.begin_transaction()
        except CLIENT_ERRORS as error:
            raise TransactionFailed(str(error)) from error
        self.open = True
        self._crash.reach("after-begin")

    def relieve(self) -> None:
        """Serve delivery reports, and wait while too much is on its way to the brokers."""
        producer = self._producer
        if producer is None:
            return
        self._crash.reach("mid")
        deadline_s = time.monotonic() + client.TRANSACTION_TIMEOUT_S
        try:
            producer.poll(0)
            while len(producer) > IN_FLIGHT:
                if time.monotonic() > deadline_s:
                    raise TransactionFailed("the brokers take no records")
                producer.poll(0.01)
        except CLIENT_ERRORS as error:
            raise TransactionFailed(str(error)) from error

    def commit(self, tasks: Sequence[Task], now_ms: int, timeout_s: float) -> None:
        """Commit what the tasks have done since the last commit. Raises TransactionFailed."""
        producer = self._producer
        if producer is None or not self.open:
            raise TransactionFailed("no transaction is open")
        began_s = time.monotonic()
        try:
            reports = [self._produce_state(producer, task, now_ms) for task in tasks]  # 1
            with self._watchdog.guard("flush", timeout_s):  # 2
                left = producer.flush(timeout_s)
            if left:
                raise TransactionFailed(f"{left} records were not acknowledged within {timeout_s:.0f} s")
            offsets = [report.offset() for report in reports]
            self._crash.reach("after-flush")
            commit_s = time.monotonic()
            with self._watchdog.guard("commit_transaction", timeout_s):  # 3
                producer.commit_transaction(timeout_s)
            commit_s = time.monotonic() - commit_s
        except CLIENT_ERRORS as error:
            raise TransactionFailed(str(error)) from error
        self.open = False
        self._crash.reach("after-commit")
        for task, offset in zip(tasks, offsets, strict=True):  # 4
            task.committed(now_ms, offset)
        self._crash.reach("after-write")
        if commit_s >= SLOW_COMMIT_S and not self._skip_r18:  # 5
            log.warning("a commit took %.1f s: a new producer before the next transaction", commit_s)
            self.slow = True
        metrics.COMMITS.labels("committed").inc()
        metrics.COMMIT_DURATION.observe(time.monotonic() - began_s)

    def fail(self) -> None:
        """Give the producer up; its transaction is aborted by the next one's initialisation."""
        metrics.COMMITS.labels("failed").inc()
        self._give_up()

    def close(self) -> None:
        """Give everything up at the end of the process."""
        self._give_up()
        self._next = None

    def _give_up(self) -> None:
        if self._producer is not None:
            _drop(self._producer)
        self._producer = None
        self.open = self.slow = False

    def _produce_state(self, producer: Producer, task: Task, now_ms: int) -> "_Report":
        """Finish a task's part; return where the offset of its last changelog record will be."""
        report = _Report(task.store.checkpoint.changelog_offset)
        changes, topic, partition = task.flush(), self._settings.changelog_topic, task.partition
        for key, value in changes[:-1]:
            producer.produce(topic, value, key, partition)
        if changes:
            key, value = changes[-1]
            report.expected = True
            producer.produce(topic, value, key, partition, report)
        position = task.next_position(now_ms, self._settings.pod.ordinal)
        producer.produce(self._settings.positions_topic, position.encode(), task_name(partition), partition)
        return report


class _Report:
    """The delivery report of a task's last changelog record (R12)."""

    __slots__ = ("_before", "_delivered", "_error", "expected")

    def __init__(self, before: int) -> None:
        self._before = before
        self._delivered: int | None = None
        self._error: KafkaError | None = None
        self.expected = False

    def __call__(self, error: KafkaError | None, message: Message) -> None:
        self._error, self._delivered = error, message.offset()

    def offset(self) -> int:
        """Return the changelog offset after the transaction. Raises TransactionFailed."""
        if not self.expected:
            return self._before
        if self._error is not None or self._delivered is None:
            raise TransactionFailed(f"a changelog record was not delivered: {self._error}")
        return self._delivered + 1


def _dead_letter(
    produce: Callable[..., None],
    topic: str,
    source: str,
    partition: int,
    message: Record,
    reason: str,
    detail: str,
    /,
) -> None:
    """Send a click as it came; its reason and origin are headers."""
    headers: list[tuple[str, str | bytes | None]] = [
        ("reason", reason),
        ("detail", detail),
        ("source-topic", source),
        ("source-partition", str(partition)),
        ("source-offset", str(message.offset())),
    ]
    timestamp_ms = message.timestamp()[1]
    produce(topic, message.value(), message.key(), partition, None, None, max(0, timestamp_ms), headers)


def _goes_on(error: BaseException) -> bool:
    """Tell whether init_transactions goes on in the client and is to be awaited again."""
    cause = error.args[0]
    return isinstance(cause, KafkaError) and cause.retriable() and not cause.fatal()


def _drop(producer: Producer | None) -> None:
    """Destroy a producer on a thread of its own: that may take as long as its connections do."""
    if producer is None:
        return
    try:
        producer.purge(in_queue=True, in_flight=True, blocking=False)
    except KafkaException as error:
        log.debug("purge: %s", error)
    threading.Thread(target=_destroy, args=([producer],), name="drop-producer", daemon=True).start()


def _destroy(last: list[Producer]) -> None:
    last.clear()
