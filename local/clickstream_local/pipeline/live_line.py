"""The figures of the running demo: what was sent, enriched, indexed, how far behind, how fast queries are."""

import itertools
import random
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from confluent_kafka import Message

from clickstream_local.load.producer import ClickProducer
from clickstream_local.machine.web import request
from clickstream_local.parts.pods import Pods, sum_of
from clickstream_local.parts.search import SearchEngine, call
from clickstream_local.pipeline.reading import Tail
from clickstream_local.pipeline.stack import Stack

PROBES_PER_S = 10
PROBES_KEPT = 600
KAFKA_AWAY_S = 5.0  # a pod hears from a broker each second; a new leader takes less than this


@dataclass(frozen=True, slots=True)
class Behind:
    """How far the pods' commits are behind the end of their input, as far as they can know."""

    clicks: int
    silent_s: float | None  # since a broker answered the pod that heard one last; None: no pod answers
    silent_pods: int = 0
    unknown_tasks: int = 0  # tasks whose lag no pod tells

    def __str__(self) -> str:
        """Return it in words: without a broker the last known lag says nothing."""
        if self.silent_s is None:
            return "lag unknown: no pod answers"
        if self.silent_s > KAFKA_AWAY_S:
            return f"lag unknown: Kafka away for {self.silent_s:.0f} s"
        if self.unknown_tasks and not self.silent_pods:
            return f"lag unknown of {self.unknown_tasks} tasks, {self.clicks:,} of the others"
        pods = f" ({self.silent_pods} of the pods silent)" if self.silent_pods else ""
        return f"lag {self.clicks:,}{pods}"


def behind(expositions: Sequence[str | None]) -> Behind:
    """Return the lag from what each pod tells; None stands for a pod that does not answer."""
    told = [text for text in expositions if text is not None]
    silences = [sum_of(text, "clickstream_broker_silence_seconds", {}) for text in told]
    clicks = sum(sum_of(text, "clickstream_consumer_lag_records", {}) for text in told)
    tasks = max((sum_of(text, "clickstream_pipeline_tasks", {}) for text in told), default=0)
    known = sum(text.count("\nclickstream_consumer_lag_records{") for text in told)
    unknown = max(0, int(tasks) - known)
    return Behind(int(clicks), min(silences, default=None), len(expositions) - len(told), unknown)


@dataclass(frozen=True, slots=True)
class Figures:
    """One look at the pipeline; counts are since the demo's start."""

    clicks: int  # written to Kafka
    enriched: int  # committed to Kafka
    indexed: int
    behind: Behind
    query_p99_ms: float | None  # None: no query was answered yet

    def line(self) -> str:
        """Return the figures as one line."""
        p99 = "-" if self.query_p99_ms is None else f"{self.query_p99_ms:.1f} ms"
        return (
            f"clicks {self.clicks:,} · enriched {self.enriched:,} · indexed {self.indexed:,} · "
            f"{self.behind} · query p99 {p99}"
        )


def quantile(values: Sequence[float], share: float) -> float | None:
    """Return the value that `share` of all do not exceed; None of nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else None


class Probe:
    """Asks any pod for any user some times a second, as a visitor's page would, and keeps the times."""

    def __init__(self, pods: Pods, users: Sequence[str]) -> None:
        self._urls = itertools.cycle([pod.url for pod in pods.pods])
        self._users = users
        self._chance = random.Random(1)  # noqa: S311 (test data)
        self._times_ms: deque[float] = deque(maxlen=PROBES_KEPT)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="query-probe", daemon=True)

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._ended.set()
        self._thread.join(10)

    def p99_ms(self) -> float | None:
        """Return the 99th percentile of the last minute's answers, with the connection's making."""
        return quantile(list(self._times_ms), 0.99)

    def _run(self) -> None:
        while not self._ended.wait(1 / PROBES_PER_S):
            user = self._users[int(self._chance.random() ** 3 * len(self._users))]
            began = time.perf_counter()
            answer = request("GET", f"{next(self._urls)}/dashboard/users/{user}/metrics", timeout_s=5)
            if answer.status in (200, 404):
                self._times_ms.append((time.perf_counter() - began) * 1000)


class Watch:
    """Looks at the running pipeline. Its counts begin with it and never fall, whatever restarts meanwhile.

    Enriched clicks are counted where a reader of committed data sees them: a pod's own count dies with it.
    """

    def __init__(self, stack: Stack, producer: ClickProducer, probe: Probe) -> None:
        self._stack = stack
        self._producer = producer
        self._probe = probe
        search = stack.pipeline.search
        self._index = search.index if search else ""
        self._enriched = 0
        self._indexed_before = indexed(stack.search, self._index) if search else 0
        self._indexed = 0
        self._written_before = producer.written  # the collector's count begins with its process
        self._tail = Tail(stack.kafka.bootstrap, stack.pipeline.spec.topics.enriched, self._count)

    def start(self) -> None:
        """Begin to count."""
        self._tail.start()

    def stop(self) -> None:
        """End."""
        self._tail.stop()

    def look(self) -> Figures:
        """Return the figures of this moment."""
        found = indexed(self._stack.search, self._index) - self._indexed_before if self._index else 0
        self._indexed = max(self._indexed, found)  # nothing is found while the engine is away
        return Figures(
            clicks=self._producer.written - self._written_before + self._stack.collector.taken(),
            enriched=self._enriched,
            indexed=self._indexed,
            behind=behind([pod.exposition() for pod in self._stack.pods.pods]),
            query_p99_ms=self._probe.p99_ms(),
        )

    def _count(self, _: Message) -> None:
        self._enriched += 1


def indexed(search: SearchEngine, index: str) -> int:
    """Return how many documents can be found in all daily indices."""
    answer = call(search, "GET", f"/{index}-*/_count")
    return int(answer.json()["count"]) if answer.ok else 0
