"""Metrics on pods: clicks that go through both stages into real stores, and to a naive oracle."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from clickstream_processor.aggregation.gathering.gathering import Gathering
from clickstream_processor.aggregation.merging.line import MetricsLine
from clickstream_processor.aggregation.metric import Metric
from clickstream_processor.aggregation.pending import Flushed
from clickstream_processor.directory import Phase, Role, Routes, TaskView
from clickstream_processor.state.store import TaskStore
from clickstream_processor.task_id import METRICS, TaskId

from processor_support.lines.metrics_rig import Captured, routed, row
from processor_support.oracles.naive_metrics import Event
from processor_support.queries.query_pods import PARTITIONS, Cluster, Pod, now_ms

AMOUNTS = [1, 2, 2.5, -3, 0.1, 2**62]
MIXED = ["1", 1, True, "true", False, None, "null", "", 0, -7]
SINCE_MS = 1_700_000_000_000


def task(partition: int) -> TaskId:
    """Return the id of a metrics task."""
    return TaskId(METRICS, partition)


def hold(
    pod: Pod, partition: int, role: Role = Role.OWNER, phase: Phase = Phase.RUNNING, **more: Any
) -> TaskStore:
    """Let a pod hold a metrics task, with a store of its own on disk."""
    path = pod.cluster.folder / f"pod-{pod.ordinal}" / str(task(partition))
    store = TaskStore.open(path, pod.cluster.memory)
    pod.cluster.stores.append(store)
    view = TaskView(task(partition), role, phase, 1, store, as_of_ms=now_ms())
    pod.directory.tasks = {**pod.directory.tasks, task(partition): dataclasses.replace(view, **more)}
    return store


def change(pod: Pod, partition: int, **more: Any) -> None:
    """Replace a task's view, as the worker does."""
    view = dataclasses.replace(pod.directory.tasks[task(partition)], **more)
    pod.directory.tasks = {**pod.directory.tasks, task(partition): view}


def assign(
    cluster: Cluster,
    owners: Mapping[int, int],
    standbys: Mapping[int, tuple[int, ...]] | None = None,
    *,
    generation: int = 2,
    only: Iterable[int] | None = None,
) -> None:
    """Let the pods (or `only` some) know who owns which metrics task."""
    routes = Routes(
        generation,
        tuple(owners.get(partition) for partition in range(PARTITIONS)),
        tuple((standbys or {}).get(partition, ()) for partition in range(PARTITIONS)),
        now_ms(),
    )
    for pod in cluster.pods if only is None else [cluster.pods[ordinal] for ordinal in only]:
        pod.directory.stage_routes = {METRICS: routes}
        pod.heard_from_kafka(now_ms())


class Clicks:
    """Clicks of all partitions, as both stages and the oracle see them; nothing of them is late."""

    def __init__(self, metrics: Sequence[Metric], stores: Mapping[int, Sequence[TaskStore]]) -> None:
        """`stores`: by partition, those that get the task's state: an owner's, and standbys'."""
        self.metrics, self.stores = metrics, stores
        self.events: dict[str, list[Event]] = {metric.name: [] for metric in metrics}
        self._gatherings = [Gathering(metrics, each, PARTITIONS) for each in range(PARTITIONS)]
        self._lines = {
            partition: MetricsLine(metrics, held[0], PARTITIONS, Captured(), SINCE_MS)
            for partition, held in stores.items()
        }
        self._time_ms = 0

    def send(self, event_ms: int, **fields: Any) -> None:
        """Send one click; its partition follows from its time."""
        self._time_ms = max(self._time_ms, event_ms)
        partition = event_ms % PARTITIONS
        self._gatherings[partition].add([row(event_ms, event_ms, **fields)])
        for metric in self.metrics:
            key = tuple(fields.get(_FIELDS.get(source, source)) for source in metric.by.values())
            value = {"count": None, "distinct": fields.get("mixed")}.get(metric.kind, fields.get("amount"))
            typed = tuple((type(part), part) for part in key)
            self.events[metric.name].append(Event(partition, event_ms, typed, value))

    def send_random(self, random: Random, number: int, first_ms: int, end_ms: int) -> None:
        """Send clicks of random times, pages and values, and commit now and then."""
        for event_ms in sorted(random.randrange(first_ms, end_ms) for _ in range(number)):
            self.send(
                event_ms,
                page=random.choice(["/", "/a", "/b", "1", "ü" * random.randrange(1, 90)]),
                mixed=random.choice(MIXED),
                amount=random.choice(AMOUNTS),
            )
            if random.random() < 0.02:
                self.commit()
        self.commit()

    def commit(self, time_ms: int | None = None) -> None:
        """Commit both stages. `time_ms`: what all clicks partitions have passed; None: the newest click."""
        time_ms = self._time_ms if time_ms is None else time_ms
        for gathering in self._gatherings:
            for partition, records in routed(gathering, time_ms).items():
                if partition in self._lines:
                    self._lines[partition].records(records)
        for partition, line in self._lines.items():
            flushed = line.flush()
            for store in self.stores[partition]:
                store.write(list(_changes(store, flushed)), store.checkpoint)
            line.settle()


_FIELDS = {"click.page_url": "page", "click.mixed": "mixed"}


def _changes(store: TaskStore, flushed: Flushed) -> Iterator[tuple[bytes, bytes | None]]:
    yield from flushed.changes
    for first, end in flushed.expired:
        yield from [(key, None) for key, _ in store.scan(first, end)]


async def get(cluster: Cluster, pod: int, path: str, **more: Any) -> tuple[int, Any, Mapping[str, str]]:
    """Return status, document and headers of a GET to a pod's public port."""
    async with cluster.client.get(cluster.pods[pod].url + path, **more) as response:
        return response.status, await response.json(content_type=None), response.headers


def cluster_of(folder: Path, pods: int, *metrics: Metric, **options: Any) -> Cluster:
    """Return pods of a pipeline with metrics."""
    folder.mkdir(exist_ok=True)
    return Cluster(folder, pods, metrics=metrics, **options)
