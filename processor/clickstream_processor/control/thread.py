"""The controlled assignment: reads `<id>-assignment`, answers in `<id>-acks` (docs/reference/protocol.md).

A thread of its own, so that heartbeats go on while the worker restores or commits; they carry the worker's
progress, so a hung worker is seen all the same (R16). The worker calls the `AssignmentSource` methods.

No assignment is given out, so nothing is processed, before the process has claimed its ordinal
(ordinal_claim.py).
"""

import logging
import threading
import time
from collections.abc import Collection

from confluent_kafka import Message

from clickstream_processor.backlog import Backlog
from clickstream_processor.control.acks import Acks, report_of
from clickstream_processor.control.assignment import AssignmentTable, TaskAssignment
from clickstream_processor.control.instance import Instance
from clickstream_processor.control.ordinal_claim import ClaimStep, OrdinalClaim
from clickstream_processor.control.reader import ControlReader
from clickstream_processor.control.records import VERSION, Heartbeat, ProtocolTooNew
from clickstream_processor.control.view import ControlView
from clickstream_processor.directory import Directory
from clickstream_processor.errors import MalformedRecord, ProcessorError
from clickstream_processor.faults import NO_FAULTS, Faults
from clickstream_processor.settings.settings import Settings
from clickstream_processor.task_id import ALWAYS, TaskId

log = logging.getLogger(__name__)

HEARTBEAT_S = 1.0


class ControlStopped(ProcessorError):
    """The control thread ended on an error that is in the log. Exit: nothing can be told to this pod."""


class ControlTopic:
    """An `AssignmentSource` on the control topics. Make it, `start` it, give it to the worker."""

    def __init__(
        self,
        settings: Settings,
        directory: Directory,
        instance: Instance,
        faults: Faults = NO_FAULTS,
        stages: Collection[str] = ALWAYS,
    ) -> None:
        self._ordinal = settings.pod.ordinal
        self._directory = directory
        self._instance = instance
        self._faults = faults
        self._assignment_topic = settings.assignment_topic
        self._acks_topic = settings.acks_topic
        self._reader = ControlReader(settings)
        self._acks = Acks(settings, instance.id)
        self._view = ControlView(frozenset(stages))
        self._changed = threading.Condition()  # guards everything below, the view and what the acks hold
        self._as_of_ms: int | None = None
        self._failure: ProcessorError | None = None
        self._claim = OrdinalClaim(self._ordinal, instance)
        self._acks_end: int | None = None  # to be read before the claim goes on
        self._polled_s = time.monotonic()  # when the worker last asked
        self._tickets = 0  # refreshes asked for
        self._refreshed = 0  # the last of them that is done
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="control", daemon=True)

    def start(self) -> None:
        """Begin to read and to answer."""
        self._directory.instance = self._instance.id
        self._reader.start()
        self._thread.start()

    # --- AssignmentSource: called by the worker ------------------------------------------------------------

    def poll(self) -> AssignmentTable | None:
        """Return the newest assignment known; None before this process has claimed its ordinal."""
        with self._changed:
            self._polled_s = time.monotonic()
            return self._newest()

    def refresh(self, timeout_s: float) -> AssignmentTable | None:
        """Read the assignment to its last stable offset of now and return it (R3). Raises TimeoutError."""
        deadline_s = time.monotonic() + timeout_s
        with self._changed:
            self._polled_s = time.monotonic()
            self._tickets += 1
            ticket = self._tickets
            while not (self._claim.done and (self._faults.skips("R3") or self._refreshed >= ticket)):
                self._raise_failure()
                left_s = deadline_s - time.monotonic()
                if left_s <= 0:
                    raise TimeoutError(f"{self._assignment_topic} not read to its end in {timeout_s:.0f} s")
                self._changed.wait(left_s)
            return self._newest()

    def to_fence(self, task: TaskId, given: TaskAssignment, waited_s: float) -> tuple[int, ...] | None:
        """Return whom a new owner must fence before it restores, or None to wait and ask again (R8)."""
        with self._changed:
            return self._view.to_fence(self._ordinal, task, given, waited_s, time.monotonic())

    def holds(self, task: TaskId) -> None:
        """Note that transactions may touch the task from here on."""
        with self._changed:
            self._acks.holds(task)

    def acquired(self, task: TaskId, epoch: int) -> None:
        """Say that this pod has fenced, restored and starts the task now."""
        with self._changed:
            self._acks.acquired(task, epoch)

    def released(self, task: TaskId, epoch: int) -> None:
        """Say that this pod has committed and dropped the task, in the epoch that took it away."""
        with self._changed:
            self._acks.released(task, epoch)

    def close(self) -> None:
        """Send the last heartbeat, which says that the pod ended in order, and close."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join(10)
        self._instance.close()

    def _newest(self) -> AssignmentTable | None:
        self._raise_failure()
        if not self._claim.done:
            return None
        newest = self._view.assignment(self._as_of_ms)
        if newest is not None:
            self._acks.follow(newest.tasks)
        return newest

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    # --- the control thread --------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._loop()
            self._say_goodbye()
        except ProcessorError as error:
            self._fail(error)
        finally:
            self._reader.close()
            if not self._ending.is_set():
                self._fail(ControlStopped("the control thread has ended; see the error above"))

    def _loop(self) -> None:
        next_probe_s = next_heartbeat_s = 0.0
        while not self._ending.is_set():
            for message in self._reader.poll():
                self._take_in(message)
            self._acks.serve()
            now_s = time.monotonic()
            if now_s >= next_probe_s or self._refreshed < self._tickets:
                self._probe()
                next_probe_s = time.monotonic() + HEARTBEAT_S
            if not self._claim.done:
                self._pursue_claim(now_s)
            elif now_s >= next_heartbeat_s and self._acks.all_sent():  # else the last one has not left yet
                self._heartbeat()
                next_heartbeat_s = max(next_heartbeat_s + HEARTBEAT_S, now_s)

    def _take_in(self, message: Message) -> None:
        topic, offset = message.topic(), message.offset()
        assert topic is not None  # noqa: S101  # messages and ends of partitions always name their topic
        assert offset is not None  # noqa: S101
        with self._changed:
            if message.error() is None:
                self._apply(topic, message)
                offset += 1
            self._reader.passed(topic, offset)
            self._claim.check(self._view.pods.get(self._ordinal))
            self._changed.notify_all()

    def _apply(self, topic: str, message: Message) -> None:
        key, value = message.key(), message.value()
        try:
            if topic == self._assignment_topic:
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

        The question must be put after the refresh was asked for. Only this thread may put it: a polling
        thread starves any other that asks the same consumer.
        """
        asked_ms, tickets = _now_ms(), self._tickets
        end = self._reader.end_of(self._assignment_topic)
        if end is None:
            return
        with self._changed:
            if self._reader.has_read(self._assignment_topic, end):
                self._as_of_ms, self._refreshed = asked_ms, tickets
                self._changed.notify_all()

    def _pursue_claim(self, now_s: float) -> None:
        """Take the next step towards the ordinal."""
        if self._acks_end is not None:
            if not self._reader.has_read(self._acks_topic, self._acks_end):
                return
            self._acks_end = None
            self._claim.end_reached()
        step = self._claim.next_step(now_s, self._view.pods.get(self._ordinal))
        if step is ClaimStep.READ_TO_END:
            self._acks_end = self._reader.end_of(self._acks_topic)
        elif step is ClaimStep.SEND and self._acks.all_sent():
            self._heartbeat()
        elif step is ClaimStep.DONE:
            log.info("pod %s is instance %s", self._ordinal, self._instance.id)
            with self._changed:
                self._changed.notify_all()

    def _heartbeat(self, ended: bool = False) -> None:
        tasks, backlogs = self._directory.tasks, self._directory.backlogs
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
            volume_refuses=any(view.volume_refuses for view in tasks.values()),
            tasks={str(task): report_of(view, backlogs.get(task, Backlog())) for task, view in tasks.items()},
        )
        self._acks.heartbeat(beat)

    def _say_goodbye(self) -> None:
        if self._claim.done:
            self._heartbeat(ended=True)
            self._acks.flush(3)

    def _fail(self, error: ProcessorError) -> None:
        with self._changed:
            self._failure = self._failure or error
            self._changed.notify_all()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
