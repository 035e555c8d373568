"""Which pods have applied an erasure: owners and standbys of the tasks, as their heartbeats say."""

import logging
from collections.abc import Collection, Mapping

from clickstream_processor.control.records import (
    Ack,
    Claim,
    Heartbeat,
    TaskRecord,
    decode_ack,
    decode_assignment,
)
from clickstream_processor.errors import MalformedRecord
from clickstream_processor.kafka import client
from clickstream_processor.kafka.log_reader import LogReader
from clickstream_processor.settings.settings import Settings
from clickstream_processor.task_id import CLICKS, TaskId

log = logging.getLogger(__name__)
READ_S = 0.5


class Holders:
    """Follows both control topics from their beginning. Used by one thread."""

    def __init__(self, settings: Settings) -> None:
        self._assignment, self._acks = settings.assignment_topic, settings.acks_topic
        self._tasks: dict[TaskId, TaskRecord] = {}
        self._beats: dict[int, Heartbeat] = {}
        self._term = 0
        self._reader = LogReader(lambda: client.make_consumer(settings, "erasing-holders"))
        self._reader.follow([(self._assignment, 0, 0), (self._acks, 0, 0)])
        self._reached: set[str] = set()

    def behind(self, targets: Mapping[int, int]) -> list[str]:
        """Read what has come; return the holders that lack something, each as `pod 1: clicks-3`.

        `targets`: the offset of the changelog that each of these tasks must have applied.
        """
        batch = self._reader.read(5_000, READ_S)
        for (topic, _), records in batch.records.items():
            for record in records:
                self._take(topic, record.key(), record.value())
        self._reached |= {topic for topic, _ in batch.reached}
        for key in batch.lost:
            self._reader.forget([key])
            self._reader.follow([(*key, -2)])  # from the first record there is
        if self._reached != {self._assignment, self._acks}:
            return ["the control topics are not read to their ends yet"]
        return [
            f"pod {ordinal}: {CLICKS}-{partition}"
            for partition, target in targets.items()
            for ordinal in self._holders(partition)
            if not self._has(ordinal, partition, target)
        ]

    def count(self, partitions: Collection[int]) -> int:
        """Return how many holders these tasks have."""
        return sum(len(self._holders(partition)) for partition in partitions)

    def close(self) -> None:
        """Close the connection."""
        self._reader.close()

    def _holders(self, partition: int) -> list[int]:
        task = self._tasks.get(TaskId(CLICKS, partition))
        if task is None:
            return []
        return [*([] if task.owner is None else [task.owner]), *task.standbys]

    def _has(self, ordinal: int, partition: int, target: int) -> bool:
        beat = self._beats.get(ordinal)
        report = None if beat is None or beat.ended else beat.tasks.get(f"{CLICKS}-{partition}")
        return report is not None and report.applied > target and not report.unpurged

    def _take(self, topic: str, key: bytes | None, value: bytes | None) -> None:
        if value is None:
            return
        try:
            if topic == self._acks:
                self._take_ack(decode_ack(key, value, (CLICKS,)))
            else:
                self._take_assignment(key, decode_assignment(key, value, (CLICKS,)))
        except MalformedRecord as error:
            log.debug("control record: %s", error)

    def _take_ack(self, record: Heartbeat | Ack) -> None:
        if isinstance(record, Heartbeat):
            known = self._beats.get(record.ordinal)
            if known is None or record.incarnation >= known.incarnation:
                self._beats[record.ordinal] = record

    def _take_assignment(self, key: bytes | None, record: Claim | TaskRecord) -> None:
        if record.term < self._term:
            return
        self._term = record.term
        if isinstance(record, TaskRecord):
            self._tasks[TaskId.parse((key or b"").decode().removeprefix("task/"))] = record
