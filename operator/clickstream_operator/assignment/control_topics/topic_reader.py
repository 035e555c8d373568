"""The control topics of many pipelines, read by one consumer and asked after by one admin client.

Messages go into the inbox of the pipeline whose topic they are of. Once a second the ends of all
topics are asked for in one request: an inbox read that far proves that its pipeline's pods could be
heard until then (R16). One thread calls `serve` forever; everything else may be called from any.
"""

import logging
import queue
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

from clickstream_operator.assignment.errors import Unreachable, explained

log = logging.getLogger(__name__)

CONTACT_EVERY_S = 1.0
CONTACT_TIMEOUT_S = 2.0
# Messages not yet taken in by their pipelines: beyond that nothing is fetched. A start reads a heartbeat
# a second of hours for each pipeline, faster than they are decoded.
BACKLOG = 50_000
# No group is joined and no offset committed; the client wants a name all the same.
GROUP = "clickstream-controller"
# librdkafka 2.16 asks for ends by what it cached of topics and leaders, and a refusal does not make it look
# again: for minutes it would be refused after a broker's restart, or not find a topic made lately.
_ASKING = {"metadata.max.age.ms": 3_000}
_NEWS_AT_ONCE = 1_000
_READING = {
    "group.id": GROUP,
    "enable.auto.commit": False,
    "isolation.level": "read_committed",
    "auto.offset.reset": "earliest",
    "enable.partition.eof": True,
    "fetch.wait.max.ms": 50,
    "queued.max.messages.kbytes": 16_384,
}
_LAST: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class Contact:
    """The ends of a pipeline's topics at a moment, monotonic seconds."""

    asked_s: float
    ends: dict[str, int]


@dataclass(slots=True, eq=False)
class Inbox:
    """What has come for one pipeline. `wake` is called after each arrival."""

    topics: tuple[str, ...]
    wake: Callable[[], None]
    messages: queue.SimpleQueue[Message] = field(default_factory=queue.SimpleQueue)
    contact: Contact | None = None  # replaced whole
    problem: str = ""  # why the ends could not be told when they were last asked for


class ControlTopicReader:
    """One consumer and one admin client."""

    def __init__(self, config: dict[str, Any]) -> None:
        """Open both clients; nothing is read yet."""
        self.last_error = ""
        shared: dict[str, Any] = {**config, "error_cb": self._failed}
        self._consumer = Consumer({**shared, **_READING})
        self._admin = AdminClient({**shared, **_ASKING})
        self._changes: queue.SimpleQueue[tuple[Inbox, bool]] = queue.SimpleQueue()
        self._inboxes: dict[str, Inbox] = {}  # by topic
        self._asked_s = float("-inf")
        self._asked: dict[TopicPartition, Future[Any]] = {}

    def open(self, topics: tuple[str, ...], wake: Callable[[], None]) -> Inbox:
        """Have these topics read from their starts; an inbox opened later for the same takes their place."""
        inbox = Inbox(topics, wake)
        self._changes.put((inbox, True))
        return inbox

    def shut(self, inbox: Inbox) -> None:
        """Have an inbox's topics read no more."""
        self._changes.put((inbox, False))

    def ends(self, topics: tuple[str, ...], timeout_s: float) -> dict[str, int]:
        """Return the last stable offset of each topic, asked for now. Raises Unreachable."""
        ends: dict[str, int] = {}
        for where, future in self._ask(topics, timeout_s).items():
            try:
                ends[where.topic] = future.result(timeout_s + 1).offset
            except (KafkaException, TimeoutError) as error:
                raise Unreachable(f"the end of {where.topic} is not known: {self.why(error)}") from error
        return ends

    def why(self, error: Exception) -> str:
        """Return an error's reason; of a mere time-out, what the clients said last."""
        timed_out = isinstance(error, TimeoutError) or error.args[0].code() == KafkaError._TIMED_OUT
        return self.last_error or "no broker answers" if timed_out else explained(error)

    def serve(self, timeout_s: float) -> None:
        """Do a round: follow changes of inboxes, distribute what has come, keep the contacts."""
        while not self._changes.empty():
            self._follow(*self._changes.get())
        self._keep_contacts(time.monotonic())
        if sum(inbox.messages.qsize() for inbox in set(self._inboxes.values())) > BACKLOG:
            time.sleep(timeout_s)
            return
        self._admin.poll(0)
        first = self._consumer.poll(timeout_s)
        if first is not None:
            self._distribute([first, *self._consumer.consume(_NEWS_AT_ONCE, 0)])

    def close(self) -> None:
        """Close both clients: the last call. An admin client ends with the last reference to it."""
        self._consumer.close()
        self._asked = {}
        del self._admin

    def _follow(self, inbox: Inbox, is_opened: bool) -> None:
        partitions = [TopicPartition(topic, 0, OFFSET_BEGINNING) for topic in inbox.topics]
        known = self._inboxes.get(inbox.topics[0])
        if not is_opened and known is not inbox:
            return  # another has taken its place
        if known is not None:
            self._consumer.incremental_unassign(partitions)
        for topic in inbox.topics:
            self._inboxes.pop(topic, None)
            if is_opened:
                self._inboxes[topic] = inbox
        if is_opened:
            self._consumer.incremental_assign(partitions)

    def _distribute(self, messages: list[Message]) -> None:
        reached: set[Inbox] = set()
        for message in messages:
            inbox = self._inboxes.get(message.topic() or "")
            if inbox is None:
                continue
            inbox.messages.put(message)
            reached.add(inbox)
        for inbox in reached:
            inbox.wake()

    def _keep_contacts(self, now_s: float) -> None:
        """Take in the ends asked for last, once all have come; then ask again when it is time."""
        if self._asked:
            if not all(future.done() for future in self._asked.values()):
                return
            self._take_in_ends()
        if self._inboxes and now_s - self._asked_s >= CONTACT_EVERY_S:
            self._asked_s = now_s
            self._asked = self._ask(tuple(self._inboxes), CONTACT_TIMEOUT_S)

    def _take_in_ends(self) -> None:
        ends: dict[str, int] = {}
        problems: dict[str, str] = {}
        for where, future in self._asked.items():
            error = future.exception()
            if isinstance(error, Exception):
                problems[where.topic] = f"the end of {where.topic} is not known: {self.why(error)}"
            else:
                ends[where.topic] = future.result().offset
        self._asked = {}
        if not problems:
            self.last_error = ""
        for inbox in set(self._inboxes.values()):
            inbox.problem = next((problems[t] for t in inbox.topics if t in problems), "")
            if all(topic in ends for topic in inbox.topics):
                inbox.contact = Contact(self._asked_s, {topic: ends[topic] for topic in inbox.topics})
                inbox.wake()

    def _ask(self, topics: tuple[str, ...], timeout_s: float) -> dict[TopicPartition, Future[Any]]:
        return self._admin.list_offsets(
            {TopicPartition(topic, 0): _LAST for topic in topics},
            isolation_level=IsolationLevel.READ_COMMITTED,
            request_timeout=timeout_s,
        )

    def _failed(self, error: KafkaError) -> None:
        """Keep what the client says of its connections, for the message of a time-out."""
        if error.code() != KafkaError._ALL_BROKERS_DOWN or not self.last_error:
            self.last_error = explained(error)
