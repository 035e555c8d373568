"""Reads any partitions from given offsets, in batches: changelogs, profiles, positions, notifications."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import cast

from confluent_kafka import Consumer, KafkaError

from clickstream_processor.kafka.ends import LogKey
from clickstream_processor.kafka.following import Following
from clickstream_processor.topology.interfaces import Message as Record

log = logging.getLogger(__name__)


@dataclass(slots=True)
class LogBatch:
    """What one read gave, by partition. Records come before the end they were read to."""

    records: dict[LogKey, list[Record]] = field(default_factory=dict)
    reached: dict[LogKey, int] = field(default_factory=dict)  # position at the end (R10)
    lost: dict[LogKey, str] = field(default_factory=dict)  # the log does not have the offset asked for


class LogReader:
    """One consumer and what it follows. Used by one thread."""

    def __init__(self, make_consumer: Callable[[], Consumer]) -> None:
        self._following = Following(make_consumer)
        self._got = False

    def follow(self, offsets: Iterable[tuple[str, int, int]]) -> None:
        """Read these logs too: (topic, partition, offset)."""
        self._following.follow(offsets)

    def next_of(self, key: LogKey) -> int | None:
        """Return the offset that comes next in a log; None where it is not read."""
        return self._following.next_of(key)

    def forget(self, keys: Iterable[LogKey]) -> None:
        """Read those of these logs that are followed no more; what is prefetched is dropped."""
        self._following.forget(keys)

    def close(self) -> None:
        """Close the consumer."""
        self._following.close()

    def replace_consumer(self) -> None:
        """Go on with a new consumer where the old one was."""
        self._following.replace_consumer()

    def has_got(self) -> bool:
        """Tell whether anything has come since the last such question, the ends of logs included."""
        got, self._got = self._got, False
        return got

    def read(self, count: int, wait_s: float) -> LogBatch:
        """Return at most `count` records; waits for all of them, but no longer than `wait_s`."""
        batch = LogBatch()
        for message in self._following.consumer.consume(count, wait_s):
            topic, partition, error = message.topic(), message.partition(), message.error()
            if topic is None or partition is None:
                log.warning("restore: %s", error)
            elif error is None:
                batch.records.setdefault((topic, partition), []).append(cast(Record, message))
            elif error.code() == KafkaError._PARTITION_EOF:
                batch.reached[topic, partition] = message.offset() or 0
            elif error.code() == KafkaError._AUTO_OFFSET_RESET:
                batch.lost[topic, partition] = str(error)
            else:
                log.warning("restore of %s-%d: %s", topic, partition, error)
        for key, records in batch.records.items():
            self._following.passed(key, records[-1].offset() + 1)
        for key, offset in batch.reached.items():
            self._following.passed(key, offset)
        self._got |= bool(batch.records or batch.reached)
        return batch
