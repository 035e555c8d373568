"""What becomes of produced records: acknowledged, refused for what they are, or on their way.

The client answers each record with a delivery report, from within `poll` and `flush`. Of a transaction that
has failed it tells nothing until it is asked.
"""

import re
import time
from collections.abc import Callable, Collection
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from clickstream_processor.errors import TransactionFailed
from clickstream_processor.kafka.client import CLIENT_ERRORS
from clickstream_processor.processing.output.task_outputs import Refusal, TaskOutputs

FLUSH_STEP_S = 0.2
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
# The client's words. A task writes to the partitions of its own number, but for `Stage.spread`.
_PLACE = re.compile(r"ProduceRequest for (\S+) \[(\d+)\]")


class ChangelogReport:
    """The delivery report of a task's last changelog record (R12)."""

    __slots__ = ("_before", "_delivered", "_error", "expected")

    def __init__(self, before: int) -> None:
        """`before`: the changelog offset that stays where the transaction has no changelog record."""
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


def produce_reporting(
    produce: Callable[..., None],
    outputs: TaskOutputs,
    topic: str,
    value: bytes | str | None,
    key: bytes | None,
    partition: int,
    report: ChangelogReport | None = None,
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


def flush(producer: Producer, timeout_s: float) -> None:
    """Wait until all is acknowledged. Raises TransactionFailed, KafkaException.

    In steps: once a record was refused the client sends nothing more, and says so only when asked.
    """
    deadline_s = time.monotonic() + timeout_s
    while left := producer.flush(min(FLUSH_STEP_S, timeout_s)):
        ask_state(producer)
        if time.monotonic() > deadline_s:
            raise TransactionFailed(f"{left} records were not acknowledged within {timeout_s:.0f} s")


def ask_state(producer: Producer) -> None:
    """Raise what has failed the open transaction, if anything has.

    The client has no call that tells. To begin another transaction is answered with `_STATE` while one is
    open and well, and with its error once it has failed; it changes nothing either way.
    """
    try:
        producer.begin_transaction()
    except KafkaException as error:
        if error.args[0].code() != KafkaError._STATE:
            raise


def refused_partitions(
    producer: Producer | None, failure: TransactionFailed, partitions: int, spread: Collection[str] = ()
) -> frozenset[int]:
    """Return the partitions of tasks of which a record was refused for what it is; empty: none is at fault.

    All of them where the client does not say which, or names a topic of `spread`. It may name what has failed
    its transaction only when asked, so `producer` must still be the one that failed.
    """
    causes = [failure.__cause__]
    if producer is not None:
        try:
            ask_state(producer)
        except CLIENT_ERRORS as asked:
            causes.append(asked)
    found = set()
    for cause in causes:
        refusal = cause.args[0] if isinstance(cause, KafkaException) else None
        if isinstance(refusal, KafkaError) and refusal.code() in REFUSALS:
            place = _PLACE.search(refusal.str())
            by_number = place is not None and place[1] not in spread
            found |= {int(place[2])} if place and by_number else set(range(partitions))
    return frozenset(found)
