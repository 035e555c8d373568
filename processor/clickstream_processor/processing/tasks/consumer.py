"""The running tasks' input: clicks and profiles in batches, partition by partition, in order.

Two consumers, so that the hot path need not ask each record for its topic. Positions are given with
`add` and never chosen by the client.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import cast

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from clickstream_processor.kafka import client
from clickstream_processor.kafka.following import Following
from clickstream_processor.kafka.watchdog import Watchdog
from clickstream_processor.settings import Settings
from clickstream_processor.topology.interfaces import Message as Record

log = logging.getLogger(__name__)

POLL_RECORDS = 1_000  # R11: larger ones make queries wait for the interpreter's lock

_PARTITION = Message.partition
_ERROR = Message.error
Runs = list[tuple[int, Sequence[Record]]]  # (partition, records in order); a partition may come twice


@dataclass(slots=True)
class Batch:
    """What one poll gave."""

    profiles: Runs = field(default_factory=list)
    clicks: Runs = field(default_factory=list)
    reached: dict[int, int] = field(default_factory=dict)  # partition -> position at the end of its clicks
    lost: dict[int, str] = field(default_factory=dict)  # partition -> why its position is not in the log
    drained: bool = True  # nothing more was waiting


class Input:
    """Both consumers. Used by the worker's thread only."""

    def __init__(self, settings: Settings, watchdog: Watchdog) -> None:
        self._topics = settings.topics
        self._watchdog = watchdog
        self._clicks = Following(lambda: client.make_consumer(settings, "clicks"))
        self._profiles = Following(lambda: client.make_consumer(settings, "profiles"))
        self._polled = self._got_clicks = False  # since the last `tell_progress`

    def add(self, partition: int, clicks_from: int, profiles_from: int) -> None:
        """Read a task's partitions from these offsets on."""
        self._clicks.follow([(self._topics.clicks, partition, clicks_from)])
        self._profiles.follow([(self._topics.profiles, partition, profiles_from)])

    def remove(self, partition: int) -> None:
        """Read them no more; what is prefetched is dropped."""
        self._clicks.forget([(self._topics.clicks, partition)])
        self._profiles.forget([(self._topics.profiles, partition)])

    def tell_progress(self, *, behind: bool) -> None:
        """Tell the watchdog what was read since brokers last said whether the clicks go on."""
        if self._polled and self._watchdog.starves("clicks", behind=behind, got=self._got_clicks):
            self._clicks.replace_consumer()
            self._profiles.replace_consumer()
        self._polled = self._got_clicks = False

    def poll(self, wait_s: float) -> Batch:
        """Return what is there; wait for the first click if nothing is. `consume` would wait for the last."""
        batch = Batch()
        with self._watchdog.guard("consume", wait_s):
            clicks = self._clicks.consumer
            messages: list[Message] = clicks.consume(POLL_RECORDS, 0.0)
            if not messages:
                first = clicks.poll(wait_s)
                if first is not None:
                    messages = [first, *clicks.consume(POLL_RECORDS - 1, 0.0)]
            changed = self._profiles.consumer.consume(POLL_RECORDS, 0.0)
        batch.drained = len(messages) < POLL_RECORDS and len(changed) < POLL_RECORDS
        batch.clicks = _by_partition(_only_records(messages, batch.reached, batch.lost))
        _note(self._clicks, self._topics.clicks, batch.clicks)
        self._polled = True
        self._got_clicks |= bool(batch.clicks or batch.reached)
        if changed:
            batch.profiles = _by_partition(_only_records(changed, {}, batch.lost))
            _note(self._profiles, self._topics.profiles, batch.profiles)
        return batch

    def report(self, offsets: Mapping[int, int]) -> None:
        """Commit group offsets without waiting: for lag tools, nothing depends on them (R5)."""
        try:
            self._clicks.consumer.commit(
                offsets=[TopicPartition(self._topics.clicks, p, o) for p, o in offsets.items()],
                asynchronous=True,
            )
        except KafkaException as error:
            log.debug("group offsets not committed: %s", error)

    def close(self) -> None:
        """Close both consumers."""
        self._clicks.close()
        self._profiles.close()


def _note(following: Following, topic: str, chunks: Runs) -> None:
    for partition, records in chunks:
        following.passed((topic, partition), records[-1].offset() + 1)


def _only_records(messages: list[Message], reached: dict[int, int], lost: dict[int, str]) -> list[Message]:
    """Return the messages without the client's events, which are noted."""
    errors = list(map(_ERROR, messages))
    if not any(errors):  # not count(None): a KafkaError compared with None leaves an exception behind
        return messages
    records = []
    for message, error in zip(messages, errors, strict=True):
        partition = message.partition()
        if error is None:
            records.append(message)
        elif partition is None:
            log.warning("input: %s", error)
        elif error.code() == KafkaError._PARTITION_EOF:
            reached[partition] = message.offset() or 0
        elif error.code() == KafkaError._AUTO_OFFSET_RESET:
            lost[partition] = str(error)
        else:
            log.warning("input %s-%d: %s", message.topic(), partition, error)
    return records


def _by_partition(messages: list[Message]) -> Runs:
    """Split into runs of one partition, in order. Mostly a batch is one run: then nothing is copied."""
    if not messages:
        return []
    partitions: list[int | None] = list(map(_PARTITION, messages))
    records = cast(list[Record], messages)  # no events among them: keys, offsets and times are there
    first = partitions[0]
    if first is not None and partitions.count(first) == len(partitions):
        return [(first, records)]
    chunks: Runs = []
    start = 0
    for partition, run in groupby(partitions):
        end = start + sum(1 for _ in run)
        if partition is not None:
            chunks.append((partition, records[start:end]))
        start = end
    return chunks
