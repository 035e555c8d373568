"""How fast a system takes a backlog: events a second, on the clock and per CPU second.

Progress is what a reader of committed records can see (the last stable offsets of the enriched topic), so a
system that reads ahead gains nothing. Measured between 10 % and 90 % of it: neither start nor end counts.
"""

import json
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from clickstream_local.errors import PartFailed
from clickstream_local.machine.process import Process
from clickstream_local.parts.kafka import Kafka
from confluent_kafka import IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from clickstream_bench.systems import PROGRAMS, System, Topics, Usage
from clickstream_bench.traffic import PARTITIONS

POLL_S = 0.02
QUERIES_S = 200.0
STANDSTILL_S = 600.0  # a system reads the profiles of a million users first


@dataclass(frozen=True, slots=True)
class Rate:
    """One run of one system."""

    system: str
    events_s: float
    events_cpu_s: float
    warm_events_cpu_s: float  # of the second half: a JVM has compiled by then
    peak_rss_bytes: int
    seconds: float  # from start to the last record
    queries: dict[str, Any] | None = None

    def document(self) -> dict[str, Any]:
        return asdict(self)


class TooFewCommits(ValueError):
    """The input was too short for the system: its rate would be that of a moment."""


class Progress:
    """The committed end of a topic."""

    def __init__(self, kafka: Kafka, topic: str, partitions: int = PARTITIONS) -> None:
        self._admin = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 3})
        self._records = 0
        self._request = {TopicPartition(topic, p): OffsetSpec.latest() for p in range(partitions)}  # type: ignore[no-untyped-call]

    def records(self) -> int:
        """Return the sum of the last stable offsets; a commit's marker counts as one."""
        futures = self._admin.list_offsets(self._request, isolation_level=IsolationLevel.READ_COMMITTED)
        with suppress(KafkaException):  # a new topic has no leader yet: the next look will tell
            self._records = sum(future.result(10).offset for future in futures.values())
        return self._records


def measure(
    kafka: Kafka, system: System, topics: Topics, records: int, clicks: int, load: "QueryLoad | None" = None
) -> Rate:
    """Start the system, and stop it when `records` enriched ones are committed. The input is complete."""
    progress = Progress(kafka, topics.enriched, topics.partitions)
    began_s = time.perf_counter()
    system.start()
    usage = Usage(system.pids())
    asked = False
    samples: list[tuple[float, int, float]] = []
    grown_s, before = time.perf_counter(), -1
    try:
        while True:
            now_s, done = time.perf_counter(), progress.records()
            samples.append((now_s, done, usage.cpu_s()))
            if load is not None and done > 0 and not asked:  # a pod that restores answers 503
                load.start()
                asked = True
            if done > before:
                grown_s, before = now_s, done
            if done >= records and now_s - grown_s > 0.5:
                break
            for process in system.processes():
                if not process.is_running():
                    status = f"ended with status {process.exit_status}"
                    raise PartFailed(process.name, status, process.log, process.tail())
            if now_s - grown_s > STANDSTILL_S:
                raise TimeoutError(f"{system.name} stands still at {done} of {records} records")
            time.sleep(POLL_S)
        peak = usage.peak_rss_bytes()
        queries = load.stop() if load is not None else None
    finally:
        if load is not None:
            load.stop()
        system.stop()
    low, middle, high = (at(samples, share * records) for share in (0.1, 0.5, 0.9))
    if high[0] - low[0] < 0.5 or high[1] <= middle[1]:
        raise TooFewCommits(f"{system.name}: too few commits to measure; send more clicks")
    return Rate(
        system.name,
        0.8 * clicks / (high[0] - low[0]),
        0.8 * clicks / (high[1] - low[1]),
        0.4 * clicks / (high[1] - middle[1]),
        peak,
        grown_s - began_s,
        queries,
    )


def at(samples: list[tuple[float, int, float]], records: float) -> tuple[float, float]:
    """Return (clock, processor time) at which so many records were done, interpolated."""
    for (t0, d0, c0), (t1, d1, c1) in pairwise(samples):
        if d1 >= records:
            share = (records - d0) / (d1 - d0) if d1 > d0 else 0.0
            return t0 + share * (t1 - t0), c0 + share * (c1 - c0)
    raise ValueError("never reached")


class QueryLoad:
    """Queries by a process of its own; `users` is the file of those who are asked for."""

    def __init__(self, url: str, pace: float, users: Path, program: str = "query_load.py") -> None:
        """`pace`: requests a second, or what the program takes in that place."""
        self._log = users.with_name(f"{users.name}.{program}.log")
        command = [sys.executable, str(PROGRAMS / program), url, str(pace), str(users)]
        self._process = Process("the load of queries", command, log=self._log)

    def start(self) -> None:
        self._process.start()

    def stop(self) -> dict[str, Any] | None:
        """End it and return its figures; None when it does not run."""
        if not self._process.is_running():
            return None
        self._process.stop()
        figures: dict[str, Any] = json.loads(self._log.read_text().splitlines()[-1])
        return figures
