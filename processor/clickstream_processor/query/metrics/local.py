"""Metrics from this pod's committed state: the tasks it can read, each read in steps, merged."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

from clickstream_processor.aggregation.metric import Metric
from clickstream_processor.directory import Directory, TaskView
from clickstream_processor.errors import (
    MalformedPartial,
    StateCorrupted,
    StateTooNew,
    StateUnavailable,
    StoreClosed,
)
from clickstream_processor.query.metrics.merge import merge_results, merge_tasks
from clickstream_processor.query.metrics.pod_answer import PodResult, PodTasks, PodWindow
from clickstream_processor.query.metrics.reading.closed_sums import closed_before_ms
from clickstream_processor.query.metrics.reading.pace import Pace
from clickstream_processor.query.metrics.reading.reading import (
    Kept,
    WindowsRead,
    look_up_windows,
    read_marks,
    read_since,
    read_time,
    scan_windows,
    told_ms,
)
from clickstream_processor.query.users.readable import is_running_owner, note, stale_ms
from clickstream_processor.query.users.turns import TurnLimits, Turns
from clickstream_processor.state.reads import Steps
from clickstream_processor.state.store import TaskStore
from clickstream_processor.task_id import METRICS, TaskId
from clickstream_processor.topology.records.partitioning import murmur2_partition

T = TypeVar("T")


class LocalMetrics:
    """Answers from this pod's stores. A task that cannot be read is left out of `partitions`."""

    def __init__(
        self, directory: Directory, partitions: int, fresh_ms: int, lookups: TurnLimits, scans: TurnLimits
    ) -> None:
        self._directory = directory
        self._partitions = partitions
        self._fresh_ms = fresh_ms
        self._lookups, self._scans = Turns(lookups), Turns(scans)
        self._kept = Kept()

    async def tasks(
        self, metrics: Sequence[Metric], asked: Collection[int], now_ms: int, *, as_owner: bool
    ) -> PodTasks:
        """Return how far the tasks are. Raises Problem 503 while too many long reads are under way."""

        def one(view: TaskView, store: TaskStore, age_ms: int, pace: Pace) -> Steps[PodTasks]:
            time_ms = yield from read_time(store, self._partitions, pace)
            return PodTasks(0, (view.task.partition,), time_ms, age_ms, read_since(store, metrics))

        found = await self._scans.read(self._each(one, asked, now_ms, as_owner=as_owner))
        return merge_tasks(found, self._generation)

    async def result(
        self, read: WindowsRead, asked: Collection[int], now_ms: int, *, as_owner: bool
    ) -> PodResult:
        """Return windows of a metric over the tasks.

        Raises Problem 503: too many long reads are under way, or this one takes too long.
        """

        def one(view: TaskView, store: TaskStore, age_ms: int, pace: Pace) -> Steps[PodResult]:
            marks = yield from read_marks(store, pace)
            windows = yield from self._windows(view.task.partition, store, read, pace, marks)
            kept_ms = yield from read_time(store, self._partitions, pace)
            since = read_since(store, [read.metric])
            return PodResult(
                PodTasks(0, (view.task.partition,), told_ms(marks, self._partitions), age_ms, since),
                read.metric.panes.first_kept_window_ms(kept_ms) if kept_ms >= 0 else 0,
                tuple(windows),
            )

        turns = self._lookups if read.match.is_one_key else self._scans
        found = await turns.read(self._each(one, asked, now_ms, as_owner=as_owner))
        return merge_results(read.metric, found, self._generation, read.top)

    @property
    def _generation(self) -> int:
        return self._directory.routes_of(METRICS).generation

    def _windows(
        self, partition: int, store: TaskStore, read: WindowsRead, pace: Pace, marks: Mapping[int, int]
    ) -> Steps[list[PodWindow]]:
        if not read.match.is_one_key:
            closed_ms = closed_before_ms(read.metric, marks, self._partitions)
            return (yield from scan_windows(store, read, pace, self._kept, closed_ms))
        keys = [key for partition_of, key in places(read, self._partitions) if partition_of == partition]
        return (yield from look_up_windows(store, read, keys, pace))

    def _each(
        self,
        one: Callable[[TaskView, TaskStore, int, Pace], Steps[T]],
        asked: Collection[int],
        now_ms: int,
        *,
        as_owner: bool,
    ) -> Steps[list[T]]:
        """Read each task that can be read."""
        pace, found = Pace(), []
        for partition in asked:
            view = self._directory.tasks.get(TaskId(METRICS, partition))
            if view is None or view.store is None or (as_owner and not self._owns(view)):
                continue
            age_ms = stale_ms(self._directory, view, now_ms, self._fresh_ms)
            if age_ms is None:
                continue
            try:
                found.append((yield from one(view, view.store, age_ms, pace)))
            except StoreClosed:  # the task was given away a moment ago
                continue
            except MalformedPartial as error:
                note(StateCorrupted(f"a metrics task's state: {error}"), view.task, view.store)
            except (StateCorrupted, StateTooNew, StateUnavailable) as error:
                note(error, view.task, view.store)
        return found

    def _owns(self, view: TaskView) -> bool:
        owner = self._directory.routes_of(METRICS).owners[view.task.partition]
        return owner == self._directory.ordinal and is_running_owner(view)


def places(read: WindowsRead, partitions: int) -> list[tuple[int, bytes]]:
    """Return the keys of a question for one key, each with the partition of the task that has it."""
    identity = read.metric.identity
    return [(murmur2_partition(identity + key, partitions), key) for key in read.match.encoded()]
