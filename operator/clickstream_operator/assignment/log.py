"""The control topics as the controller has them: `ControlReader` folds them, `ControlWriter` publishes."""

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)

from clickstream_operator.assignment.records import (
    Ack,
    Assignment,
    Claim,
    Heartbeat,
    MalformedRecord,
    decode_ack,
    decode_assignment,
    encode,
)

log = logging.getLogger(__name__)

TRANSACTION_TIMEOUT_S = 30.0  # R7: 10 s collides with the broker's session of 9 s
SLOW_COMMIT_S = 0.75  # R18
INIT_TIMEOUT_S = 10.0  # then again: a controller that is told to end must not wait for Kafka
_FENCED = (KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH, 90)  # 90: PRODUCER_FENCED


class Unreachable(Exception):
    """Kafka did not answer in time, or a write may have failed. Read again and go on with a new writer."""


class Superseded(Exception):
    """Another controller writes the assignment. End; it goes on from what stands in the topic."""


@dataclass(slots=True)
class ControlReader:
    """Reads both control topics from the start; what it holds is what is committed there.

    Used from one thread. `assignments`, `claim`, `beats`, `acquired` grow with each `poll`.
    """

    config: dict[str, Any]
    pipeline_id: str
    claim: Claim | None = None
    term: int = 0
    assignments: dict[str, Assignment] = field(default_factory=dict)
    beats: dict[int, Heartbeat] = field(default_factory=dict)  # of the highest incarnation
    acquired: dict[str, int] = field(default_factory=dict)  # task -> greatest epoch acknowledged
    _read: dict[str, int] = field(default_factory=dict)  # topic -> next offset; passes control records
    _consumer: Consumer = field(init=False)

    def __post_init__(self) -> None:
        """Open the consumer; nothing is read yet."""
        self._consumer = Consumer(
            {
                **self.config,
                "group.id": f"{self.pipeline_id}-controller",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 50,
            }
        )
        topics = (self.assignment_topic, self.acks_topic)
        self._read = dict.fromkeys(topics, 0)
        self._consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING) for topic in topics])

    @property
    def assignment_topic(self) -> str:
        """Return the topic that this class's counterpart writes."""
        return f"{self.pipeline_id}-assignment"

    @property
    def acks_topic(self) -> str:
        """Return the topic that the pods write."""
        return f"{self.pipeline_id}-acks"

    def read_to_end(self, timeout_s: float) -> list[Heartbeat]:
        """Read both topics to the ends they have now; return the heartbeats read. Raises Unreachable."""
        deadline_s = time.monotonic() + timeout_s
        ends = {topic: self._end_of(topic, timeout_s) for topic in self._read}
        beats: list[Heartbeat] = []
        while any(self._read[topic] < end for topic, end in ends.items()):
            if time.monotonic() > deadline_s:
                raise Unreachable(f"the control topics were not read to {ends} within {timeout_s:.0f} s")
            beats += self.poll(0.1)
        return beats

    def poll(self, timeout_s: float) -> list[Heartbeat]:
        """Take in what has come, waiting for the first record only; return the heartbeats among it."""
        first = self._consumer.poll(timeout_s)
        if first is None:
            return []
        messages = [first, *self._consumer.consume(1_000, 0)]
        return [beat for message in messages if (beat := self._take_in(message)) is not None]

    def close(self) -> None:
        """Close the consumer."""
        self._consumer.close()

    def _end_of(self, topic: str, timeout_s: float) -> int:
        try:
            offsets = self._consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout_s, cached=False)
        except KafkaException as error:
            raise Unreachable(f"the end of {topic} is not known: {error}") from error
        if offsets is None:
            raise Unreachable(f"no broker told the end of {topic} within {timeout_s:.0f} s")
        return int(offsets[1])

    def _take_in(self, message: Message) -> Heartbeat | None:
        error, topic, offset = message.error(), message.topic(), message.offset()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            log.warning("reading the control topics: %s", error)
            return None
        if topic is None or offset is None:
            return None
        self._read[topic] = offset if error is not None else offset + 1
        if error is not None:
            return None
        try:
            if topic == self.assignment_topic:
                self._apply(message.key(), message.value())
                return None
            return self._hear(message.key(), message.value())
        except MalformedRecord as malformed:
            log.warning("%s, offset %s skipped: %s", topic, offset, malformed)
            return None

    def _apply(self, key: bytes | None, value: bytes | None) -> None:
        record = decode_assignment(key, value)
        if record is None:
            self.assignments.pop((key or b"").decode().removeprefix("task/"), None)
            return
        if record.term < self.term:
            return
        self.term = record.term
        if isinstance(record, Claim):
            self.claim = record
        else:
            self.assignments[record.task] = record

    def _hear(self, key: bytes | None, value: bytes | None) -> Heartbeat | None:
        record = decode_ack(key, value)
        if isinstance(record, Ack):
            if record.kind == "acquired":
                self.acquired[record.task] = max(record.epoch, self.acquired.get(record.task, 0))
        elif record is not None:
            known = self.beats.get(record.ordinal)
            if known is None or known.instance == record.instance or known.incarnation < record.incarnation:
                self.beats[record.ordinal] = record
                return record
        return None


class ControlWriter:
    """Writes the assignment in transactions of `<id>-controller`; a newer writer shuts this one out (R15)."""

    def __init__(self, config: dict[str, Any], pipeline_id: str) -> None:
        """Fence earlier controllers. Raises Unreachable."""
        self._topic = f"{pipeline_id}-assignment"
        self._producer = Producer(
            {
                **config,
                "transactional.id": f"{pipeline_id}-controller",
                "transaction.timeout.ms": int(TRANSACTION_TIMEOUT_S * 1_000),
                "retry.backoff.ms": 1_000,
                "retry.backoff.max.ms": 1_000,
                "linger.ms": 0,
            }
        )
        self.doubtful = False  # R18: its last commit may have been sent twice; make a new writer
        try:
            self._producer.init_transactions(INIT_TIMEOUT_S)
        except KafkaException as error:
            raise Unreachable(f"the controller's producer cannot start: {error}") from error

    def publish(self, records: Iterable[Claim | Assignment]) -> None:
        """Write the records, all or none. Raises Superseded, or Unreachable when the outcome is unknown.

        After either the writer is of no more use.
        """
        try:
            self._producer.begin_transaction()
            for record in records:
                key, value = encode(record)
                self._producer.produce(self._topic, value, key, 0)
            if self._producer.flush(TRANSACTION_TIMEOUT_S):
                raise Unreachable("the brokers did not take the assignment in time")
            began_s = time.monotonic()
            self._producer.commit_transaction(TRANSACTION_TIMEOUT_S)
        except (KafkaException, BufferError) as error:
            if isinstance(error, KafkaException) and error.args[0].code() in _FENCED:
                raise Superseded(f"another controller has taken over: {error}") from error
            raise Unreachable(f"the assignment may not be written: {error}") from error
        self.doubtful = time.monotonic() - began_s >= SLOW_COMMIT_S
