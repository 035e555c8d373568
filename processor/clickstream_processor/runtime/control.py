"""The controlled assignment: reads `<id>-assignment`, answers in `<id>-acks` (docs/protocol.md).

A thread of its own, so that heartbeats go on while the worker restores or commits; they carry the worker's
progress, so a hung worker is seen all the same (R16). The worker calls the `AssignmentSource` methods.

No assignment is given out, so nothing is processed, before the process has claimed its ordinal (claim.py).
"""

import logging
import threading
import time
from types import MappingProxyType

from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException, Message, Producer, TopicPartition

from clickstream_processor.backlog import Backlog
from clickstream_processor.directory import Directory, Role, TaskView
from clickstream_processor.errors import MalformedRecord, ProcessorError
from clickstream_processor.runtime.assignment import Assignment, TaskAssignment
from clickstream_processor.runtime.claim import OrdinalClaim, Step
from clickstream_processor.runtime.client import connection, make_consumer
from clickstream_processor.runtime.control_view import ControlView
from clickstream_processor.runtime.instance import Instance
from clickstream_processor.runtime.protocol import (
    VERSION,
    Ack,
    Heartbeat,
    ProtocolTooNew,
    TaskReport,
    encode,
    task_name,
)
from clickstream_processor.settings import Settings

log = logging.getLogger(__name__)

HEARTBEAT_S = 1.0
REPEAT_S = 5.0
_POLL_S = 0.02
_ASK_S = 2.0  # bound of a question for the end of a topic; heartbeats wait for it


class ControlStopped(ProcessorError):
    """The control thread ended on an error that is in the log. Exit: nothing can be told to this pod."""


class ControlTopic:
    """An `AssignmentSource` on the control topics. Make it, `start` it, give it to the worker."""

    def __init__(
        self, settings: Settings, directory: Directory, instance: Instance, *, skip_refresh: bool = False
    ) -> None:
        """`skip_refresh` leaves out R3: for the fault suite, which shows what that costs."""
        self._ordinal = settings.pod.ordinal
        self._directory = directory
        self._instance = instance
        self._skip_refresh = skip_refresh
        self._assignment = TopicPartition(settings.assignment_topic, 0)
        self._acks = TopicPartition(settings.acks_topic, 0)
        self._consumer = make_consumer(settings, "control", **{"auto.offset.reset": "earliest"})
        self._producer = Producer(
            connection(settings, "acks")
            | {"enable.idempotence": True, "message.timeout.ms": 30_000, "linger.ms": 0}
        )
        self._view = ControlView()
        self._changed = threading.Condition()  # guards everything below, and the view
        self._read = {self._assignment.topic: 0, self._acks.topic: 0}  # next offset; passes control records
        self._as_of_ms: int | None = None
        self._failure: ProcessorError | None = None
        self._claim = OrdinalClaim(self._ordinal, instance)
        self._acks_end: int | None = None  # to be read before the claim goes on
        self._held: set[int] = (
            set()
        )  # acquired and not yet released: no release goes out behind the worker's back
        self._acquired: dict[int, tuple[int, float]] = {}  # partition -> epoch, when it was last said
        self._released: dict[int, int] = {}  # partition -> epoch of the last release sent
        self._polled_s = time.monotonic()  # when the worker last asked
        self._tickets = 0  # refreshes asked for
        self._refreshed = 0  # the last of them that is done
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="control", daemon=True)

    def start(self) -> None:
        """Begin to read and to answer."""
        self._directory.instance = self._instance.id
        self._consumer.assign(
            [
                TopicPartition(tp.topic, tp.partition, OFFSET_BEGINNING)
                for tp in (self._assignment, self._acks)
            ]
        )
        self._thread.start()

    # --- AssignmentSource: called by the worker ------------------------------------------------------------

    def poll(self) -> Assignment | None:
        """Return the newest assignment known; None before this process has claimed its ordinal."""
        with self._changed:
            self._polled_s = time.monotonic()
            return self._newest()

    def refresh(self, timeout_s: float) -> Assignment | None:
        """Read the assignment to its last stable offset of now and return it (R3). Raises TimeoutError."""
        deadline_s = time.monotonic() + timeout_s
        with self._changed:
            self._polled_s = time.monotonic()
            self._tickets += 1
            ticket = self._tickets
            while not (self._claim.done and (self._skip_refresh or self._refreshed >= ticket)):
                self._raise_failure()
                left_s = deadline_s - time.monotonic()
                if left_s <= 0:
                    raise TimeoutError(f"{self._assignment.topic} not read to its end in {timeout_s:.0f} s")
                self._changed.wait(left_s)
            return self._newest()

    def to_fence(self, partition: int, task: TaskAssignment, waited_s: float) -> tuple[int, ...] | None:
        """Return whom a new owner must fence before it restores, or None to wait and ask again (R8)."""
        with self._changed:
            return self._view.to_fence(self._ordinal, partition, task, waited_s, time.monotonic())

    def holds(self, partition: int) -> None:
        """Note that transactions may touch the task from here on."""
        with self._changed:
            self._held.add(partition)

    def acquired(self, partition: int, epoch: int) -> None:
        """Say that this pod has fenced, restored and starts the task now."""
        with self._changed:
            self._held.add(partition)
            self._acquired[partition] = (epoch, time.monotonic())
        self._answer("acquired", partition, epoch)

    def released(self, partition: int, epoch: int) -> None:
        """Say that this pod has committed and dropped the task, in the epoch that took it away."""
        with self._changed:
            self._held.discard(partition)
            self._acquired.pop(partition, None)
            self._released[partition] = epoch
        self._answer("released", partition, epoch)

    def close(self) -> None:
        """Send the last heartbeat, which says that the pod ended in order, and close."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join(10)
        self._instance.close()

    def _newest(self) -> Assignment | None:
        self._raise_failure()
        if not self._claim.done:
            return None
        newest = self._view.assignment(self._as_of_ms)
        if newest is not None:
            self._release_unheld(newest.tasks)
            self._repeat_acquired(newest.tasks)
        return newest

    def _repeat_acquired(self, tasks: MappingProxyType[int, TaskAssignment]) -> None:
        """Say again what the controller has not noted: it may have been away, and the ack compacted."""
        now_s = time.monotonic()
        for partition, (epoch, said_s) in self._acquired.items():
            task = tasks.get(partition)
            unnoted = task is not None and task.epoch == epoch and (task.fence or not task.started)
            if unnoted and now_s - said_s > REPEAT_S:
                self._acquired[partition] = (epoch, now_s)
                self._answer("acquired", partition, epoch)

    def _release_unheld(self, tasks: MappingProxyType[int, TaskAssignment]) -> None:
        """Release what this pod is to be fenced for and does not hold: the new owner need not wait (R8)."""
        for partition, task in tasks.items():
            if self._ordinal not in task.fence or task.owner == self._ordinal or partition in self._held:
                continue
            if self._released.get(partition) != task.epoch:
                self._released[partition] = task.epoch
                self._answer("released", partition, task.epoch)

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _answer(self, kind: str, partition: int, epoch: int) -> None:
        ack = Ack(VERSION, kind, epoch, self._ordinal, self._instance.id, _now_ms())  # type: ignore[arg-type]
        self._send(f"task/{task_name(partition)}", encode(ack))

    # --- the control thread --------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._loop()
            self._say_goodbye()
        except ProcessorError as error:
            self._fail(error)
        finally:
            self._consumer.close()
            if not self._ending.is_set():
                self._fail(ControlStopped("the control thread has ended; see the error above"))

    def _loop(self) -> None:
        next_probe_s = next_heartbeat_s = 0.0
        while not self._ending.is_set():
            self._take_in(self._consumer.poll(_POLL_S))
            for message in self._consumer.consume(1_000, 0):
                self._take_in(message)
            self._producer.poll(0)
            now_s = time.monotonic()
            if now_s >= next_probe_s or self._refreshed < self._tickets:
                self._probe()
                next_probe_s = time.monotonic() + HEARTBEAT_S
            if not self._claim.done:
                self._pursue_claim(now_s)
            elif now_s >= next_heartbeat_s and len(self._producer) == 0:  # else the last one has not left yet
                self._heartbeat()
                next_heartbeat_s = max(next_heartbeat_s + HEARTBEAT_S, now_s)

    def _take_in(self, message: Message | None) -> None:
        if message is None:
            return
        error = message.error()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            log.warning("reading the control topics: %s", error)
            return
        topic, offset = message.topic(), message.offset()
        assert topic is not None  # noqa: S101  # messages and ends of partitions always name their topic
        assert offset is not None  # noqa: S101
        with self._changed:
            if error is None:
                self._apply(topic, message)
                offset += 1
            self._read[topic] = offset
            self._claim.check(self._view.pods.get(self._ordinal))
            self._changed.notify_all()

    def _apply(self, topic: str, message: Message) -> None:
        key, value = message.key(), message.value()
        try:
            if topic == self._assignment.topic:
                self._view.apply_assignment(key, value)
            else:
                self._view.apply_ack(key, value, self._heard_s(message))
        except MalformedRecord as error:
            log.warning("%s, offset %s skipped: %s", topic, message.offset(), error)
        except ProtocolTooNew as error:
            raise ProtocolTooNew(f"{topic}, offset {message.offset()}: {error}") from error

    def _heard_s(self, message: Message) -> float:
        """Return when the record came: now, or by its timestamp while old ones are read after the start."""
        age_s = 0.0
        if not self._claim.history_read:
            age_s = max(0.0, (_now_ms() - message.timestamp()[1]) / 1_000)
        return time.monotonic() - age_s

    def _probe(self) -> None:
        """Learn whether the assignment known is the newest: once a second, and for each refresh (R3).

        The question must be put after the refresh was asked for. Only this thread may put it: the client
        lets one thread at a time into a consumer, and a polling thread starves any other.
        """
        asked_ms, tickets = _now_ms(), self._tickets
        end = self._end_of(self._assignment, _ASK_S)
        if end is None:
            return
        with self._changed:
            if self._read[self._assignment.topic] >= end:
                self._as_of_ms, self._refreshed = asked_ms, tickets
                self._changed.notify_all()

    def _end_of(self, partition: TopicPartition, timeout_s: float) -> int | None:
        """Return the last stable offset as of now, None when no broker tells it in time."""
        try:
            offsets = self._consumer.get_watermark_offsets(partition, timeout_s, cached=False)
        except KafkaException as error:
            log.debug("end of %s: %s", partition.topic, error)
            return None
        return offsets[1] if offsets is not None else None

    def _pursue_claim(self, now_s: float) -> None:
        """Take the next step towards the ordinal."""
        if self._acks_end is not None:
            if self._read[self._acks.topic] < self._acks_end:
                return
            self._acks_end = None
            self._claim.end_reached()
        step = self._claim.next_step(now_s, self._view.pods.get(self._ordinal))
        if step is Step.READ_TO_END:
            self._acks_end = self._end_of(self._acks, _ASK_S)
        elif step is Step.SEND and len(self._producer) == 0:
            self._heartbeat()
        elif step is Step.DONE:
            log.info("pod %s is instance %s", self._ordinal, self._instance.id)
            with self._changed:
                self._changed.notify_all()

    def _heartbeat(self, ended: bool = False) -> None:
        backlogs = self._directory.backlogs
        tasks = {
            task_name(partition): _report_of(view, backlogs.get(partition, Backlog()))
            for partition, view in self._directory.tasks.items()
        }
        beat = Heartbeat(
            version=VERSION,
            ordinal=self._ordinal,
            instance=self._instance.id,
            incarnation=self._claim.incarnation,
            at_ms=_now_ms(),
            generation=self._view.generation,
            term=self._view.term,
            commits=self._directory.totals.commits,
            ended=ended,
            worker_silent_ms=int((time.monotonic() - self._polled_s) * 1_000),
            volume_refuses=any(view.volume_refuses for view in self._directory.tasks.values()),
            tasks=tasks,
        )
        self._send(f"pod/{self._ordinal}", encode(beat))

    def _send(self, key: str, value: bytes) -> None:
        try:
            self._producer.produce(self._acks.topic, value, key, self._acks.partition)
        except (BufferError, KafkaException) as error:
            log.warning("%s not sent to %s: %s", key, self._acks.topic, error)

    def _say_goodbye(self) -> None:
        if self._claim.done:
            self._heartbeat(ended=True)
            self._producer.flush(3)

    def _fail(self, error: ProcessorError) -> None:
        with self._changed:
            self._failure = self._failure or error
            self._changed.notify_all()


def _report_of(view: TaskView, lag: Backlog) -> TaskReport:
    """Return a task's line of a heartbeat: a lag that is not known moves nothing, and is 0 there."""
    role, phase = view.role.value, view.phase.value
    if view.role is Role.STANDBY:
        return TaskReport(role, phase, view.epoch, view.restore_records)
    return TaskReport(role, phase, view.epoch, lag.records or 0, lag.ms or 0)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
