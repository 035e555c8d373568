"""The figures of the running demo: what was sent, enriched, indexed, how far behind, how fast queries are."""

import itertools
import random
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from clickstream_local.parts.pods import Pods
from clickstream_local.parts.search import SearchEngine, call
from clickstream_local.web import request

PROBES_PER_S = 10
PROBES_KEPT = 600


@dataclass(frozen=True, slots=True)
class Figures:
    """One look at the pipeline; counts are since the demo's start."""

    clicks: int  # written to Kafka
    enriched: int
    indexed: int
    lag: int  # clicks the pods are behind the end of their input
    query_p99_ms: float | None  # None: no query was answered yet

    def line(self) -> str:
        """Return the figures as one line."""
        p99 = "-" if self.query_p99_ms is None else f"{self.query_p99_ms:.1f} ms"
        return (
            f"clicks {self.clicks:,} · enriched {self.enriched:,} · indexed {self.indexed:,} · "
            f"lag {self.lag:,} · query p99 {p99}"
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


def indexed(search: SearchEngine, index: str) -> int:
    """Return how many documents can be found in all daily indices."""
    answer = call(search, "GET", f"/{index}-*/_count")
    return int(answer.json()["count"]) if answer.ok else 0
