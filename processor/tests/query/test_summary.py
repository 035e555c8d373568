"""Summaries: the pods' reports merged, one fan-out a second while somebody watches, streams of events."""

import asyncio
import contextlib
import dataclasses
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
from clickstream_processor.backlog import Backlog
from clickstream_processor.commit_health import CommitHealth
from clickstream_processor.directory import Directory, Phase, ProcessTotals, Role, Routes
from clickstream_processor.incidents import KEPT, Incident
from clickstream_processor.query.summary.report import PodReporter
from clickstream_processor.task_id import clicks_task
from processor_support.queries.query_pods import PARTITIONS, Cluster, now_ms, totals


async def summary_of(cluster: Cluster, pod: int = 0) -> dict[str, Any]:
    """Return GET /api/summary of one pod."""
    async with cluster.client.get(cluster.pods[pod].url + "/api/summary") as response:
        assert response.status == 200
        document: dict[str, Any] = await response.json()
        return document


@contextlib.asynccontextmanager
async def stream_of(cluster: Cluster, pod: int = 0) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
    """Open GET /api/stream of one pod, as an iterator of its summaries."""
    async with cluster.client.get(cluster.pods[pod].url + "/api/stream") as response:
        assert response.headers["Content-Type"] == "text/event-stream"
        yield summaries(response)


async def summaries(response: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any]]:
    """Yield the data of each event."""
    async for line in response.content:
        if line.startswith(b"data: "):
            yield json.loads(line[6:])


def three_owners(cluster: Cluster) -> None:
    """Give pods 0, 1, 2 a partition each (the fourth has no owner) and totals of 100, 200, 300 clicks."""
    for pod in cluster.pods:
        pod.hold(pod.ordinal, Role.OWNER)
        pod.directory.backlogs = {clicks_task(pod.ordinal): Backlog(10, pod.ordinal * 100)}
        pod.directory.totals = totals(100 * (pod.ordinal + 1))
    cluster.pods[1].hold(0, Role.STANDBY)
    cluster.assign({0: 0, 1: 1, 2: 2}, {0: (1,)}, generation=5)
    for pod in cluster.pods:
        pod.heard_from_kafka(now_ms() + 60_000)  # not cut off, however slow the machine is


async def test_summary_adds_up_the_pods(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, pods=3)
    async with cluster:
        three_owners(cluster)
        summary = await summary_of(cluster, pod=1)
    assert summary["pipeline"] == {"name": "storefront", "namespace": "shop"}
    assert (summary["answered_by"], summary["partial"], summary["generation"]) == (1, False, 5)
    assert summary["totals"]["clicks"] == summary["totals"]["enriched"] == 600
    assert summary["totals"]["dead_letters"] == {"late": 60}
    assert summary["totals"]["dead_lettered"] == 60
    assert [task["lag_records"] for task in summary["tasks"]] == [10, 10, 10, None]
    assert [task["lag_ms"] for task in summary["tasks"]] == [0, 100, 200, None]
    assert summary["tasks_without_owner"] == ["clicks-3"]
    assert [task["owner"] for task in summary["tasks"]] == [0, 1, 2, None]
    assert [task["phase"] for task in summary["tasks"]] == ["running", "running", "running", "unknown"]
    assert [(pod["ordinal"], pod["owned"], pod["standby"]) for pod in summary["pods"]] == [
        (0, 1, 0),
        (1, 1, 1),
        (2, 1, 0),
    ]


async def test_the_sum_of_lags_is_unknown_while_a_task_has_no_owner(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, pods=3)
    async with cluster:
        three_owners(cluster)
        without = await summary_of(cluster)
        cluster.pods[2].hold(3, Role.OWNER)
        cluster.pods[2].directory.backlogs = {
            clicks_task(2): Backlog(10, 200),
            clicks_task(3): Backlog(1, None),
        }
        cluster.assign({0: 0, 1: 1, 2: 2, 3: 2}, {0: (1,)}, generation=6)
        for pod in cluster.pods:
            pod.heard_from_kafka(now_ms() + 60_000)
        every = await summary_of(cluster, pod=1)
    assert without["lag"] == {"records": None, "ms": None}
    assert every["lag"] == {"records": 31, "ms": None}


async def test_a_task_that_runs_and_cannot_commit_says_for_how_long_and_why(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, pods=3)
    async with cluster:
        three_owners(cluster)
        directory = cluster.pods[1].directory
        directory.backlogs = {clicks_task(1): Backlog(7, 42_000, stands_ms=42_300)}
        directory.commits = CommitHealth().failed("first", 1).failed("Broker: Message\n size too large", 2)
        summary = await summary_of(cluster)
    task, pod = summary["tasks"][1], summary["pods"][1]
    assert (task["phase"], task["standing_ms"]) == ("running", 42_300)
    assert task["detail"] == "no commit for 42 s: Broker: Message size too large"
    assert summary["tasks"][0]["detail"] == ""
    assert (pod["commit_failures_in_a_row"], pod["commit_error"]) == (2, "Broker: Message size too large")


async def test_the_newest_incidents_of_all_pods_are_named_by_their_place(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, pods=3)
    async with cluster:
        three_owners(cluster)
        for pod in cluster.pods:
            pod.directory.quarantined = tuple(
                Incident("user-clicks", pod.ordinal, offset, "output-refused", "too large", offset)
                for offset in reversed(range(KEPT))
            )
        row = Incident("user-profiles", 0, 3, "mistyped-field", "plan_tier: Expected str", 5)
        cluster.pods[1].directory.refused_profiles = (row,)
        found = (await summary_of(cluster))["incidents"]
    assert len(found["quarantined"]) == KEPT
    assert [i["offset"] for i in found["quarantined"][:4]] == [KEPT - 1] * 3 + [KEPT - 2]
    assert found["refused_profiles"] == [dataclasses.asdict(row)]


async def test_lag_is_unknown_while_an_owner_hears_from_no_broker(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, pods=3)
    async with cluster:
        three_owners(cluster)
        cluster.pods[1].heard_from_kafka(now_ms() - 30_000)
        one = await summary_of(cluster)
        for pod in cluster.pods:
            pod.heard_from_kafka(now_ms() - 30_000)
        every = await summary_of(cluster, pod=1)
    assert one["lag"] == every["lag"] == {"records": None, "ms": None}
    assert [task["lag_records"] for task in one["tasks"]] == [10, None, 10, None]
    assert one["kafka_silent_ms"] == 0
    assert 30_000 <= every["kafka_silent_ms"] < 90_000


async def test_summary_says_partial_when_a_pod_is_silent(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, pods=3)
    async with cluster:
        three_owners(cluster)
        await cluster.pods[2].stop()
        summary = await summary_of(cluster)
    assert summary["partial"] is True
    assert summary["totals"]["clicks"] == 300
    assert summary["pods"][2] == {"ordinal": 2, "answered": False}
    assert summary["tasks"][2]["phase"] == "unknown"


async def test_summary_asks_pods_that_scaling_has_not_reached_yet(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, pods=3, replicas=1)  # as settings from before a scale-out say
    async with cluster:
        three_owners(cluster)
        summary = await summary_of(cluster)
    assert [pod["ordinal"] for pod in summary["pods"]] == [0, 1, 2]
    assert summary["partial"] is False


async def test_newest_assignment_that_any_pod_knows_is_shown(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, pods=2)
    async with cluster:
        cluster.assign({0: 0}, generation=5)
        cluster.assign({0: 1}, generation=6, only=[1])
        summary = await summary_of(cluster)
    assert (summary["generation"], summary["tasks"][0]["owner"]) == (6, 1)


async def test_times_that_a_pod_does_not_know_are_null(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, pods=2)
    async with cluster:
        cluster.assign({0: 1})
        pod = cluster.pods[1]
        pod.hold(0, Role.OWNER, Phase.RESTORING, as_of_ms=None)
        pod.directory.brokers_seen_ms = None
        pod.directory.routes = dataclasses.replace(pod.directory.routes, as_of_ms=None)
        line = (await summary_of(cluster))["pods"][1]
        async with cluster.client.get(pod.admin_url + "/status", headers=cluster.peer_headers()) as response:
            status = await response.json()
    assert line["answered"]
    assert line["brokers_seen_ms"] is line["routes_as_of_ms"] is None
    assert status["brokers_seen_ms"] is status["routes"]["as_of_ms"] is None
    assert status["tasks"]["clicks-0"]["as_of_ms"] is None


async def test_stopped_task_shows_why(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, pods=1)
    async with cluster:
        cluster.pods[0].hold(0, Role.OWNER, Phase.STOPPED, detail="the position is below the log's start")
        cluster.assign({0: 0})
        task = (await summary_of(cluster))["tasks"][0]
    assert (task["phase"], task["detail"]) == ("stopped", "the position is below the log's start")


async def test_requests_within_a_second_share_one_fan_out(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, pods=2)
    async with cluster:
        cluster.assign({0: 0})
        hub = cluster.pods[0].service.hub
        started = time.monotonic()
        await asyncio.gather(*(summary_of(cluster) for _ in range(20)))
        await summary_of(cluster)
        full_seconds = int(time.monotonic() - started)  # none, unless the machine is very slow
    assert 1 <= hub.fan_outs <= 1 + full_seconds


async def test_streams_share_one_fan_out_a_second_which_ends_with_the_last(
    tmp_path: Path,
) -> None:
    cluster = Cluster(tmp_path, pods=2)
    async with cluster:
        cluster.assign({0: 0})
        hub = cluster.pods[0].service.hub
        assert hub.fan_outs == 0
        began_s = time.monotonic()
        async with contextlib.AsyncExitStack() as open_streams:
            streams = [await open_streams.enter_async_context(stream_of(cluster)) for _ in range(5)]
            for stream in streams:
                await anext(stream)
            assert hub.asks_each_second
            opened = hub.fan_outs
            while hub.fan_outs < opened + 3:
                await asyncio.gather(*(anext(stream) for stream in streams))
            # One as each stream opened, and one a second; those of a moment that was missed come later.
            assert hub.fan_outs <= len(streams) + time.monotonic() - began_s
        async with asyncio.timeout(60):
            while hub.asks_each_second:
                await asyncio.sleep(0.02)


async def test_stream_shows_what_changes(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, pods=2)
    async with cluster, stream_of(cluster) as stream:
        cluster.assign({0: 0})
        await anext(stream)
        cluster.pods[1].directory.totals = totals(77)
        async with asyncio.timeout(60):
            async for summary in stream:
                if summary["totals"]["clicks"] == 77:
                    break


async def test_streams_beyond_the_limit_are_refused_and_free_again_when_one_ends(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, pods=1, max_subscribers=1)
    async with cluster:
        cluster.assign({0: 0})
        async with stream_of(cluster) as stream:
            await anext(stream)
            async with cluster.client.get(cluster.pods[0].url + "/api/stream") as response:
                assert response.status == 503
        async with asyncio.timeout(60):
            while True:
                async with cluster.client.get(cluster.pods[0].url + "/api/stream") as response:
                    if response.status == 200:
                        break
                await asyncio.sleep(0.05)


async def test_pod_that_stops_ends_its_open_streams_in_order(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, pods=1)
    async with cluster:
        cluster.assign({0: 0})
        async with stream_of(cluster) as stream:
            await anext(stream)
            await cluster.pods[0].stop()
            async with asyncio.timeout(60):
                async for _ in stream:  # raises when the server broke it off
                    pass


def test_rates_are_means_of_the_last_five_seconds_and_never_negative() -> None:
    directory = Directory(0, Routes(1, (None,) * PARTITIONS, ((),) * PARTITIONS, now_ms()))
    reporter = PodReporter(directory, lambda: 0)
    for second, clicks in enumerate((0, 100, 200, 300, 400, 500, 1500)):
        directory.totals = ProcessTotals(clicks=clicks, cpu_s=second / 2)
        reporter.sample(float(second), second * 1000)
    assert reporter.rates().clicks == 280.0  # (1500 - 100) / 5 s
    assert reporter.rates().cpu == 0.5
    directory.totals = ProcessTotals()
    reporter.sample(7.0, 7000)
    assert reporter.rates().clicks == 0.0
    history = reporter.report(history=True).history
    assert [(sample.at_ms, sample.clicks) for sample in history][-2:] == [(6000, 1000.0), (7000, 0.0)]


def test_second_is_sampled_once_even_when_the_timer_is_early() -> None:
    directory = Directory(0, Routes(1, (None,) * PARTITIONS, ((),) * PARTITIONS, now_ms()))
    reporter = PodReporter(directory, lambda: 0)
    for monotonic_s, at_ms in ((0.0, 0), (0.999, 999), (1.0, 1000), (2.0, 2000)):
        reporter.sample(monotonic_s, at_ms)
    assert [sample.at_ms for sample in reporter.report(history=True).history] == [1000, 2000]
