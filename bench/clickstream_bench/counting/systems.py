"""The systems of a full ingest with metrics, and how each one's metrics are read when it is done."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from clickstream_local.machine.web import request
from clickstream_local.parts.kafka import Kafka

from clickstream_bench.counting.ends import entries
from clickstream_bench.counting.expected import Expected, Key, estimate
from clickstream_bench.counting.sizes import ACTIVE_USERS, PAGE_VIEWS, STREAMS_GRACE_MS
from clickstream_bench.peers import streams
from clickstream_bench.systems import Ours, System, Topics

PLAIN, METRICS, STREAMS = "clickstream", "clickstream, metrics", "kafka-streams, metrics"
Make = Callable[[Kafka, Topics, Path, str], "Case"]
_MARK = b"k"


@dataclass(frozen=True, slots=True)
class Case:
    """A system on a run's topics."""

    system: System
    topics: tuple[str, ...]  # where it commits, beside the outputs, as long as it works
    read: Callable[[Expected], tuple[dict[Key, int], dict[Key, float]]] | None  # while it still runs
    between: tuple[str, ...] = ()  # the topics between its two stages


def plain(kafka: Kafka, topics: Topics, folder: Path, run: str) -> Case:
    """Return the pod without metrics."""
    return Case(Ours(kafka, topics, folder, run), (f"{run}-changelog",), None)


def with_metrics(kafka: Kafka, topics: Topics, folder: Path, run: str) -> Case:
    """Return the pod with both metrics."""
    ours = Ours(kafka, topics, folder, run, metrics=(PAGE_VIEWS, ACTIVE_USERS))
    url = ours.pods.pods[0].url
    partials = f"{run}-partials"

    def read(expected: Expected) -> tuple[dict[Key, int], dict[Key, float]]:
        views: dict[Key, int] = {}
        users: dict[Key, float] = {}
        for window_ms in expected.windows:
            views |= {key: int(value) for key, value in _asked(url, PAGE_VIEWS, window_ms).items()}
            users |= _asked(url, ACTIVE_USERS, window_ms)
        return views, users

    return Case(ours, (f"{run}-changelog", partials, f"{run}-metrics-changelog"), read, (partials,))


def kafka_streams(kafka: Kafka, topics: Topics, folder: Path, run: str) -> Case:
    """Return Kafka Streams with both metrics; they are read from the changelogs of its stores."""
    program = streams(kafka, topics, folder, run, str(STREAMS_GRACE_MS))
    between = tuple(f"{run}-{name}-repartition" for name in ("by-page", "by-country"))
    views_log, users_log = (f"{run}-{name}-changelog" for name in ("page-views", "active-users"))

    def read(_: Expected) -> tuple[dict[Key, int], dict[Key, float]]:
        def latest(topic: str) -> dict[Key, bytes]:
            found = entries(kafka.bootstrap, topic, topics.partitions)
            return {windowed(key): value for key, value in found}

        views = {key: int.from_bytes(value, "big") for key, value in latest(views_log).items()}
        return views, {key: estimate(value) for key, value in latest(users_log).items()}

    return Case(program, (views_log, users_log, *between), read)


def windowed(key: bytes) -> Key:
    """Return what a key of a window store's changelog says: text, start of 8 bytes, number of 4."""
    return key[:-12].decode(), int.from_bytes(key[-12:-4], "big")


def partials_of(kafka: Kafka, case: Case, partitions: int) -> int:
    """Return how many records lie between the stages, marks left out."""
    return sum(
        not key.startswith(_MARK) or len(key) != 5
        for topic in case.between
        for key, _ in entries(kafka.bootstrap, topic, partitions)
    )


def _asked(url: str, metric: dict[str, object], window_ms: int) -> dict[Key, float]:
    """Ask a pod for one window with all its keys."""
    path = f"{url}/api/metrics/{metric['name']}?{urlencode({'window': window_ms, 'top': 1000})}"
    answer = request("GET", path, timeout_s=10)
    if not answer.ok:
        raise ValueError(f"{path} says {answer.status}: {answer.body[:300]!r}")
    (window,) = json.loads(answer.body)["windows"]
    return {(next(iter(row["keys"].values())), window_ms): row["value"] for row in window["rows"]}
