"""Step 2 of a restoration: former owners are fenced (R2), then the logs' ends are asked for (R10, R20)."""

import logging
import time
from collections.abc import Iterable

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from clickstream_processor import metrics
from clickstream_processor.faults import Faults
from clickstream_processor.kafka import client
from clickstream_processor.kafka.ends import LogKey, read_high_watermarks, read_logs, topic_setting
from clickstream_processor.kafka.log_reader import LogReader
from clickstream_processor.kafka.watchdog import Watchdog
from clickstream_processor.restoring.replay import DAY_MS, ReplayLimits
from clickstream_processor.restoring.restore import Restore, TaskLogs
from clickstream_processor.settings import Settings
from clickstream_processor.topology.plan import Plan

log = logging.getLogger(__name__)

OPEN_RETRY_S = 0.02  # between looks at a transaction whose markers are on their way
RETRY_S = 0.5  # between requests to brokers that do not answer


class Preparation:
    """What is asked of the brokers before a task's logs are read. Used by the restorer's thread only."""

    def __init__(
        self,
        settings: Settings,
        plan: Plan,
        admin: AdminClient,
        reader: LogReader,
        faults: Faults,
        watchdog: Watchdog,
    ) -> None:
        self._settings = settings
        self._plan = plan
        self._admin = admin
        self._reader = reader
        self._faults = faults
        self._watchdog = watchdog
        self._limits: ReplayLimits | None = None
        self._retry_at_s = 0.0

    def ask(self, tasks: list[Restore]) -> None:
        """Fence once per former owner for all tasks, then ask for all ends in one request."""
        if not tasks or time.monotonic() < self._retry_at_s:
            return
        own = self._settings.pod.ordinal
        fence = sorted({o for task in tasks if not task.fenced for o in task.goal.fence if o != own})
        try:
            if fence:
                self._faults.reach("before-fence")
                for ordinal in fence:
                    self._fence(ordinal)
                self._faults.reach("after-fence")
            for task in tasks:
                task.fenced = True
            with self._watchdog.guard("list offsets", 30.0):
                written = read_high_watermarks(self._admin, self._own_keys(tasks))
                logs = read_logs(self._admin, self._log_keys(task.partition for task in tasks))
        except KafkaException as error:
            log.warning("cannot prepare a restore yet: %s", error)
            self._retry_at_s = time.monotonic() + RETRY_S
            return
        for task in tasks:
            own_keys = self._own_keys([task])
            if any(logs[key].high < written[key] for key in own_keys):
                self._retry_at_s = time.monotonic() + OPEN_RETRY_S
                continue
            task.asked(TaskLogs(*(logs[key] for key in self._log_keys([task.partition]))))
            positions = (self._settings.positions_topic, task.partition)
            if not self._reader.follows(positions):  # a standby that is promoted follows them already
                self._reader.follow([(*positions, task.positions_next)])

    def _own_keys(self, tasks: Iterable[Restore]) -> list[LogKey]:
        """Return the logs that only a task's owner writes, of tasks to be owned.

        A commit is answered before its markers are written: until they are, the last stable offset hides a
        transaction that is decided. So an owner waits until nothing is open in these logs.
        """
        topics = (self._settings.changelog_topic, self._settings.positions_topic)
        return [(topic, task.partition) for task in tasks if task.owner for topic in topics]

    def _fence(self, ordinal: int) -> None:
        """Abort what a former owner has open, and refuse what it may still send (R2)."""
        begun_s = time.monotonic()
        producer = client.make_transactional_producer(self._settings, ordinal, "fence")
        with self._watchdog.guard("init_transactions of a former owner", client.TRANSACTION_TIMEOUT_S):
            producer.init_transactions(client.TRANSACTION_TIMEOUT_S)
        log.info("fenced pod %d in %.2f s", ordinal, time.monotonic() - begun_s)
        metrics.PRODUCERS.labels("fence").inc()

    def tail_keys(self, partition: int) -> tuple[LogKey, LogKey]:
        return (self._settings.changelog_topic, partition), (self._settings.topics.profiles, partition)

    def task_keys(self, partition: int) -> list[LogKey]:
        return [*self.tail_keys(partition), (self._settings.positions_topic, partition)]

    def _log_keys(self, partitions: Iterable[int]) -> list[LogKey]:
        topics = self._settings.topics
        names = (
            topics.clicks,
            topics.profiles,
            self._settings.changelog_topic,
            self._settings.positions_topic,
        )
        return [(name, partition) for partition in partitions for name in names]

    def limits(self) -> ReplayLimits:
        """Return how long the topics keep things, asked for once."""
        if self._limits is None:
            plan, topics = self._plan, self._settings.topics
            tombstones_ms = topic_setting(self._admin, topics.profiles, "delete.retention.ms")
            self._limits = ReplayLimits(
                tombstones_ms=DAY_MS if tombstones_ms is None else tombstones_ms,
                changelog_ms=topic_setting(self._admin, self._settings.changelog_topic, "retention.ms"),
                state_ms=plan.size_ms + plan.grace_ms + plan.retention_ms,
            )
        return self._limits

    def profiles_end(self, partition: int) -> int | None:
        """Return the profiles' last stable offset as of now; None where it is to be asked again later."""
        if time.monotonic() < self._retry_at_s:
            return None
        key = (self._settings.topics.profiles, partition)
        try:
            return read_logs(self._admin, [key])[key].high
        except KafkaException as error:
            log.warning("cannot ask for the end of the profiles yet: %s", error)
            self._retry_at_s = time.monotonic() + RETRY_S
            return None
