"""Rows of the profile table that could not be applied: counted, named in a log line, the newest kept.

Rows are refused where they are met: by a running task, or by a restore, which reads the topic again. So one
row may be counted several times; its place tells that it is the same.
"""

import logging
import threading
import time
from collections.abc import Sequence

from clickstream_processor import metrics
from clickstream_processor.directory import Directory
from clickstream_processor.incidents import Incident, with_newest
from clickstream_processor.logs import OnceInAWhile
from clickstream_processor.topology.interfaces import RefusedRow

log = logging.getLogger(__name__)
log.addFilter(OnceInAWhile(period_s=10.0))  # a table may hold millions


class RefusedProfiles:
    """What this pod has refused. `note` may be called from any thread."""

    def __init__(self, topic: str, directory: Directory) -> None:
        self._topic = topic
        self._directory = directory
        self._lock = threading.Lock()

    def note(self, partition: int, refusals: Sequence[RefusedRow]) -> None:
        """Count these rows of one partition, name the last of them and keep the newest."""
        if not refusals:
            return
        now_ms = time.time_ns() // 1_000_000
        for _, reason, _ in refusals:
            metrics.PROFILES_REFUSED.labels(reason).inc()
        incidents = [
            Incident(self._topic, partition, message.offset(), reason, detail, now_ms)
            for message, reason, detail in refusals
        ]
        with self._lock:
            self._directory.refused_profiles = with_newest(self._directory.refused_profiles, *incidents)
        last = incidents[-1]
        place = f"{last.topic}-{last.partition} offset {last.offset}"
        log.warning(
            "profiles refused: %d, the last at %s: %s: %s", len(incidents), place, last.reason, last.error
        )
