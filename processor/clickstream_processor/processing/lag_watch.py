"""Asks where the input ends, once a second, and tells how far each owned task is behind.

A thread of its own: the worker may wait for half a minute in a commit that does not get through, and that is
when people look. It writes `Directory.backlogs` and `Directory.brokers_seen_ms`, and nothing else does.
"""

import logging
import threading
import time
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from clickstream_processor import backlog, metrics
from clickstream_processor.directory import Directory, Role
from clickstream_processor.kafka.ends import Ends, EndsWatch, LogKey
from clickstream_processor.stages.stage import Stages
from clickstream_processor.task_id import TaskId

log = logging.getLogger(__name__)

EVERY_S = 1.0
POLL_S = 0.1  # an answer is looked for so often


class LagWatch:
    """The thread. `take` is for the worker, once a turn."""

    def __init__(self, admin: AdminClient, stages: Stages, directory: Directory) -> None:
        self._stages = stages
        self._directory = directory
        self._watch = EndsWatch(admin)
        self._backlogs = backlog.Backlogs()
        self._ends: Ends | None = None
        self._untaken: Ends | None = None
        self._shown: set[TaskId] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lag", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._ended.set()
        self._thread.join(2)

    def take(self) -> Ends | None:
        """Return the newest answer once."""
        answer, self._untaken = self._untaken, None
        return answer

    def _run(self) -> None:
        asked_s = 0.0
        while not self._ended.wait(POLL_S):
            try:
                answer = self._watch.take()
                if answer is not None:
                    self._hear(answer)
                now_s = time.monotonic()
                if now_s - asked_s >= EVERY_S:
                    asked_s = now_s
                    self._watch.ask([self._input_of(task) for task in self._owned()] or self._any_input())
                    self._tell()
            except KafkaException as error:
                log.warning("the end of the input is not known: %s", error)

    def _owned(self) -> list[TaskId]:
        return [task for task, view in self._directory.tasks.items() if view.role is Role.OWNER]

    def _input_of(self, task: TaskId) -> LogKey:
        return self._stages[task.stage].input_of(task.partition)

    def _any_input(self) -> list[LogKey]:
        """Return what to ask for while nothing is owned: an answer is a sign of life."""
        return [stage.input_of(0) for stage in self._stages.values()][:1]

    def _hear(self, answer: Ends) -> None:
        self._ends = self._untaken = answer
        directory = self._directory
        directory.brokers_seen_ms = max(directory.brokers_seen_ms or 0, answer.asked_ms)
        self._tell()

    def _tell(self) -> None:
        tasks, ends = self._directory.tasks, self._ends
        committed = {task: view.committed for task, view in tasks.items() if view.role is Role.OWNER}
        known = None
        if ends is not None:
            inputs = {task: self._input_of(task) for task in committed}
            high = {task: ends.high[log] for task, log in inputs.items() if log in ends.high}
            known = backlog.InputEnds(ends.asked_ms, high)
        backlogs = self._backlogs.measure(committed, known, time.time_ns() // 1_000_000)
        self._directory.backlogs = backlogs
        for task, lag in backlogs.items():
            _show(metrics.LAG_RECORDS, task, lag.records)
            _show(metrics.LAG_SECONDS, task, None if lag.ms is None else lag.ms / 1_000)
            _show(metrics.STANDING, task, lag.stands_ms / 1_000)
        for task in self._shown - backlogs.keys():  # another pod's now: an old lag would alarm
            for gauge in (metrics.LAG_RECORDS, metrics.LAG_SECONDS, metrics.STANDING):
                _show(gauge, task, None)
        self._shown = set(backlogs)


def _show(gauge: Any, task: TaskId, value: float | None) -> None:
    """Set a gauge; what is not known is not exported."""
    if value is not None:
        gauge.labels(metrics.label_of(task)).set(value)
        return
    try:
        gauge.remove(metrics.label_of(task))
    except KeyError:
        return
