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
import re
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from clickstream_processor import metrics
from clickstream_processor.errors import TransactionFailed
from clickstream_processor.runtime import client
from clickstream_processor.runtime.client import CLIENT_ERRORS
from clickstream_processor.runtime.crash import CrashPoints
from clickstream_processor.runtime.letters import FRAME_BYTES, letter
from clickstream_processor.runtime.protocol import task_name
from clickstream_processor.runtime.quarantine import Refusal
from clickstream_processor.runtime.task import Task, TaskOutputs
from clickstream_processor.runtime.watchdog import Watchdog
from clickstream_processor.settings import Settings
from clickstream_processor.topology.codec import MAX_KEY_BYTES
from clickstream_processor.topology.interfaces import Message as Record
from clickstream_processor.topology.records import Reason

log = logging.getLogger(__name__)

# R18: below this a commit's request cannot have been sent twice (retry.backoff.ms is 1,000).
SLOW_COMMIT_S = 0.75
INIT_TRY_S = 5.0  # one wait for init_transactions, which goes on in the client between the waits
INIT_TRIES = 12  # then another client tries (ADR 0059)
# Records on their way to the brokers above which the input waits: some 100 MB of small records.
IN_FLIGHT = 300_000
QUARANTINE = frozenset({Reason.PROCESSING_FAILED.value, Reason.OUTPUT_REFUSED.value})
# The client's words; a task writes to the partitions of its own number.
_PLACE = re.compile(r"ProduceRequest for \S+ \[(\d+)\]")
FLUSH_STEP_S = 0.2
REFUSALS_WAIT_S = 1.0  # for the delivery reports of a careful transaction that failed
# What brokers, and the client in their place, answer of a record for what it is, not for where it goes.
REFUSALS = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.INVALID_TIMESTAMP,
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_MSG,
        KafkaError.UNSUPPORTED_FOR_MESSAGE_FORMAT,
        KafkaError.POLICY_VIOLATION,
    }
)


class Transactions:
    """The pod's one transactional producer and its open transaction. Used by the worker's thread only."""

    def __init__(
        self, settings: Settings, crash: CrashPoints, watchdog: Watchdog, max_bytes: Callable[[str], int]
    ) -> None:
        """`max_bytes` tells what a topic takes."""
        self._settings = settings
        self._max_bytes = max_bytes
        self._crash = crash
        self._watchdog = watchdog
        self._producer: Producer | None = None  # initialised, fit for use
        self._next: Producer | None = None  # being initialised
        self._tries = 0  # of it
        self._skip_r18 = settings.pod.unsafe_skip_rule == "R18"
        self.open = False
        self.careful = False  # the producer sends each record alone
        self.slow = False  # the last commit was slow: `initialise` before the next begin

    @property
    def ready(self) -> bool:
        """Tell whether a transaction can begin."""
        return self._producer is not None and not self.slow

    def initialise(self, cause: str, *, careful: bool = False) -> bool:
        """Take one step towards a new producer; return True when it is there. Blocks 5 s at most.

        `careful`: it sends each record alone, so that a refusal names one.
        """
        self._give_up()
        try:
            if self._next is None:
                self._next = client.make_transactional_producer(
                    self._settings,
                    self._settings.pod.ordinal,
                    batch_bytes=self._batch_bytes(),
                    batch_records=1 if careful else client.BATCH_RECORDS,
                )
                self.careful, self._tries = careful, 0
                metrics.PRODUCERS.labels(cause).inc()
            with self._watchdog.guard("init_transactions", client.TRANSACTION_TIMEOUT_S):
                self._next.init_transactions(INIT_TRY_S)
        except CLIENT_ERRORS as error:
            log.warning("transactional producer not initialised yet: %s", error)
            self._tries += 1
            if not _goes_on(error) or self._tries >= INIT_TRIES:
                _drop(self._next)
                self._next = None
                time.sleep(0.2)
            return False
        self._producer, self._next = self._next, None
        return True

    def bind(self, outputs: TaskOutputs, *, careful: bool = False) -> None:
        """Let a task's outputs go through the current producer; `careful`: each reports a refusal."""
        if self._producer is None:
            raise TransactionFailed("there is no producer")
        topics, partition, produce = self._settings.topics, outputs.partition, self._producer.produce
        enriched_topic, metrics_topic = topics.enriched, topics.metrics
        if careful:
            produce = partial(_produce_reporting, produce, outputs)

        def enriched(value: str | bytes, key: bytes, timestamp_ms: int, /) -> None:
            produce(enriched_topic, value, key, partition, None, None, timestamp_ms)

        def counts(value: str, key: bytes, timestamp_ms: int, /) -> None:
            produce(metrics_topic, value, key, partition, None, None, timestamp_ms)

        def set_aside(source: str, message: Record, reason: str, detail: str, /) -> None:
            made = letter(
                message,
                reason,
                detail,
                source,
                partition,
                max_bytes=self._max_bytes(topics.dead_letters),
                bare=outputs.bare,
            )
            produce(
                topics.dead_letters,
                made.value,
                made.key,
                partition,
                None,
                None,
                made.timestamp_ms,
                made.headers,
            )
            if reason in QUARANTINE:
                outputs.set_aside.append((message.offset(), reason, detail))

        outputs.enriched, outputs.metrics = enriched, counts
        outputs.dead_letter = partial(set_aside, topics.clicks)
        outputs.refused_profile = partial(set_aside, topics.profiles)
        outputs.careful, outputs.at, outputs.refusals = careful, None, []

    def output_bytes(self) -> int:
        """Return how large an enriched click may be."""
        return self._max_bytes(self._settings.topics.enriched) - FRAME_BYTES - MAX_KEY_BYTES

    def begin(self) -> None:
        """Begin a transaction unless one is open. Local: nothing is sent yet."""
        if self.open:
            return
        if self._producer is None:
            raise TransactionFailed("there is no producer")
        if self.slow:
            raise TransactionFailed("the last commit was slow (R18): a new producer comes first")
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
                if producer.poll(0.01) == 0:
                    _ask_state(producer)
        except CLIENT_ERRORS as error:
            raise TransactionFailed(str(error)) from error

    def commit(self, tasks: Sequence[Task], now_ms: int, timeout_s: float) -> None:
        """Commit what the tasks have done since the last commit. Raises TransactionFailed."""
        producer = self._producer
        if producer is None or not self.open:
            raise TransactionFailed("no transaction is open")
        began_s = time.monotonic()
        try:
            for task in tasks:
                task.outputs.at = None  # what follows is of no single click
            reports = [self._produce_state(producer, task, now_ms) for task in tasks]  # 1
            with self._watchdog.guard("flush", timeout_s):  # 2
                _flush(producer, timeout_s)
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

    def hear_refusals(self) -> None:
        """After a failure: let the delivery reports come that say which records were refused."""
        if self._producer is None:
            return
        try:
            self._producer.purge(in_queue=True, in_flight=False, blocking=False)
            self._producer.flush(REFUSALS_WAIT_S)
        except CLIENT_ERRORS as error:
            log.debug("delivery reports of a failed transaction: %s", error)

    def refused_partitions(self, error: TransactionFailed) -> frozenset[int]:
        """Return the partitions of which a record was refused for what it is; empty: no record is at fault.

        Call it before `fail`: the client may say only when asked what has failed its transaction.
        """
        causes = [error.__cause__]
        if self._producer is not None:
            try:
                _ask_state(self._producer)
            except CLIENT_ERRORS as asked:
                causes.append(asked)
        found = set()
        for cause in causes:
            refusal = cause.args[0] if isinstance(cause, KafkaException) else None
            if isinstance(refusal, KafkaError) and refusal.code() in REFUSALS:
                place = _PLACE.search(refusal.str())
                found |= {int(place[1])} if place else set(range(self._settings.topics.partitions))
        return frozenset(found)

    def fail(self) -> None:
        """Give the producer up; its transaction is aborted by the next one's initialisation."""
        metrics.COMMITS.labels("failed").inc()
        self._give_up()

    def close(self) -> None:
        """Give everything up at the end of the process."""
        self._give_up()
        self._next = None

    def _batch_bytes(self) -> int:
        """Return how large a batch may be: no topic refuses records for the company they come in."""
        topics = self._settings.topics
        outputs = (topics.enriched, topics.metrics, topics.dead_letters, self._settings.changelog_topic)
        return min(client.BATCH_BYTES, *(self._max_bytes(topic) for topic in outputs))

    def _give_up(self) -> None:
        if self._producer is not None:
            _drop(self._producer)
        self._producer = None
        self.open = self.slow = False

    def _produce_state(self, producer: Producer, task: Task, now_ms: int) -> "_Report":
        """Finish a task's part; return where the offset of its last changelog record will be."""
        report = _Report(task.store.checkpoint.changelog_offset)
        changes, topic, partition = task.flush(), self._settings.changelog_topic, task.partition
        produce = producer.produce
        if task.outputs.careful:
            produce = partial(_produce_reporting, produce, task.outputs)
        for key, value in changes[:-1]:
            produce(topic, value, key, partition)
        if changes:
            key, value = changes[-1]
            report.expected = True
            produce(topic, value, key, partition, report)
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


def _produce_reporting(
    produce: Callable[..., None],
    outputs: TaskOutputs,
    topic: str,
    value: bytes | str | None,
    key: bytes | None,
    partition: int,
    report: "_Report | None" = None,
    *more: Any,
) -> None:
    """Produce a record that tells `outputs` when it is refused for what it is."""
    at = outputs.at

    def reported(error: KafkaError | None, message: Message) -> None:
        if error is not None and error.code() in REFUSALS:
            outputs.refusals.append(Refusal(at, f"topic {topic}, partition {partition}: {error.str()}"))
        if report is not None:
            report(error, message)

    try:
        produce(topic, value, key, partition, reported, *more)
    except KafkaException as error:
        cause = error.args[0]
        if isinstance(cause, KafkaError) and cause.code() in REFUSALS:
            outputs.refusals.append(Refusal(at, f"topic {topic}, partition {partition}: {cause.str()}"))
        raise


def _flush(producer: Producer, timeout_s: float) -> None:
    """Wait until all is acknowledged. Raises TransactionFailed, KafkaException.

    In steps: once a record was refused the client sends nothing more, and says so only when asked.
    """
    deadline_s = time.monotonic() + timeout_s
    while left := producer.flush(min(FLUSH_STEP_S, timeout_s)):
        _ask_state(producer)
        if time.monotonic() > deadline_s:
            raise TransactionFailed(f"{left} records were not acknowledged within {timeout_s:.0f} s")


def _ask_state(producer: Producer) -> None:
    """Raise what has failed the open transaction, if anything has.

    The client has no call that tells. To begin another transaction is answered with `_STATE` while one is
    open and well, and with its error once it has failed; it changes nothing either way.
    """
    try:
        producer.begin_transaction()
    except KafkaException as error:
        if error.args[0].code() != KafkaError._STATE:
            raise


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
