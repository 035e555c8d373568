"""The running tasks' input: records and tables' rows in batches, task by task, in order.

A consumer for each topic, so that the hot path need not ask each record for its topic. Positions are given
with `add` and never chosen by the client.
"""

import logging
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import cast

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from clickstream_processor.kafka import client
from clickstream_processor.kafka.following import Following
from clickstream_processor.kafka.watchdog import Watchdog
from clickstream_processor.settings.settings import Settings
from clickstream_processor.stages.stage import Stages
from clickstream_processor.task_id import TaskId
from clickstream_processor.topology.interfaces import Message as Record

log = logging.getLogger(__name__)

POLL_RECORDS = 1_000  # R11: larger ones make queries wait for the interpreter's lock
LOOK_S = 0.005  # one look at a stage's input, while several are waited for

_PARTITION = Message.partition
_ERROR = Message.error
WATERMARKS_S = 5.0
Runs = list[tuple[TaskId, Sequence[Record]]]  # (task, records in order); a task may come twice


@dataclass(slots=True)
class Batch:
    """What one poll gave."""

    rows: Runs = field(default_factory=list)  # of tables
    records: Runs = field(default_factory=list)
    reached: dict[TaskId, int] = field(default_factory=dict)  # task -> position at the end of its input
    lost: dict[TaskId, str] = field(default_factory=dict)  # task -> why its position is not in the log
    drained: bool = True  # nothing more was waiting


class _Stream:
    """One topic that a stage's tasks read, each the partition of its own number."""

    def __init__(self, settings: Settings, client_name: str, topic: str) -> None:
        self.topic = topic
        self.following = Following(lambda: client.make_consumer(settings, client_name))
        self.tasks: dict[int, TaskId] = {}
        self.polled = self.got = False  # since the last `tell_progress`

    def add(self, task: TaskId, offset: int) -> None:
        self.tasks[task.partition] = task
        self.following.follow([(self.topic, task.partition, offset)])

    def remove(self, task: TaskId) -> None:
        self.following.forget([(self.topic, task.partition)])
        self.tasks.pop(task.partition, None)

    def take(self, messages: list[Message], reached: dict[TaskId, int], lost: dict[TaskId, str]) -> Runs:
        """Return what was consumed, by task; the client's events are noted."""
        ends = len(reached)
        runs = _by_task(_only_records(messages, self.tasks, reached, lost), self.tasks)
        self.got |= bool(runs) or len(reached) > ends
        for task, records in runs:
            self.following.passed((self.topic, task.partition), records[-1].offset() + 1)
        return runs


class Input:
    """The stages' consumers. Used by the worker's thread only."""

    def __init__(self, settings: Settings, stages: Stages, watchdog: Watchdog) -> None:
        self._watchdog = watchdog
        self._streams = {name: _Stream(settings, name, stage.input) for name, stage in stages.items()}
        self._tables = {
            name: _Stream(settings, stage.table_name, stage.table)
            for name, stage in stages.items()
            if stage.table is not None
        }

    def add(self, task: TaskId, records_from: int, rows_from: int) -> None:
        """Read a task's partitions from these offsets on."""
        self._streams[task.stage].add(task, records_from)
        if task.stage in self._tables:
            self._tables[task.stage].add(task, rows_from)

    def remove(self, task: TaskId) -> None:
        """Read them no more; what is prefetched is dropped."""
        self._streams[task.stage].remove(task)
        if task.stage in self._tables:
            self._tables[task.stage].remove(task)

    def move(self, task: TaskId) -> int:
        """Read a task's input from the start of its log on; return that offset. Raises KafkaException."""
        stream = self._streams[task.stage]
        with self._watchdog.guard("get_watermark_offsets", WATERMARKS_S):
            first, _ = stream.following.consumer.get_watermark_offsets(
                TopicPartition(stream.topic, task.partition), timeout=WATERMARKS_S
            )
        stream.remove(task)
        stream.add(task, first)
        return first

    def tell_progress(self, behind: Collection[str]) -> None:
        """Tell the watchdog what was read since brokers last said of which stages the input goes on."""
        for name, stream in self._streams.items():
            if stream.polled and self._watchdog.starves(name, behind=name in behind, got=stream.got):
                stream.following.replace_consumer()
                if name in self._tables:
                    self._tables[name].following.replace_consumer()
            stream.polled = stream.got = False

    def poll(self, wait_s: float) -> Batch:
        """Return what is there; wait for a first record if nothing is. `consume` would wait for the last."""
        batch = Batch()
        streams = self._streams.values()
        rows: list[tuple[_Stream, list[Message]]] = []
        with self._watchdog.guard("consume", wait_s):
            found = [stream.following.consumer.consume(POLL_RECORDS, 0.0) for stream in streams]
            if not any(found):
                self._wait(found, wait_s)
            for table in self._tables.values():
                changed = table.following.consumer.consume(POLL_RECORDS, 0.0)
                if changed:
                    rows.append((table, changed))
        for stream, messages in zip(streams, found, strict=True):
            stream.polled = True
            if messages:
                batch.drained &= len(messages) < POLL_RECORDS
                batch.records += stream.take(messages, batch.reached, batch.lost)
        for table, changed in rows:
            batch.drained &= len(changed) < POLL_RECORDS
            batch.rows += table.take(changed, {}, batch.lost)
        return batch

    def _wait(self, found: list[list[Message]], wait_s: float) -> None:
        """Wait until there is something in a stream, and take it; of several, look at each in turn."""
        alone = len(found) == 1
        look_s = wait_s if alone else min(wait_s, LOOK_S)
        deadline_s = 0.0 if alone else time.monotonic() + wait_s
        while True:
            for index, stream in enumerate(self._streams.values()):
                consumer = stream.following.consumer
                first = consumer.poll(look_s)
                if first is not None:
                    found[index] = [first, *consumer.consume(POLL_RECORDS - 1, 0.0)]
                    return
            if alone or time.monotonic() >= deadline_s:
                return

    def report(self, offsets: Mapping[TaskId, int]) -> None:
        """Commit group offsets without waiting: for lag tools, nothing depends on them (R5)."""
        for name, stream in self._streams.items():
            told = [
                TopicPartition(stream.topic, task.partition, offset)
                for task, offset in offsets.items()
                if task.stage == name
            ]
            if not told:
                continue
            try:
                stream.following.consumer.commit(offsets=told, asynchronous=True)
            except KafkaException as error:
                log.debug("group offsets not committed: %s", error)

    def close(self) -> None:
        """Close the consumers."""
        for stream in (*self._streams.values(), *self._tables.values()):
            stream.following.close()


def _only_records(
    messages: list[Message], tasks: Mapping[int, TaskId], reached: dict[TaskId, int], lost: dict[TaskId, str]
) -> list[Message]:
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
        elif error.code() == KafkaError._PARTITION_EOF and partition in tasks:
            reached[tasks[partition]] = message.offset() or 0
        elif error.code() == KafkaError._AUTO_OFFSET_RESET and partition in tasks:
            lost[tasks[partition]] = str(error)
        else:
            log.warning("input %s-%d: %s", message.topic(), partition, error)
    return records


def _by_task(messages: list[Message], tasks: Mapping[int, TaskId]) -> Runs:
    """Split into runs of one task, in order. Mostly a batch is one run: then nothing is copied."""
    if not messages:
        return []
    partitions: list[int | None] = list(map(_PARTITION, messages))
    records = cast(list[Record], messages)  # no events among them: keys, offsets and times are there
    first = partitions[0]
    if partitions.count(first) == len(partitions):
        return [(tasks[first], records)] if first is not None and first in tasks else []
    chunks: Runs = []
    start = 0
    for partition, run in groupby(partitions):
        end = start + sum(1 for _ in run)
        if partition is not None and partition in tasks:
            chunks.append((tasks[partition], records[start:end]))
        start = end
    return chunks
