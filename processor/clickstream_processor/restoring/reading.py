"""Reads the logs of all restores in batches, and gives each record to the restore it belongs to."""

import logging
import time

from clickstream_processor import metrics
from clickstream_processor.errors import StateCorrupted
from clickstream_processor.kafka.ends import Ends, EndsWatch
from clickstream_processor.kafka.log_reader import LogReader
from clickstream_processor.kafka.watchdog import Watchdog
from clickstream_processor.restoring.gates import Gate
from clickstream_processor.restoring.refused_rows import RefusedProfiles
from clickstream_processor.restoring.restores.preparation import Preparation
from clickstream_processor.restoring.restores.restore import NO_LOG, Restore, RestoreStep
from clickstream_processor.restoring.restores.restores import STOPS, Restores
from clickstream_processor.restoring.stores import tell_damage
from clickstream_processor.settings.settings import Settings
from clickstream_processor.topology.interfaces import Message as Record

log = logging.getLogger(__name__)

BATCH = 5_000  # records a read: a RocksDB write of them holds the interpreter's lock for some 3 ms
POLL_S = 0.05
MEASURE_EVERY_S = 1.0


class Reading:
    """Used by the restore thread only."""

    def __init__(
        self,
        settings: Settings,
        restores: Restores,
        reader: LogReader,
        preparation: Preparation,
        ends: EndsWatch,
        snapshot: Gate,
        refused: RefusedProfiles,
        watchdog: Watchdog,
    ) -> None:
        self._settings = settings
        self._restores = restores
        self._reader = reader
        self._preparation = preparation
        self._ends = ends
        self._snapshot = snapshot
        self._refused = refused
        self._watchdog = watchdog
        self._measured_s = 0.0

    def read(self) -> None:
        """Take one batch of whatever comes, and apply it partition by partition."""
        with self._watchdog.guard("consume", POLL_S):
            batch = self._reader.read(BATCH, POLL_S)
        for (topic, partition), detail in batch.lost.items():
            self._lost(topic, partition, detail)
        for (topic, partition), messages in batch.records.items():
            self._apply(topic, partition, messages)
        for (topic, partition), offset in batch.reached.items():
            self._reached(topic, partition, offset)

    def measure(self) -> None:
        """Once a second, compare what was read with the logs' ends."""
        tasks = self._restores.tasks
        answer = self._ends.take()
        if answer is not None:
            behind = False
            for task in tasks.values():
                self._measure(task, answer)
                behind |= task.has_more()
            if self._watchdog.starves("restore", behind=behind, got=self._reader.has_got()):
                self._reader.replace_consumer()
        now_s = time.monotonic()
        if now_s - self._measured_s >= MEASURE_EVERY_S:
            self._measured_s = now_s
            self._ends.ask({key for task in tasks for key in self._preparation.end_keys(task)})

    def _measure(self, task: Restore, answer: Ends) -> None:
        if not all(key in answer.high for key in self._preparation.end_keys(task.id)):
            return
        if task.step is RestoreStep.READING or task.changelog_next >= 0:
            changelog, table = (
                NO_LOG.high if topic is None else answer.high[topic, task.partition]
                for topic in (task.stage.changelog, task.stage.table)
            )
            task.measure(changelog, table, answer.asked_ms)

    def _apply(self, topic: str, partition: int, messages: list[Record]) -> None:
        if topic == self._settings.notifications_topic:
            self._snapshot.take(messages)
            return
        for task in self._restores.that_read(topic, partition):
            self._apply_to(task, topic, messages)

    def _apply_to(self, task: Restore, topic: str, messages: list[Record]) -> None:
        try:
            if topic == task.stage.changelog:
                task.apply_changelog(messages)
            elif topic == task.stage.table:
                self._refused.note(task.partition, task.apply_profiles(messages))
            else:
                task.apply_positions(messages)
                return
        except StateCorrupted as error:
            tell_damage(task.id, error)
            self._restores.start_over(task)
            return
        except STOPS as error:
            self._restores.refuse(task, error)
            return
        metrics.RESTORED_RECORDS.labels(topic).inc(len(messages))

    def _reached(self, topic: str, partition: int, offset: int) -> None:
        for task in self._restores.that_read(topic, partition):
            if topic == task.stage.changelog:
                task.changelog_next = max(task.changelog_next, offset)
            elif topic == task.stage.table:
                task.profiles_next = max(task.profiles_next, offset)
            else:
                task.positions_next = max(task.positions_next, offset)

    def _lost(self, topic: str, partition: int, detail: str) -> None:
        """A log no longer has the offset asked for: read again what can be, R14."""
        log.warning("restore of %s-%d: %s", topic, partition, detail)
        for task in self._restores.that_read(topic, partition):
            self._restores.start_over(task)
