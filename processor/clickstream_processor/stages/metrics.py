"""The stage `metrics`: what the clicks stage adds to each pane and key, merged for all partitions."""

import time
from collections.abc import Mapping, Sequence

import msgspec

from clickstream_processor.aggregation.merging.line import MetricsLine
from clickstream_processor.aggregation.metric import Metric, MetricCounters
from clickstream_processor.aggregation.pending import Change, Flushed
from clickstream_processor.settings.settings import Settings
from clickstream_processor.stages.metrics_applier import MetricsApplier
from clickstream_processor.stages.stage import Stage, StageOutputs
from clickstream_processor.state.checkpoint import Position
from clickstream_processor.state.store import TaskStore
from clickstream_processor.task_id import METRICS
from clickstream_processor.topology.interfaces import Message, RefusedRow
from clickstream_processor.topology.records.records import Counters, Reason


class MetricsState:
    """A metrics task's state: its store, and what the last flush has found. A LineState."""

    def __init__(self, store: TaskStore, line: MetricsLine) -> None:
        self._store, self._line = store, line
        self.flushed = Flushed()
        self.stream_ms = line.time_ms  # what all clicks partitions have passed
        self.closed_ms = self.record_ms = self.ahead_ms = -1
        self.metrics_ms = self.sessions_ms = -1
        self.lag_ms = 0
        self.profile_reads = self.chunk_reads = 0

    def commit(self, position: Position, changelog_offset: int) -> None:
        """Write what was flushed, with the position; see TaskState.commit."""
        checkpoint = msgspec.structs.replace(
            self._store.checkpoint,
            changelog_offset=changelog_offset,
            position=position,
            proved_at_ms=position.at_ms,
            owner_mark=True,
        )
        self._store.write(self.flushed.changes, checkpoint, expired=self.flushed.expired)
        self.flushed = Flushed()
        self._line.settle()

    def commit_profiles(self) -> None:
        """Do nothing: there is no table."""


class TaskLine:
    """The aggregation's MetricsLine as a line. A Line and its MetricOutputs."""

    def __init__(
        self,
        metrics: Sequence[Metric],
        store: TaskStore,
        partition: int,
        partitions: int,
        outputs: StageOutputs,
        now_ms: int,
    ) -> None:
        self._partition, self._outputs = partition, outputs
        self._line = MetricsLine(metrics, store, partitions, self, now_ms)
        self.state = MetricsState(store, self._line)
        self.records = self._line.records
        self.counters = Counters()
        self.metric_counters: Mapping[str, MetricCounters] = self._line.counters
        self.refused: Sequence[RefusedRow] = ()

    def result(self, topic: str, value: bytes, key: bytes, timestamp_ms: int, /) -> None:
        """Send the value of one window and key, to the partition of the task."""
        self._outputs.send(topic, value, key, self._partition, None, None, timestamp_ms)

    def table(self, messages: Sequence[Message], /) -> None:
        """Do nothing: there is no table."""

    def set_aside(self, message: Message, reason: Reason, detail: str, /) -> None:
        """Send one record's dead letter."""
        self._outputs.dead_letter(message, reason.value, detail)

    def tick(self, now_ms: int, /) -> bool:  # noqa: ARG002 # time comes with the marks
        """Tell whether metrics have come or gone since the state was written."""
        return self._line.has_work()

    def flush(self) -> list[Change]:
        """Send results; return the changelog's records."""
        self.state.flushed = self._line.flush()
        self.state.stream_ms = self._line.time_ms
        self._count_skipped()
        return self.state.flushed.changes

    def _count_skipped(self) -> None:
        line, dropped = self._line, self.counters.dropped
        if line.malformed:
            dropped["malformed-partial"] = line.malformed
        if line.unknown:
            dropped["unknown-metric"] = line.unknown

    def limit_outputs(self, max_bytes: int, /) -> None:
        """Write no enriched clicks."""


def metrics_stage(settings: Settings, metrics: Sequence[Metric]) -> Stage:
    """Return the stage of a pipeline with metrics."""
    partitions = settings.topics.partitions

    def line(store: TaskStore, partition: int, outputs: StageOutputs, _: int) -> TaskLine:
        return TaskLine(metrics, store, partition, partitions, outputs, time.time_ns() // 1_000_000)

    told = dict.fromkeys(metric.topic for metric in metrics if metric.topic)
    return Stage(
        name=METRICS,
        input=settings.partials_topic,
        line=line,
        applier=lambda store, _: MetricsApplier(store, metrics, partitions),
        changelog=settings.metrics_changelog_topic,
        state_ms=max(each.size_ms + each.grace_ms + each.retention_ms for each in metrics),
        outputs=(*told, settings.topics.dead_letters),
        # Partials expire while a pipeline is down, or has no metrics for a while. To wait for a person would
        # lose what comes after, too.
        skips_lost_input=True,
    )
