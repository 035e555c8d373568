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
from clickstream_processor.kafka.ends import Ends, EndsWatch

log = logging.getLogger(__name__)

EVERY_S = 1.0
POLL_S = 0.1  # an answer is looked for so often


class LagWatch:
    """The thread. `take` is for the worker, once a turn."""

    def __init__(self, admin: AdminClient, clicks_topic: str, directory: Directory) -> None:
        self._topic = clicks_topic
        self._directory = directory
        self._watch = EndsWatch(admin)
        self._backlogs = backlog.Backlogs()
        self._ends: Ends | None = None
        self._untaken: Ends | None = None
        self._shown: set[str] = set()
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
                    self._watch.ask([(self._topic, p) for p in self._owned()] or [(self._topic, 0)])
                    self._tell()
            except KafkaException as error:
                log.warning("the end of the input is not known: %s", error)

    def _owned(self) -> list[int]:
        return [p for p, view in self._directory.tasks.items() if view.role is Role.OWNER]

    def _hear(self, answer: Ends) -> None:
        self._ends = self._untaken = answer
        directory = self._directory
        directory.brokers_seen_ms = max(directory.brokers_seen_ms or 0, answer.asked_ms)
        self._tell()

    def _tell(self) -> None:
        tasks, ends = self._directory.tasks, self._ends
        committed = {p: view.committed for p, view in tasks.items() if view.role is Role.OWNER}
        high = {} if ends is None else {p: end for (_, p), end in ends.high.items()}
        known = None if ends is None else backlog.InputEnds(ends.asked_ms, high)
        backlogs = self._backlogs.measure(committed, known, time.time_ns() // 1_000_000)
        self._directory.backlogs = backlogs
        for partition, lag in backlogs.items():
            _show(metrics.LAG_RECORDS, str(partition), lag.records)
            _show(metrics.LAG_SECONDS, str(partition), None if lag.ms is None else lag.ms / 1_000)
            _show(metrics.STANDING, str(partition), lag.stands_ms / 1_000)
        labels = {str(partition) for partition in backlogs}
        for label in self._shown - labels:  # another pod's now: an old lag would look like a stuck task
            for gauge in (metrics.LAG_RECORDS, metrics.LAG_SECONDS, metrics.STANDING):
                _show(gauge, label, None)
        self._shown = labels


def _show(gauge: Any, label: str, value: float | None) -> None:
    """Set a gauge; what is not known is not exported."""
    if value is not None:
        gauge.labels(label).set(value)
        return
    try:
        gauge.remove(label)
    except KeyError:
        return
