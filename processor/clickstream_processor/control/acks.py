"""What this pod says in the acks topic: heartbeats, and a word on each task it has acquired or released."""

import logging
import time
from collections.abc import Mapping

from confluent_kafka import KafkaException, Producer

from clickstream_processor.backlog import Backlog
from clickstream_processor.control.assignment import TaskAssignment
from clickstream_processor.control.records import VERSION, Ack, Heartbeat, TaskReport, encode
from clickstream_processor.directory import Role, TaskView
from clickstream_processor.kafka.client import connection
from clickstream_processor.settings.settings import Settings
from clickstream_processor.task_id import TaskId

log = logging.getLogger(__name__)

REPEAT_S = 5.0


class Acks:
    """The pod's producer of acks, and what it has said of tasks. The caller guards it with its lock."""

    def __init__(self, settings: Settings, instance: str) -> None:
        self._topic = settings.acks_topic
        self._ordinal = settings.pod.ordinal
        self._instance = instance
        self._producer = Producer(
            connection(settings, "acks")
            | {"enable.idempotence": True, "message.timeout.ms": 30_000, "linger.ms": 0}
        )
        self._held: set[TaskId] = (
            set()
        )  # acquired and not yet released: no release goes out behind the worker's back
        self._acquired: dict[TaskId, tuple[int, float]] = {}  # epoch, when it was last said
        self._released: dict[TaskId, int] = {}  # epoch of the last release sent

    def holds(self, task: TaskId) -> None:
        """Note that transactions may touch the task from here on."""
        self._held.add(task)

    def acquired(self, task: TaskId, epoch: int) -> None:
        """Say that this pod has fenced, restored and starts the task now."""
        self._held.add(task)
        self._acquired[task] = (epoch, time.monotonic())
        self._answer("acquired", task, epoch)

    def released(self, task: TaskId, epoch: int) -> None:
        """Say that this pod has committed and dropped the task, in the epoch that took it away."""
        self._held.discard(task)
        self._acquired.pop(task, None)
        self._released[task] = epoch
        self._answer("released", task, epoch)

    def follow(self, tasks: Mapping[TaskId, TaskAssignment]) -> None:
        """Say what the newest assignment asks for: releases, and acquisitions that it does not show."""
        self._release_unheld(tasks)
        self._repeat_acquired(tasks)

    def heartbeat(self, beat: Heartbeat) -> None:
        """Send a heartbeat."""
        self._send(f"pod/{self._ordinal}", encode(beat))

    def all_sent(self) -> bool:
        """Tell whether everything has left for the brokers and was answered."""
        return len(self._producer) == 0

    def serve(self) -> None:
        """Serve delivery reports."""
        self._producer.poll(0)

    def flush(self, timeout_s: float) -> None:
        """Wait until everything has left."""
        self._producer.flush(timeout_s)

    def _repeat_acquired(self, tasks: Mapping[TaskId, TaskAssignment]) -> None:
        """Say again what the controller has not noted: it may have been away, and the ack compacted."""
        now_s = time.monotonic()
        for task, (epoch, said_s) in self._acquired.items():
            given = tasks.get(task)
            unnoted = given is not None and given.epoch == epoch and (given.fence or not given.started)
            if unnoted and now_s - said_s > REPEAT_S:
                self._acquired[task] = (epoch, now_s)
                self._answer("acquired", task, epoch)

    def _release_unheld(self, tasks: Mapping[TaskId, TaskAssignment]) -> None:
        """Release what this pod is to be fenced for and does not hold: the new owner need not wait (R8)."""
        for task, given in tasks.items():
            if self._ordinal not in given.fence or given.owner == self._ordinal or task in self._held:
                continue
            if self._released.get(task) != given.epoch:
                self._released[task] = given.epoch
                self._answer("released", task, given.epoch)

    def _answer(self, kind: str, task: TaskId, epoch: int) -> None:
        now_ms = time.time_ns() // 1_000_000
        ack = Ack(VERSION, kind, epoch, self._ordinal, self._instance, now_ms)  # type: ignore[arg-type]
        self._send(f"task/{task}", encode(ack))

    def _send(self, key: str, value: bytes) -> None:
        try:
            self._producer.produce(self._topic, value, key, 0)
        except (BufferError, KafkaException) as error:
            log.warning("%s not sent to %s: %s", key, self._topic, error)


def report_of(view: TaskView, lag: Backlog) -> TaskReport:
    """Return a task's line of a heartbeat: a lag that is not known moves nothing, and is 0 there."""
    role, phase, store = view.role.value, view.phase.value, view.store
    applied = -1 if store is None else store.checkpoint.changelog_offset
    unpurged = store is not None and store.unpurged
    if view.role is Role.STANDBY:
        return TaskReport(role, phase, view.epoch, view.restore_records, 0, applied, unpurged)
    return TaskReport(role, phase, view.epoch, lag.records or 0, lag.ms or 0, applied, unpurged)
