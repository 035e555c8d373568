"""What the worker tells the world: metrics and totals, once per commit or second, never per event."""

import contextlib
import logging
import time
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from clickstream_processor import metrics
from clickstream_processor.directory import Directory, TaskView
from clickstream_processor.errors import StateCorrupted, StateUnavailable, StoreClosed
from clickstream_processor.incidents import Incident, with_newest
from clickstream_processor.processing.metric_reporting import MetricReporter
from clickstream_processor.processing.tasks.task import Task
from clickstream_processor.state.memory import StateMemory
from clickstream_processor.task_id import TaskId

log = logging.getLogger(__name__)

LOGGED = 5  # clicks set aside in one commit that the log names
WARN_EVERY_S = 60.0
_OUTPUTS = ("enriched", "metrics")  # counters' names, and labels


class Reporter:
    """Adds up what was committed. Used by the worker's thread only."""

    def __init__(self, directory: Directory, kept_ms: int) -> None:
        """`kept_ms`: how long the output topics keep a record, by its time, which is the click's."""
        self._directory = directory
        self._kept_ms = kept_ms
        self._warned_s = float("-inf")  # of outputs past that
        self._metrics = MetricReporter()
        self._shown: set[tuple[str, str, str]] = set()  # label values of task states set to 1
        self._labels: set[str] = set()  # of tasks with gauges
        self._began_s = time.monotonic()
        for output in _OUTPUTS:  # at 0 from the start: Prometheus sees no increase in a series that begins
            metrics.OUTPUTS_PAST_RETENTION.labels(output)
        began_ms = _now_ms()
        # Asked at each scrape: the worker may wait for half a minute in a commit while Kafka is away.
        metrics.BROKER_SILENCE.set_function(lambda: _age_s(directory.brokers_seen_ms or began_ms, _now_ms()))
        metrics.ASSIGNMENT_AGE.set_function(lambda: _age_s(directory.routes.as_of_ms or began_ms, _now_ms()))

    def committed(self, tasks: Collection[Task], now_ms: int, *, transactions: int) -> None:
        """Add what these tasks have done since their last commit; profiles alone need no transaction."""
        totals = self._directory.totals
        dead_lettered = dict(totals.dead_lettered)
        clicks = enriched = filtered = duplicates = profiles = 0
        consumed: dict[str, int] = {}
        oldest_ms = min((t.oldest_ms for t in tasks if t.oldest_ms is not None), default=None)
        for task in tasks:
            before, after = task.counted, task.line.counters.snapshot()
            task.counted, task.oldest_ms = after, None
            consumed[task.id.stage] = consumed.get(task.id.stage, 0) + task.taken - task.told
            task.told = task.taken
            clicks += after["clicks"] - before["clicks"]
            enriched += after["enriched"] - before["enriched"]
            filtered += after["filtered"] - before["filtered"]
            duplicates += after["duplicates"] - before["duplicates"]
            profiles += after["profiles"] - before["profiles"]
            metrics.CLICKS_AHEAD.inc(after["ahead"] - before["ahead"])
            metrics.SESSIONS_CLOSED.inc(after["sessions"] - before["sessions"])
            metrics.SESSIONS_LATE.inc(after["sessions_late"] - before["sessions_late"])
            if task.state.stream_ms < now_ms - self._kept_ms:
                self._tell_short_lived(task, before, after)
            self._metrics.committed(task)
            _tell_reads(task, after["clicks"] - before["clicks"], after["counted"] - before["counted"])
            for reason, count in _grown(before["dead_lettered"], after["dead_lettered"]):
                dead_lettered[reason] = dead_lettered.get(reason, 0) + count
                metrics.RECORDS_DEAD_LETTERED.labels(reason).inc(count)
            for reason, count in _grown(before["dropped"], after["dropped"]):
                metrics.RECORDS_DROPPED.labels(reason).inc(count)
        if transactions:
            self._directory.commits = self._directory.commits.committed(now_ms)
            metrics.COMMIT_FAILURES.set(0)
        for stage, count in consumed.items():
            metrics.RECORDS_CONSUMED.labels(stage).inc(count)
        metrics.RECORDS_CONSUMED.labels("profiles").inc(profiles)
        metrics.RECORDS_ENRICHED.inc(enriched)
        if filtered:
            metrics.RECORDS_DROPPED.labels("filtered").inc(filtered)
        if duplicates:
            metrics.RECORDS_DROPPED.labels("duplicate").inc(duplicates)
        if oldest_ms is not None:
            metrics.END_TO_END.observe(max(0, now_ms - oldest_ms) / 1_000)
        self._directory.totals = replace(
            totals,
            clicks=totals.clicks + clicks,
            enriched=totals.enriched + enriched,
            filtered=totals.filtered + filtered,
            duplicates=totals.duplicates + duplicates,
            dead_lettered=dead_lettered,
            profiles=totals.profiles + profiles,
            commits=totals.commits + transactions,
            cpu_s=time.process_time(),
        )

    def set_aside(self, tasks: Collection[Task], now_ms: int) -> None:
        """Name the clicks whose quarantine is committed: in the log, the metrics and the directory."""
        incidents = []
        for task in tasks:
            for place, reason, error in task.outputs.set_aside:
                metrics.QUARANTINED.labels(reason).inc()
                incidents.append(Incident(*place, reason, error, now_ms))
            task.outputs.set_aside = []
        if not incidents:
            return
        for incident in incidents[:LOGGED]:
            log.error(
                "click %s-%d at offset %d is set aside (%s): %s",
                incident.topic,
                incident.partition,
                incident.offset,
                incident.reason,
                incident.error,
            )
        if len(incidents) > LOGGED:
            log.error("and %d more clicks in this commit: each is a dead letter", len(incidents) - LOGGED)
        self._directory.quarantined = with_newest(self._directory.quarantined, *incidents)

    def commit_failed(self, error: str, now_ms: int) -> None:
        """Note a transaction that was given up."""
        self._directory.commits = self._directory.commits.failed(error, now_ms)
        metrics.COMMIT_FAILURES.set(self._directory.commits.failures)

    def _tell_short_lived(self, task: Task, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        """Count outputs whose topic drops them within minutes: the partition's newest event is too old.

        Old records among new ones live on: brokers drop a segment by its newest record.
        """
        grown = {output: after[output] - before[output] for output in _OUTPUTS}
        for output, count in grown.items():
            metrics.OUTPUTS_PAST_RETENTION.labels(output).inc(count)
        if any(grown.values()) and time.monotonic() - self._warned_s >= WARN_EVERY_S:
            self._warned_s = time.monotonic()
            log.warning(
                "task %s: the newest click is older than topics.retention (%d days): Kafka drops what "
                "is written for it within minutes; docs/how-to/load-old-clicks.md says how to load them",
                task.id,
                self._kept_ms // 86_400_000,
            )

    def measured(self, tasks: Collection[Task], memory: StateMemory, now_ms: int) -> None:
        """Set the gauges, once a second."""
        directory = self._directory
        metrics.ASSIGNMENT_GENERATION.set(directory.routes.generation)
        self._show_states(directory.tasks)
        labels = set()
        for name, view in directory.tasks.items():
            label = metrics.label_of(name)
            labels.add(label)
            _show_age(label, view.as_of_ms, now_ms)
        for task in tasks:
            label = metrics.label_of(task.id)
            metrics.WATERMARK.labels(label).set(max(0, task.state.stream_ms) / 1_000)
            metrics.STREAM_AHEAD.labels(label).set(task.ahead_ms(now_ms) / 1_000)
            try:
                sizes = task.store.properties()
            except (StoreClosed, StateUnavailable, StateCorrupted):
                continue  # the task's next read or write says so, where it can be dealt with
            metrics.ROCKSDB_SST.labels(label).set(sizes["sst_bytes"])
            metrics.ROCKSDB_MEMTABLE.labels(label).set(sizes["memtable_bytes"])
            metrics.ROCKSDB_PENDING.labels(label).set(sizes["pending_compaction_bytes"])
        self._metrics.measured(tasks)
        metrics.ROCKSDB_CACHE_USED.set(memory.usage().get("block_cache", 0))
        for label in self._labels - labels:
            _forget(label)
        self._labels = labels

    def summary(self) -> None:
        """Log what this process has done."""
        totals, lived_s = self._directory.totals, time.monotonic() - self._began_s
        cpu_s = time.process_time()
        log.info(
            "processed %d clicks in %.1f s: %d enriched, %d filtered, %d duplicates, %d dead-lettered, "
            "%d commits; "
            "%.1f CPU seconds, %.0f clicks per CPU second",
            totals.clicks,
            lived_s,
            totals.enriched,
            totals.filtered,
            totals.duplicates,
            sum(totals.dead_lettered.values()),
            totals.commits,
            cpu_s,
            totals.clicks / cpu_s if cpu_s else 0,
        )

    def _show_states(self, tasks: Mapping[TaskId, TaskView]) -> None:
        now = {(metrics.label_of(task), view.role.value, view.phase.value) for task, view in tasks.items()}
        for labels in self._shown - now:
            metrics.TASK_STATE.remove(*labels)
        for labels in now - self._shown:
            metrics.TASK_STATE.labels(*labels).set(1)
        self._shown = now


def _tell_reads(task: Task, clicks: int, counted: int) -> None:
    """Add the look-ups since the last time: each click one of a user, each counted one of a chunk."""
    before, now = task.reads, (task.state.profile_reads, task.state.chunk_reads)
    task.reads = now
    for table, lookups, misses in (
        ("profiles", clicks, now[0] - before[0]),
        ("counts", counted, now[1] - before[1]),
    ):
        metrics.STATE_CACHE_MISSES.labels(table).inc(misses)
        metrics.STATE_CACHE_HITS.labels(table).inc(max(0, lookups - misses))


def _grown(before: Mapping[str, int], after: Mapping[str, int]) -> list[tuple[str, int]]:
    return [(r, n - before.get(r, 0)) for r, n in after.items() if n != before.get(r, 0)]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _age_s(as_of_ms: int, now_ms: int) -> float:
    return max(0, now_ms - as_of_ms) / 1_000


def _show_age(label: str, as_of_ms: int | None, now_ms: int) -> None:
    """Set the age of a task's state; none where it is not known: 0 would say that it is complete."""
    if as_of_ms is not None:
        metrics.CHECKPOINT_AGE.labels(label).set(_age_s(as_of_ms, now_ms))
    else:
        with contextlib.suppress(KeyError):
            metrics.CHECKPOINT_AGE.remove(label)


def _forget(label: str) -> None:
    """Remove the gauges of a task that is another pod's."""
    gauges: tuple[Any, ...] = (
        metrics.WATERMARK,
        metrics.STREAM_AHEAD,
        metrics.CHECKPOINT_AGE,
        metrics.ROCKSDB_SST,
        metrics.ROCKSDB_MEMTABLE,
        metrics.ROCKSDB_PENDING,
    )
    for gauge in gauges:
        try:
            gauge.remove(label)
        except KeyError:
            continue
