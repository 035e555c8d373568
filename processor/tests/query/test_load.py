"""Queries never block their pod: probes, metrics and other questions are answered beside the longest reads.

The pods serve in the test's own loop, so a ticker in it sees how long anything held it.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

import pytest
from clickstream_processor.directory import Role
from clickstream_processor.query.users.turns import TurnLimits
from clickstream_processor.topology.plan import Plan
from processor_support.queries.query_pods import ALICE, KEY, PARTITIONS, Cluster, fill, now_ms, partition_of

ALICES = partition_of("alice123")
STRANGER = next(f"user-{i}" for i in range(100) if partition_of(f"user-{i}") == ALICES)
HOUR_MS = 3_600_000
SIZE_MS = 10_000
ALLOWED_MS = 10_000 * SIZE_MS - 2 * SIZE_MS - 60_000  # the longest retention that a spec may have
BEYOND_MS = 87_600 * HOUR_MS  # ten years: 31 million chunks
STALL_S = 5.0  # a second is meant, on a machine of its own; the look-ups of ten years took minutes


class Ticker:
    """Measures the longest time the loop did not turn."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Ticker":
        self._task = asyncio.create_task(self._tick())
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *error: object) -> None:
        await asyncio.sleep(0)
        if self._task is not None:
            self._task.cancel()

    async def _tick(self) -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.001)
            self.longest_s = max(self.longest_s, time.monotonic() - before)


@contextlib.asynccontextmanager
async def two_pods(
    tmp_path: Path, retention_ms: int, join: Literal["inner", "left"] = "left", **options: Any
) -> AsyncIterator[tuple[Cluster, int]]:
    """Give pods of which pod 1 owns Alice's task, and the time of her last click; she has 200, far apart."""
    plan = Plan("user-clicks", PARTITIONS, size_ms=SIZE_MS, retention_ms=retention_ms, join=join)
    cluster = Cluster(tmp_path, pods=2, plan=plan, **options)
    last_ms = now_ms() // SIZE_MS * SIZE_MS
    apart_ms = retention_ms // 200 // SIZE_MS * SIZE_MS
    async with cluster:
        events = [("alice123", last_ms - apart_ms * back) for back in reversed(range(200))]
        fill(cluster.pods[1].hold(ALICES, Role.OWNER), ALICES, [ALICE], events, plan)
        cluster.assign({ALICES: 1})
        yield cluster, last_ms


async def get(cluster: Cluster, url: str) -> tuple[int, Any, float]:
    """Return status, body and seconds of a GET."""
    before = time.monotonic()
    async with cluster.client.get(url, headers={"Authorization": f"Bearer {KEY}"}) as response:
        body = await response.read()
        return response.status, body, time.monotonic() - before


@pytest.mark.parametrize("retention_ms", [ALLOWED_MS, BEYOND_MS], ids=["longest allowed", "far beyond"])
@pytest.mark.parametrize("join", ["inner", "left"])
async def test_probes_and_metrics_are_answered_while_long_reads_are_under_way(
    tmp_path: Path, retention_ms: int, join: Literal["inner", "left"]
) -> None:
    async with two_pods(tmp_path, retention_ms, join) as (cluster, last_ms):
        questions = [
            f"{cluster.pods[pod].url}/dashboard/users/{user}/metrics?{query}"
            for user in ("alice123", STRANGER)
            for pod in (0, 1)
            for query in ("detail=1", f"at={last_ms + retention_ms // 2}&detail=1&limit=1000", "")
        ]
        async with Ticker() as ticker:
            reading = [asyncio.create_task(get(cluster, url)) for url in questions]
            admin = cluster.pods[1].admin_url
            probes = [await get(cluster, f"{admin}/{path}") for path in ("healthz", "readyz", "metrics") * 4]
            answers = await asyncio.gather(*reading)
    assert [status for status, _, _ in probes] == [200] * 12
    assert {status for status, _, _ in answers} <= {200, 404, 503}
    assert max(took_s for _, _, took_s in (*probes, *answers)) < STALL_S
    assert ticker.longest_s < STALL_S


async def test_every_window_of_the_longest_allowed_retention_is_found_by_following_next(
    tmp_path: Path,
) -> None:
    async with two_pods(tmp_path, ALLOWED_MS) as (cluster, last_ms):
        found: list[int] = []
        path = f"{cluster.pods[0].url}/dashboard/users/alice123/metrics?at={last_ms}&detail=1"
        following, pages = "", 0
        while True:
            async with cluster.client.get(path + following) as response:
                assert response.status == 200
                document = await response.json()
            pages += 1
            found += [window["window_start"] for window in document["windows"]]
            if document["next"] is None:
                break
            following = f"&to={document['next']}"
    assert len(found) == 200
    assert found == sorted(found, reverse=True)
    assert pages <= 12


async def test_long_reads_beyond_the_limit_are_refused_and_others_are_answered(tmp_path: Path) -> None:
    none = TurnLimits(at_once=0, wait_s=0.01)
    async with two_pods(tmp_path, ALLOWED_MS, turns=none) as (cluster, last_ms):
        for pod in (0, 1):
            path = f"{cluster.pods[pod].url}/dashboard/users/alice123/metrics"
            async with cluster.client.get(path + "?detail=1") as response:
                problem = await response.json(content_type=None)
                assert (response.status, response.headers["Retry-After"]) == (503, "1")
                assert problem["type"].endswith("/too-many-reads")
            for short in ("", f"?detail=1&from={last_ms - 10 * SIZE_MS}"):
                status, _, _ = await get(cluster, path + short)
                assert status == 200
