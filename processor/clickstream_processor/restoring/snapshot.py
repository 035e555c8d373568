"""Whether the source's first snapshot is complete: the gate before the very first click.

Debezium writes its notifications to `<id>-notifications`, as plain JSON or in a Connect envelope. SKIPPED
is what it says when its offsets show that the snapshot was completed by an earlier run.
"""

import logging
import time
from collections.abc import Sequence

import msgspec
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from clickstream_processor.kafka.ends import read_logs
from clickstream_processor.kafka.log_reader import LogReader
from clickstream_processor.topology.interfaces import Message as Record

log = logging.getLogger(__name__)

RETRY_S = 0.5
INITIAL = "Initial Snapshot"
DONE = frozenset({"COMPLETED", "SKIPPED"})


def says_complete(value: bytes | None) -> bool:
    """Tell whether a notification says that the first snapshot is complete; garbage says nothing."""
    if value is None:
        return False
    try:
        record = msgspec.json.decode(value)
    except msgspec.DecodeError:
        return False
    if isinstance(record, dict) and isinstance(record.get("payload"), dict):
        record = record["payload"]
    return isinstance(record, dict) and record.get("aggregate_type") == INITIAL and record.get("type") in DONE


class SnapshotGate:
    """Reads the notifications from their beginning until one says that the snapshot is complete."""

    def __init__(self, topic: str, admin: AdminClient, reader: LogReader) -> None:
        self.complete = False
        self._topic = topic
        self._admin = admin
        self._reader = reader
        self._watching = False
        self._retry_at_s = 0.0

    def watch(self) -> None:
        """Begin to read, unless that has begun; brokers that do not answer are asked again later."""
        if self._watching or time.monotonic() < self._retry_at_s:
            return
        key = (self._topic, 0)
        try:
            low = read_logs(self._admin, [key])[key].low
        except KafkaException as error:
            log.warning("cannot read the source's notifications yet: %s", error)
            self._retry_at_s = time.monotonic() + RETRY_S
            return
        log.info("waiting for the source's snapshot to be complete, as %s will say", self._topic)
        self._reader.follow([(*key, low)])
        self._watching = True

    def take(self, notifications: Sequence[Record]) -> None:
        """Take what the reader read."""
        if not self.complete and any(says_complete(record.value()) for record in notifications):
            log.info("the source's snapshot is complete")
            self.complete = True
            self._reader.forget([(self._topic, 0)])
