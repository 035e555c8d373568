"""The control topics of one pipeline, folded from what the shared reader brings."""

import logging
import queue
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from confluent_kafka import KafkaError, Message

from clickstream_operator.assignment.control_topics.topic_reader import ControlTopicReader, Inbox
from clickstream_operator.assignment.errors import Unreachable, explained
from clickstream_operator.assignment.records import (
    Ack,
    Assignment,
    Claim,
    Heartbeat,
    MalformedRecord,
    decode_ack,
    decode_assignment,
)

log = logging.getLogger(__name__)

ASK_S = 5.0  # for the ends; then the whole is tried again


@dataclass(slots=True)
class ControlReader:
    """Reads both control topics from the start; what it holds is what is committed there.

    Used from one thread. `assignments`, `claim`, `beats`, `acquired` grow with each `poll`.
    """

    topic_reader: ControlTopicReader
    pipeline_id: str
    wake: Callable[[], None] = lambda: None
    claim: Claim | None = None
    term: int = 0
    assignments: dict[str, Assignment] = field(default_factory=dict)
    beats: dict[int, Heartbeat] = field(default_factory=dict)  # of the highest incarnation
    acquired: dict[str, int] = field(default_factory=dict)  # task -> greatest epoch acknowledged
    _contact_s: float = float("-inf")
    _read: dict[str, int] = field(default_factory=dict)  # topic -> next offset; passes control records
    _refused: str = ""  # why the consumer may not read one of the topics
    changes: int = 0  # of `assignments` so far
    _inbox: Inbox = field(init=False)

    def __post_init__(self) -> None:
        """Ask the shared reader for both topics; nothing is read yet."""
        topics = (self.assignment_topic, self.acks_topic)
        self._read = dict.fromkeys(topics, 0)
        self._inbox = self.topic_reader.open(topics, self.wake)

    @property
    def assignment_topic(self) -> str:
        """Return the topic that this class's counterpart writes."""
        return f"{self.pipeline_id}-assignment"

    @property
    def acks_topic(self) -> str:
        """Return the topic that the pods write."""
        return f"{self.pipeline_id}-acks"

    @property
    def problem(self) -> str:
        """Return why the topics cannot be read at the moment; empty when nothing is known."""
        return self._refused or self._inbox.problem

    def contact_s(self) -> float:
        """Return the latest moment known, monotonic, up to which all that was written has been read."""
        contact = self._inbox.contact
        if contact and all(self._read[topic] >= end for topic, end in contact.ends.items()):
            self._contact_s = contact.asked_s
        return self._contact_s

    def read_to_end(self, timeout_s: float) -> list[Heartbeat]:
        """Read both topics to the ends they have now; return the heartbeats read. Raises Unreachable."""
        deadline_s = time.monotonic() + timeout_s
        ends = self.topic_reader.ends(self._inbox.topics, min(timeout_s, ASK_S))
        beats: list[Heartbeat] = []
        while any(self._read[topic] < end for topic, end in ends.items()):
            if time.monotonic() > deadline_s:
                reason = self.problem or f"their ends are {ends}"
                raise Unreachable(f"the control topics were not read within {timeout_s:.0f} s: {reason}")
            beats += self.poll(0.1)
        return beats

    def poll(self, timeout_s: float) -> list[Heartbeat]:
        """Take in what has come, waiting for the first record only; return the heartbeats among it."""
        beats: list[Heartbeat] = []
        try:
            message = self._inbox.messages.get(timeout_s > 0, timeout_s)
            while True:
                if (beat := self._take_in(message)) is not None:
                    beats.append(beat)
                message = self._inbox.messages.get_nowait()
        except queue.Empty:
            return beats

    def close(self) -> None:
        """Have the topics read no more."""
        self.topic_reader.shut(self._inbox)

    def _take_in(self, message: Message) -> Heartbeat | None:
        error, topic, offset = message.error(), message.topic(), message.offset()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            self._refused = f"{topic} cannot be read: {explained(error)}"
            return None
        if topic is None or offset is None:
            return None
        self._refused = ""
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
        self.changes += 1
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
