"""What the worker tells of `processing.metrics`: counters and gauges, and why clicks have no value."""

import logging
import time
from collections.abc import Collection

from clickstream_processor import metrics
from clickstream_processor.processing.tasks.task import Task
from clickstream_processor.task_id import METRICS

log = logging.getLogger(__name__)

WARN_EVERY_S = 60.0
_COUNTED = {  # by the name that MetricCounters has for it
    "merged": metrics.METRIC_PARTIALS,
    "results": metrics.METRIC_RESULTS,
    "late": metrics.METRIC_LATE,
    "failed": metrics.METRIC_FAILED,
    "other": metrics.METRIC_OTHER,
}


class MetricReporter:
    """Used by the worker's thread only."""

    def __init__(self) -> None:
        self._warned_s: dict[str, float] = {}  # by metric
        self._shown: set[str] = set()  # metrics with a gauge
        self._begun: set[str] = set()  # metrics with counters

    def committed(self, task: Task) -> None:
        """Add what a task has counted since its last commit."""
        for name, counters in task.line.metric_counters.items():
            if name not in self._begun:
                self._begin(name)
            before, now = task.metrics_told.get(name, {}), counters.snapshot()
            task.metrics_told[name] = now
            grown = {each: now[each] - before.get(each, 0) for each in _COUNTED}
            for each, count in grown.items():
                if count:
                    _COUNTED[each].labels(name).inc(count)
            if grown["failed"]:
                self._warn(name, counters.last_error)

    def measured(self, tasks: Collection[Task]) -> None:
        """Set the gauges, once a second."""
        keys: dict[str, int] = {}
        for task in tasks:
            if task.id.stage == METRICS:
                for name, counters in task.line.metric_counters.items():
                    keys[name] = keys.get(name, 0) + counters.keys
        for name in self._shown - keys.keys():
            metrics.METRIC_KEYS.remove(name)
        for name, count in keys.items():
            metrics.METRIC_KEYS.labels(name).set(count)
        self._shown = set(keys)

    def _begin(self, name: str) -> None:
        """Begin every counter of a metric at 0: Prometheus sees no increase in a series that begins."""
        self._begun.add(name)
        for counter in _COUNTED.values():
            counter.labels(name)

    def _warn(self, name: str, error: str) -> None:
        """Log why clicks are left out of a metric, once a minute."""
        now_s = time.monotonic()
        if now_s - self._warned_s.get(name, float("-inf")) >= WARN_EVERY_S:
            self._warned_s[name] = now_s
            log.warning(
                "metric %s leaves clicks out, as an expression has no value for them: %s", name, error
            )
