"""Pods for the query side's tests: real servers on real sockets over real stores on disk, without Kafka.

Pod i listens on 127.0.77.i, all on the same two ports: one host pattern reaches them all, as in a cluster.
"""

import asyncio
import contextlib
import dataclasses
import json
import socket
import time
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import aiohttp
from clickstream_local.machine.ports import free_ports
from clickstream_processor.dead_letters.log import LetterTopic
from clickstream_processor.directory import Directory, Phase, ProcessTotals, Role, Routes, TaskView
from clickstream_processor.query.api import serve
from clickstream_processor.query.http.peers import PeerAddresses
from clickstream_processor.query.options import QueryOptions
from clickstream_processor.query.service import QueryService
from clickstream_processor.query.users.turns import TurnLimits
from clickstream_processor.state.checkpoint import Position
from clickstream_processor.state.memory import MemoryShares, StateMemory
from clickstream_processor.state.overlay import TaskState
from clickstream_processor.state.store import TaskStore
from clickstream_processor.task_id import clicks_task
from clickstream_processor.topology.pipeline import Pipeline
from clickstream_processor.topology.plan import Plan
from clickstream_processor.topology.records.partitioning import murmur2_partition

KEY = "the-pods-own-key"
PARTITIONS = 4
# A machine that runs other suites too can be slow: only tests of time use the product's own limits.
_AT_LEISURE = TurnLimits(wait_s=60, read_s=60)
PATIENT: dict[str, Any] = {
    "connect_timeout_s": 60.0,
    "total_timeout_s": 60.0,
    "fresh_ms": 20_000,
    "turns": _AT_LEISURE,
    "scans": _AT_LEISURE,
}
IMPATIENT: dict[str, Any] = {
    "connect_timeout_s": 0.25,
    "total_timeout_s": 1.0,
    "turns": TurnLimits(),
}
PLAN = Plan(clicks_topic="user-clicks", partitions=PARTITIONS)
ALICE = {
    "user_id": "alice123",
    "name": "Alice Smith",
    "email": "alice@example.com",
    "country": "USA",
    "plan_tier": "premium",
}


def now_ms() -> int:
    """Return the wall clock."""
    return int(time.time() * 1000)


def partition_of(user: str) -> int:
    """Return the partition a user's records are in."""
    return murmur2_partition(user.encode(), PARTITIONS)


@dataclasses.dataclass
class Record:
    """What the pipeline reads of a consumed record."""

    key_: bytes
    value_: bytes
    offset_: int
    time_ms: int

    def key(self) -> bytes:
        """Return the key."""
        return self.key_

    def value(self) -> bytes:
        """Return the value."""
        return self.value_

    def offset(self) -> int:
        """Return the offset."""
        return self.offset_

    def timestamp(self) -> tuple[int, int]:
        """Return the record's time."""
        return 1, self.time_ms


class Nowhere:
    """Outputs of a pipeline whose records nobody reads."""

    def enriched(self, value: str | bytes, key: bytes, timestamp_ms: int, /) -> None:
        """Forget it."""

    def metrics(self, value: str, key: bytes, timestamp_ms: int, /) -> None:
        """Forget it."""

    def dead_letter(self, _: Any, reason: str, detail: str, /) -> None:
        """Fail: the tests write good clicks only."""
        raise AssertionError(f"{reason}: {detail}")


def fill(
    store: TaskStore,
    partition: int,
    profiles: Iterable[dict[str, Any]],
    clicks: Iterable[tuple[str, int]],
    plan: Plan = PLAN,
) -> None:
    """Commit profiles and clicks (user, event time) to a task's store, as the worker does."""
    state = TaskState(store, plan)
    pipeline = Pipeline(plan, state, partition, Nowhere())
    at_ms = now_ms()
    pipeline.profiles(
        [Record(p["user_id"].encode(), json.dumps(p).encode(), i, at_ms) for i, p in enumerate(profiles)]
    )
    pipeline.clicks(
        [
            Record(user.encode(), _click(user, event_ms), i, max(at_ms, event_ms))
            for i, (user, event_ms) in enumerate(clicks)
        ]
    )
    pipeline.flush()
    state.commit(Position(clicks=1, stream_ms=state.stream_ms, closed_ms=state.closed_ms, at_ms=at_ms), 1)


def _click(user: str, event_ms: int) -> bytes:
    return json.dumps({"user_id": user, "page_url": "/p", "action": "view", "timestamp": event_ms}).encode()


class Pod:
    """One pod's Directory, stores and servers."""

    def __init__(self, cluster: "Cluster", ordinal: int) -> None:
        self.cluster = cluster
        self.ordinal = ordinal
        self.host = f"127.0.77.{ordinal}"
        self.url = f"http://{self.host}:{cluster.query_port}"
        self.admin_url = f"http://{self.host}:{cluster.admin_port}"
        self.directory = Directory(ordinal, cluster.routes)
        self.directory.instance = f"instance-{ordinal}"
        self.directory.ready = True
        self.directory.brokers_seen_ms = now_ms()
        self.worker_age_s = 0.0
        self.service = QueryService(
            self.directory,
            cluster.options,
            worker_age_s=lambda: self.worker_age_s,
            letters=cluster.letters,
        )
        self._stop = asyncio.Event()
        self._serving: asyncio.Task[None] | None = None

    def hold(self, partition: int, role: Role, phase: Phase = Phase.RUNNING, **more: Any) -> TaskStore:
        """Let the pod hold a task, with a store of its own on disk."""
        path = self.cluster.folder / f"pod-{self.ordinal}" / f"clicks-{partition}"
        store = TaskStore.open(path, self.cluster.memory)
        self.cluster.stores.append(store)
        view = TaskView(clicks_task(partition), role, phase, 1, store, as_of_ms=now_ms())
        self.directory.tasks = {
            **self.directory.tasks,
            clicks_task(partition): dataclasses.replace(view, **more),
        }
        return store

    def change(self, partition: int, **more: Any) -> None:
        """Replace a task's view, as the worker does."""
        view = dataclasses.replace(self.directory.tasks[clicks_task(partition)], **more)
        self.directory.tasks = {**self.directory.tasks, clicks_task(partition): view}

    def heard_from_kafka(self, at_ms: int) -> None:
        """Set when the pod last heard from the control topic and a broker."""
        self.directory.routes = dataclasses.replace(self.directory.routes, as_of_ms=at_ms)
        self.directory.brokers_seen_ms = at_ms

    async def start(self) -> None:
        """Serve both ports."""
        cluster = self.cluster
        self._serving = asyncio.create_task(
            serve(self.service, self.host, cluster.query_port, cluster.admin_port, self._stop)
        )
        async with asyncio.timeout(120):
            while not _listens(self.host, cluster.admin_port):
                if self._serving.done():
                    self._serving.result()
                await asyncio.sleep(0.01)

    async def stop(self) -> None:
        """Stop serving."""
        self._stop.set()
        if self._serving is not None:
            await self._serving
            self._serving = None


class Cluster:
    """Pods that share a folder, a key and the routes; used as an async context manager."""

    def __init__(
        self, folder: Path, pods: int, plan: Plan = PLAN, letters: LetterTopic | None = None, **options: Any
    ) -> None:
        self.letters = letters
        self.folder = folder
        self.memory = StateMemory(MemoryShares.of_limit(256 << 20))
        self.stores: list[TaskStore] = []
        self.query_port, self.admin_port = free_ports(2)
        self.key = folder / "key"
        self.key.write_text(KEY)
        nobody: tuple[int | None, ...] = (None,) * PARTITIONS
        self.routes = Routes(1, nobody, ((),) * PARTITIONS, now_ms())
        peers = PeerAddresses("127.0.77.{ordinal}", self.admin_port)
        fields = {"replicas": pods, "peer_key": self.key, **PATIENT, **options}
        self.options = QueryOptions(name="storefront", namespace="shop", plan=plan, peers=peers, **fields)
        self.pods = [Pod(self, ordinal) for ordinal in range(pods)]
        self.client: aiohttp.ClientSession

    async def __aenter__(self) -> "Cluster":
        self.client = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=180))
        for pod in self.pods:
            await pod.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.client.close()
        for pod in self.pods:
            await pod.stop()
        for store in self.stores:
            store.close()

    def assign(
        self,
        owners: dict[int, int],
        standbys: dict[int, tuple[int, ...]] | None = None,
        *,
        generation: int = 2,
        only: Iterable[int] | None = None,
    ) -> None:
        """Let the pods (or `only` some) know who owns which partition."""
        by_partition = standbys or {}
        routes = Routes(
            generation,
            tuple(owners.get(p) for p in range(PARTITIONS)),
            tuple(by_partition.get(p, ()) for p in range(PARTITIONS)),
            now_ms(),
        )
        for pod in self.pods if only is None else [self.pods[i] for i in only]:
            pod.directory.routes = routes
            pod.directory.brokers_seen_ms = now_ms()

    def peer_headers(self) -> dict[str, str]:
        """Return what a pod sends to a pod."""
        return {"Authorization": f"Bearer {KEY}"}


@contextlib.asynccontextmanager
async def alice_on(cluster: Cluster, owner: int, *, clicks: int = 3) -> AsyncIterator[None]:
    """Run the cluster with Alice's task on one pod, with clicks of the last seconds."""
    async with cluster:
        partition = partition_of("alice123")
        store = cluster.pods[owner].hold(partition, Role.OWNER)
        fill(store, partition, [ALICE], [("alice123", now_ms() - 1000)] * clicks)
        cluster.assign({partition: owner})
        yield


def totals(clicks: int) -> ProcessTotals:
    """Return totals as a worker would show them."""
    return ProcessTotals(clicks=clicks, enriched=clicks, dead_lettered={"late": clicks // 10}, commits=1)


def _listens(host: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((host, port), 0.2):
        return True
    return False
