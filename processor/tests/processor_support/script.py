"""An assignment that the test writes, as the controller would; what a pod answers is kept."""

import time
from collections.abc import Callable
from types import MappingProxyType

from clickstream_processor.control.assignment import AssignmentTable, TaskAssignment
from clickstream_processor.task_id import TaskId


class Script:
    """The AssignmentSource of one pod."""

    def __init__(self, ordinal: int) -> None:
        self._ordinal = ordinal
        self._seen: AssignmentTable | None = None
        self._written: AssignmentTable | None = None
        self.acquisitions: list[tuple[TaskId, int]] = []
        self.releases: list[tuple[TaskId, int]] = []
        self.waits_for: Script | None = None  # a living pod, which releases before it is fenced (R8)
        self.waited = False
        self.before_acquired: Callable[[], None] = lambda: None

    def write(self, generation: int, tasks: dict[TaskId, TaskAssignment], *, visible: bool = True) -> None:
        """Publish; `visible` False: the pod lags, and sees it only when it reads to the end (R3)."""
        now_ms = int(time.time() * 1_000)
        self._written = AssignmentTable(generation, 1, MappingProxyType(tasks), now_ms)
        if visible:
            self._seen = self._written

    def poll(self) -> AssignmentTable | None:
        return self._seen

    def refresh(self, timeout_s: float) -> AssignmentTable | None:  # noqa: ARG002
        self._seen = self._written
        return self._seen

    def to_fence(self, task: TaskId, given: TaskAssignment, _: float) -> tuple[int, ...] | None:
        if self.waits_for is not None:
            if (task, given.epoch) in self.waits_for.releases:
                return ()
            self.waited = True
            return None
        return tuple(ordinal for ordinal in given.fence if ordinal != self._ordinal)

    def holds(self, task: TaskId) -> None:
        pass

    def acquired(self, task: TaskId, epoch: int) -> None:
        self.before_acquired()
        self.acquisitions.append((task, epoch))

    def released(self, task: TaskId, epoch: int) -> None:
        self.releases.append((task, epoch))

    def close(self) -> None:
        pass
