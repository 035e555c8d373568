"""What the two control topics say, folded record by record; no I/O, the time is an argument.

Fed by the control thread (thread.py). Tasks of stages that this program does not have are malformed records.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from types import MappingProxyType

from clickstream_processor.control.assignment import AssignmentTable, TaskAssignment
from clickstream_processor.control.records import (
    Ack,
    Claim,
    Heartbeat,
    decode_ack,
    decode_assignment,
    task_in,
)
from clickstream_processor.task_id import ALWAYS, TaskId

RELEASE_WAIT_S = 3.0  # R8: how long a living pod may take to release before it is fenced
ALIVE_S = 2.5  # two heartbeats missed and a half: not alive enough to wait for


@dataclass(slots=True)
class PodProcess:
    """The newest process of one ordinal, by its heartbeats."""

    heartbeat: Heartbeat
    heard_s: float  # monotonic time of this process at which the heartbeat came


@dataclass(slots=True)
class ControlView:
    """The newest assignment, the pods' heartbeats and their releases."""

    stages: Collection[str] = ALWAYS
    generation: int = 0
    term: int = 0
    tasks: MappingProxyType[TaskId, TaskAssignment] = field(default_factory=lambda: MappingProxyType({}))
    pods: dict[int, PodProcess] = field(default_factory=dict)
    _releases: dict[tuple[TaskId, int], Ack] = field(default_factory=dict)  # (task, ordinal) -> the last

    def assignment(self, as_of_ms: int | None) -> AssignmentTable | None:
        """Return the assignment, None as long as no controller has ever claimed the topic."""
        if self.term == 0:
            return None
        return AssignmentTable(self.generation, self.term, self.tasks, as_of_ms)

    def apply_assignment(self, key: bytes | None, value: bytes | None) -> None:
        """Take in a record of the assignment topic; a stale controller's are ignored (R15)."""
        if value is None:
            if key is not None and key.startswith(b"task/"):
                gone = task_in(key, self.stages)
                self.tasks = MappingProxyType({t: given for t, given in self.tasks.items() if t != gone})
            return
        record = decode_assignment(key, value, self.stages)
        if record.term < self.term:
            return
        self.term = record.term
        if isinstance(record, Claim):
            return
        self.generation = max(self.generation, record.generation)
        given = TaskAssignment(record.owner, record.epoch, record.fence, record.standbys, record.started)
        self.tasks = MappingProxyType({**self.tasks, task_in(key, self.stages): given})

    def apply_ack(self, key: bytes | None, value: bytes | None, heard_s: float) -> None:
        """Take in a record of the acks topic.

        Of two processes with one ordinal the higher incarnation counts; of two with the same incarnation,
        which started at the same moment, the one whose heartbeat stands first (R9).
        """
        if value is None:
            return
        record = decode_ack(key, value, self.stages)
        if isinstance(record, Ack):
            if record.kind == "released":
                self._releases[task_in(key, self.stages), record.ordinal] = record
            return
        known = self.pods.get(record.ordinal)
        if known is None or record.incarnation > known.heartbeat.incarnation:
            self.pods[record.ordinal] = PodProcess(record, heard_s)
        elif record.instance == known.heartbeat.instance:
            known.heartbeat, known.heard_s = record, heard_s

    def to_fence(
        self, me: int, task: TaskId, given: TaskAssignment, waited_s: float, now_s: float
    ) -> tuple[int, ...] | None:
        """Return the pods to fence before the take-over, None to wait for a release (R8)."""
        fence = []
        for ordinal in given.fence:
            if ordinal == me or self._has_released(ordinal, task, given.epoch):
                continue
            if waited_s < RELEASE_WAIT_S and self._is_alive(ordinal, now_s):
                return None
            fence.append(ordinal)
        return tuple(fence)

    def _has_released(self, ordinal: int, task: TaskId, epoch: int) -> bool:
        """Tell whether the pod, and not an earlier process of it, holds nothing of the task in this epoch."""
        release, pod = self._releases.get((task, ordinal)), self.pods.get(ordinal)
        return (
            release is not None
            and pod is not None
            and release.epoch == epoch
            and release.instance == pod.heartbeat.instance
        )

    def _is_alive(self, ordinal: int, now_s: float) -> bool:
        pod = self.pods.get(ordinal)
        return pod is not None and not pod.heartbeat.ended and now_s - pod.heard_s < ALIVE_S
