"""What the very first click waits for: the source's snapshot, or a number of profiles in their topic.

Where a table is the source, its connector says when it has written all of it (snapshot.py). Of any other
source nobody says so: the records in the topic are counted. Several may be of one user until the topic is
compacted, so there may be fewer profiles, and a transactional producer's markers count as well.
"""

import logging
import time
from collections.abc import Sequence
from typing import Protocol

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from clickstream_processor.kafka.ends import read_logs
from clickstream_processor.kafka.log_reader import LogReader
from clickstream_processor.restoring.snapshot import SnapshotGate
from clickstream_processor.settings.settings import Settings
from clickstream_processor.topology.interfaces import Message as Record

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5


class Gate(Protocol):
    """Used by the restore thread only."""

    @property
    def complete(self) -> bool:
        """Tell whether tasks may start."""

    def watch(self) -> None:
        """Look whether it is complete; called again and again while a task waits."""

    def take(self, notifications: Sequence[Record], /) -> None:
        """Take what the reader read of the notifications."""


class CountGate:
    """Open once the profiles topic holds so many records, over all its partitions."""

    def __init__(self, topic: str, partitions: int, at_least: int, admin: AdminClient) -> None:
        self.complete = False
        self._topic, self._partitions, self._at_least = topic, partitions, at_least
        self._admin = admin
        self._look_at_s = 0.0
        self._told = False

    def watch(self) -> None:
        """Count, at most every half second; brokers that do not answer are asked again later."""
        now_s = time.monotonic()
        if self.complete or now_s < self._look_at_s:
            return
        self._look_at_s = now_s + LOOK_EVERY_S
        try:
            logs = read_logs(self._admin, [(self._topic, p) for p in range(self._partitions)])
        except KafkaException as error:
            log.warning("cannot count the profiles yet: %s", error)
            return
        found = sum(log_.high - log_.low for log_ in logs.values())
        self.complete = found >= self._at_least
        if self.complete:
            log.info("%s holds %d records: clicks need wait no longer", self._topic, found)
        elif not self._told:
            self._told = True
            log.info("waiting until %s holds %d records; it holds %d", self._topic, self._at_least, found)

    def take(self, notifications: Sequence[Record], /) -> None:
        """Take nothing: no notification is of use here."""


def gate_of(settings: Settings, admin: AdminClient, reader: LogReader) -> Gate:
    """Return what the first click of a pipeline waits for."""
    topics, join = settings.topics, settings.processing.join
    if join.at_least:
        return CountGate(topics.profiles, topics.partitions, join.at_least, admin)
    return SnapshotGate(settings.notifications_topic, admin, reader)
