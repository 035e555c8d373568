"""Whole topics, read to their end as a consumer of committed data sees them."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import uuid4

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from clickstream_local.errors import DeadlinePassed

NOT_YET = frozenset(
    {
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._TRANSPORT,
        KafkaError._UNKNOWN_PARTITION,
    }
)


@contextmanager
def reader(bootstrap: str, **options: str) -> Iterator[Consumer]:
    """Give a consumer of committed data without a place of its own in any group."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": f"reader-{uuid4()}",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 20,
            "log_level": 2,  # whoever reads says what is wrong; the client's lines would break the demo's
            **options,
        }
    )
    try:
        yield consumer
    finally:
        consumer.close()


def partitions_of(consumer: Consumer, topic: str) -> list[int]:
    """Return the topic's partitions. Raises KafkaException."""
    found = consumer.list_topics(topic, timeout=30).topics[topic]
    if found.error is not None:
        raise KafkaException(found.error)
    return sorted(found.partitions)


def end_offsets(
    bootstrap: str, topic: str, timeout_s: float = 30, *, committed: bool = False
) -> dict[int, int]:
    """Return the offset after the last record of each partition; `committed`: after the last that is so.

    A broker that has just started answers before it leads its partitions: it is asked again until then,
    by a new client each time, for what a client keeps of a topic can outlive the outage (seen for minutes).
    """
    deadline = time.monotonic() + timeout_s
    isolation = "read_committed" if committed else "read_uncommitted"
    while True:
        try:
            with reader(bootstrap, **{"isolation.level": isolation}) as consumer:
                return {
                    partition: _end_offset(consumer, TopicPartition(topic, partition))
                    for partition in partitions_of(consumer, topic)
                }
        except KafkaException as failure:
            if failure.args[0].code() not in NOT_YET or time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _end_offset(consumer: Consumer, partition: TopicPartition) -> int:
    _low, high = consumer.get_watermark_offsets(partition, 30, cached=False)
    return int(high)


def read_all(bootstrap: str, topic: str, timeout_s: float = 120) -> Iterator[Message]:
    """Yield every committed record up to the present end, in order within a partition. Raises DeadlinePassed.

    A commit returns before its markers are in every partition, so the end of what is committed may still
    lie before the end of the log: it is waited for.
    """
    deadline = time.monotonic() + timeout_s
    left = {partition: end for partition, end in end_offsets(bootstrap, topic).items() if end}
    with reader(bootstrap) as consumer:
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in left])
        while left:
            for message in consumer.consume(5_000, 0.2):
                error = message.error()
                if error is None:
                    yield message
                elif error.code() != KafkaError._PARTITION_EOF:
                    raise KafkaException(error)
                elif (message.offset() or 0) >= left.get(message.partition() or 0, 0):
                    left.pop(message.partition() or 0, None)
            if time.monotonic() > deadline:
                raise DeadlinePassed(f"the end of {topic} was not reached in {timeout_s:.0f} s")


class Tail:
    """Tells each record that is committed from now on to `told`, in a thread of its own."""

    def __init__(self, bootstrap: str, topic: str, told: Callable[[Message], None]) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._told = told
        self._ended = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"tail-{topic}", daemon=True)

    def start(self) -> None:
        """Begin, and wait until the present end is known."""
        self._thread.start()
        if not self._ready.wait(30):
            raise DeadlinePassed(f"the end of {self._topic} was not found in 30 s")

    def stop(self) -> None:
        """End."""
        self._ended.set()
        self._thread.join(10)

    def _run(self) -> None:
        with reader(self._bootstrap) as consumer:
            partitions = partitions_of(consumer, self._topic)
            consumer.assign([TopicPartition(self._topic, partition, OFFSET_END) for partition in partitions])
            found: set[int] = set()
            while not self._ended.is_set():
                message = consumer.poll(0.05)
                if message is None:
                    continue
                error = message.error()
                if error is None:
                    self._told(message)
                elif error.code() == KafkaError._PARTITION_EOF:
                    found.add(message.partition() or 0)
                    if len(found) == len(partitions):
                        self._ready.set()
