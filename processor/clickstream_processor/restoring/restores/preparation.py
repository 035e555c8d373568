"""Step 2 of a restoration: former owners are fenced (R2), then the logs' ends are asked for (R10, R20)."""

import logging
import time
from collections.abc import Iterable, Mapping

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from clickstream_processor import metrics
from clickstream_processor.faults import Faults
from clickstream_processor.kafka import client
from clickstream_processor.kafka.ends import Log, LogKey, read_high_watermarks, read_logs, topic_setting
from clickstream_processor.kafka.watchdog import Watchdog
from clickstream_processor.restoring.positions import PositionLogs
from clickstream_processor.restoring.restores.replay import DAY_MS, ReplayLimits
from clickstream_processor.restoring.restores.restore import NO_LOG, Restore, TaskLogs
from clickstream_processor.settings.settings import Settings
from clickstream_processor.stages.stage import Stage, Stages
from clickstream_processor.task_id import TaskId

log = logging.getLogger(__name__)

OPEN_RETRY_S = 0.02  # between looks at a transaction whose markers are on their way
RETRY_S = 0.5  # between requests to brokers that do not answer


class Preparation:
    """What is asked of the brokers before a task's logs are read. Used by the restorer's thread only."""

    def __init__(
        self,
        settings: Settings,
        stages: Stages,
        admin: AdminClient,
        positions: PositionLogs,
        faults: Faults,
        watchdog: Watchdog,
    ) -> None:
        self._settings = settings
        self._stages = stages
        self._admin = admin
        self._positions = positions
        self._faults = faults
        self._watchdog = watchdog
        self._limits: dict[str, ReplayLimits] = {}  # by stage
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
                logs = read_logs(self._admin, {key for task in tasks for key in self._log_keys(task)})
        except KafkaException as error:
            log.warning("cannot prepare a restore yet: %s", error)
            self._retry_at_s = time.monotonic() + RETRY_S
            return
        for task in tasks:
            own_keys = self._own_keys([task])
            if any(logs[key].high < written[key] for key in own_keys):
                self._retry_at_s = time.monotonic() + OPEN_RETRY_S
                continue
            task.asked(self._task_logs(task, logs))
            if not self._positions.reads_for(task.id):  # a standby that is promoted follows them already
                self._positions.read_for(task.id, task.positions_next)

    def _own_keys(self, tasks: Iterable[Restore]) -> list[LogKey]:
        """Return the logs that only a task's owner writes, of tasks to be owned.

        A commit is answered before its markers are written: until they are, the last stable offset hides a
        transaction that is decided. So an owner waits until nothing is open in these logs.
        """
        return [
            (topic, task.partition)
            for task in tasks
            if task.owner
            for topic in (task.stage.changelog, self._settings.positions_topic)
            if topic is not None
        ]

    def _fence(self, ordinal: int) -> None:
        """Abort what a former owner has open, and refuse what it may still send (R2)."""
        begun_s = time.monotonic()
        producer = client.make_transactional_producer(self._settings, ordinal, "fence")
        with self._watchdog.guard("init_transactions of a former owner", client.TRANSACTION_TIMEOUT_S):
            producer.init_transactions(client.TRANSACTION_TIMEOUT_S)
        log.info("fenced pod %d in %.2f s", ordinal, time.monotonic() - begun_s)
        metrics.PRODUCERS.labels("fence").inc()

    def tail_keys(self, task: TaskId) -> list[LogKey]:
        """Return the logs that a standby follows: changelog and table, as far as its stage has them."""
        stage = self._stages[task.stage]
        return [(topic, task.partition) for topic in (stage.changelog, stage.table) if topic is not None]

    def end_keys(self, task: TaskId) -> list[LogKey]:
        """Return the logs whose ends say that a task has all: of one that keeps nothing, its positions'."""
        return self.tail_keys(task) or [(self._settings.positions_topic, task.partition)]

    def _log_keys(self, task: Restore) -> list[LogKey]:
        return [
            task.stage.input_of(task.partition),
            *self.tail_keys(task.id),
            (self._settings.positions_topic, task.partition),
        ]

    def _task_logs(self, task: Restore, logs: Mapping[LogKey, Log]) -> TaskLogs:
        def log_of(topic: str | None) -> Log:
            return NO_LOG if topic is None else logs[topic, task.partition]

        stage = task.stage
        topics = (stage.input, stage.table, stage.changelog, self._settings.positions_topic)
        return TaskLogs(*map(log_of, topics))

    def limits(self, stage: Stage) -> ReplayLimits:
        """Return how long a stage's topics keep things, asked for once."""
        if stage.name not in self._limits:
            tombstones_ms = changelog_ms = deletes_ms = None
            if stage.table is not None:
                tombstones_ms = topic_setting(self._admin, stage.table, "delete.retention.ms")
            if stage.changelog is not None:
                changelog_ms = topic_setting(self._admin, stage.changelog, "retention.ms")
                deletes_ms = topic_setting(self._admin, stage.changelog, "delete.retention.ms")
            self._limits[stage.name] = ReplayLimits(
                tombstones_ms=DAY_MS if tombstones_ms is None else tombstones_ms,
                changelog_ms=changelog_ms,
                state_ms=stage.state_ms,
                changelog_tombstones_ms=DAY_MS if deletes_ms is None else deletes_ms,
            )
        return self._limits[stage.name]

    def table_end(self, task: TaskId) -> int | None:
        """Return the table's last stable offset as of now; None where it is to be asked again later."""
        if time.monotonic() < self._retry_at_s:
            return None
        topic = self._stages[task.stage].table
        if topic is None:
            return NO_LOG.high
        key = (topic, task.partition)
        try:
            return read_logs(self._admin, [key])[key].high
        except KafkaException as error:
            log.warning("cannot ask for the end of the profiles yet: %s", error)
            self._retry_at_s = time.monotonic() + RETRY_S
            return None
