"""Any pod answers any user: one hop to the owner, 421 and a second look, a standby in its place, or 503."""

import asyncio
import contextlib
import dataclasses
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from clickstream_processor.directory import Phase, Role
from clickstream_processor.query.options import QueryOptions
from processor_support.queries.query_pods import (
    ALICE,
    IMPATIENT,
    KEY,
    Cluster,
    alice_on,
    fill,
    now_ms,
    partition_of,
)
from prometheus_client import REGISTRY

ALICES = partition_of("alice123")
PATH = "/dashboard/users/alice123/metrics"
STALENESS = "X-Clickstream-Staleness"


def not_owner() -> float:
    """Return how many requests of peers were refused with 421 so far."""
    return REGISTRY.get_sample_value("clickstream_query_not_owner_total") or 0.0


async def ask(cluster: Cluster, pod: int, path: str = PATH) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Return status, JSON and headers of a GET from one pod."""
    async with cluster.client.get(cluster.pods[pod].url + path) as response:
        return response.status, await response.json(content_type=None), dict(response.headers)


@contextlib.asynccontextmanager
async def with_standby(tmp_path: Path, pods: int = 3, **options: Any) -> AsyncIterator[Cluster]:
    """Give a cluster: Alice's task owned by pod 1 (3 clicks), pod 2 a standby that saw 2 of them."""
    cluster = Cluster(tmp_path, pods=pods, **options)
    at_ms = now_ms() - 1000
    async with cluster:
        fill(cluster.pods[1].hold(ALICES, Role.OWNER), ALICES, [ALICE], [("alice123", at_ms)] * 3)
        standby = cluster.pods[2].hold(ALICES, Role.STANDBY, as_of_ms=now_ms() - 2_500)
        fill(standby, ALICES, [ALICE], [("alice123", at_ms)] * 2)
        cluster.assign({ALICES: 1}, {ALICES: (2,)})
        yield cluster


@contextlib.asynccontextmanager
async def peer_that_never_answers(cluster: Cluster, ordinal: int) -> AsyncIterator[list[float]]:
    """Listen in a stopped pod's place: accept, and say nothing. Gives the times of what it was asked."""
    asked: list[float] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while await reader.read(65_536):
                asked.append(time.monotonic())
        writer.close()

    pod = cluster.pods[ordinal]
    await pod.stop()
    server = await asyncio.start_server(accept, pod.host, cluster.admin_port)
    try:
        yield asked
    finally:
        server.close()


def test_limits_of_a_hop_and_of_freshness_are_as_documented() -> None:
    defaults = {f.name: f.default for f in dataclasses.fields(QueryOptions)}
    assert (defaults["connect_timeout_s"], defaults["total_timeout_s"]) == (0.25, 1.0)
    assert defaults["fresh_ms"] == 3_000


async def test_every_pod_gives_the_owners_answer(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, pods=3)
    async with alice_on(cluster, owner=1, clicks=7):
        answers = [await ask(cluster, pod) for pod in range(3)]
    assert [(status, document["clicks_last_5min"]) for status, document, _ in answers] == [(200, 7)] * 3
    assert all(STALENESS not in headers for _, _, headers in answers)
    assert answers[0][1] == answers[1][1] == answers[2][1]


async def test_owners_404_and_400_come_through_the_hop(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, pods=2)
    async with alice_on(cluster, owner=1):
        fill(cluster.stores[0], ALICES, [], [("alice123", now_ms() + 86_400_000)])
        expired, problem, headers = await ask(cluster, 0, PATH + "?at=1690000000000")
        assert (expired, headers["Content-Type"]) == (400, "application/problem+json")
        assert problem["type"].endswith("/expired-time")
        names = [f"user-{i}" for i in range(100)]
        stranger = next(name for name in names if partition_of(name) == ALICES)
        status, problem, _ = await ask(cluster, 0, f"/dashboard/users/{stranger}/metrics")
    assert status == problem["status"] == 404


async def test_pod_with_old_routes_is_told_421_looks_again_and_finds_the_new_owner(tmp_path: Path) -> None:
    async with with_standby(tmp_path) as cluster:
        cluster.assign({ALICES: 0}, only=[0, 1, 2])  # old routes everywhere: pod 0 owned it
        cluster.assign({ALICES: 1}, {ALICES: (2,)}, generation=3, only=[0, 1])
        refused = not_owner()
        asking = asyncio.create_task(ask(cluster, 2))
        async with asyncio.timeout(60):
            while not_owner() == refused:  # pod 0 said 421; now pod 2 learns the news
                await asyncio.sleep(0.001)
        cluster.assign({ALICES: 1}, {ALICES: (2,)}, generation=3, only=[2])
        status, document, headers = await asking
    assert (status, document["clicks_last_5min"]) == (200, 3)
    assert STALENESS not in headers


async def test_pod_is_asked_at_most_twice_when_views_never_agree(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, pods=3)
    async with cluster:
        cluster.assign({ALICES: 1}, only=[0])
        cluster.assign({ALICES: 2}, generation=9, only=[1, 2])
        refused = not_owner()
        status, problem, headers = await ask(cluster, 0)
        assert not_owner() - refused == 2
    assert (status, headers["Retry-After"]) == (503, "1")
    assert problem["task"] == f"clicks-{ALICES}"


async def test_peer_that_is_not_the_owner_says_421_with_its_generation(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, pods=2)
    async with cluster:
        cluster.assign({ALICES: 1}, generation=17)
        url = cluster.pods[0].admin_url + "/peer/metrics?user=alice123"
        async with cluster.client.get(url, headers=cluster.peer_headers()) as response:
            assert response.status == 421
            assert (await response.json())["generation"] == 17


async def test_peer_never_asks_on(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, pods=2)
    async with alice_on(cluster, owner=1):
        url = cluster.pods[0].admin_url + "/peer/metrics?user=alice123&role=any"
        async with cluster.client.get(url, headers=cluster.peer_headers()) as response:
            assert response.status == 503


async def test_standby_answers_for_a_dead_owner_and_says_how_old_it_is(tmp_path: Path) -> None:
    started = time.monotonic()
    async with with_standby(tmp_path) as cluster:  # as of 2.5 s before it is made
        await cluster.pods[1].stop()
        status, document, headers = await ask(cluster, 0)
        took_s = time.monotonic() - started
    assert (status, document["clicks_last_5min"]) == (200, 2)
    assert 2.5 <= float(headers[STALENESS]) <= 2.5 + took_s + 0.1


async def test_own_standby_is_asked_before_anothers(tmp_path: Path) -> None:
    async with with_standby(tmp_path) as cluster:
        await cluster.pods[1].stop()
        status, document, headers = await ask(cluster, 2)
    assert (status, document["clicks_last_5min"]) == (200, 2)
    assert STALENESS in headers


async def test_owner_that_accepts_and_says_nothing_costs_one_time_out_then_a_standby_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clickstream_processor.query.http.peers._SUSPECT_S", 60.0)
    async with (
        with_standby(tmp_path, connect_timeout_s=60.0, total_timeout_s=1.0) as cluster,
        peer_that_never_answers(cluster, 1) as asked,
    ):
        started = time.monotonic()
        status, document, headers = await ask(cluster, 0)
        first_s = time.monotonic() - started
        again, _, _ = await ask(cluster, 0)
    assert (status, again, document["clicks_last_5min"]) == (200, 200, 2)
    assert float(headers[STALENESS]) >= 2.5
    assert first_s >= 0.9
    assert len(asked) == 1  # the owner is suspect: it was not asked again


async def test_owner_whose_machine_is_gone_costs_the_time_to_connect_and_no_more(tmp_path: Path) -> None:
    async with with_standby(tmp_path, connect_timeout_s=0.25, total_timeout_s=120.0) as cluster:
        pod = cluster.pods[1]
        await pod.stop()
        with contextlib.ExitStack() as sockets:  # a full queue of connections: no SYN is answered
            listener = sockets.enter_context(socket.socket())
            listener.bind((pod.host, cluster.admin_port))
            listener.listen(0)
            for _ in range(4):
                filler = sockets.enter_context(socket.socket())
                filler.setblocking(False)
                filler.connect_ex((pod.host, cluster.admin_port))
            started = time.monotonic()
            status, document, headers = await ask(cluster, 0)
            took_s = time.monotonic() - started
    assert (status, document["clicks_last_5min"]) == (200, 2)
    assert STALENESS in headers
    assert 0.2 <= took_s < 60


async def test_silent_owner_without_standby_is_503_with_retry_after(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, pods=2, **IMPATIENT)
    async with alice_on(cluster, owner=1), peer_that_never_answers(cluster, 1):
        status, problem, headers = await ask(cluster, 0)
    assert (status, headers["Retry-After"]) == (503, "1")
    assert headers["Content-Type"] == "application/problem+json"
    assert problem["task"] == f"clicks-{ALICES}"


async def test_task_without_owner_is_answered_by_its_standby(tmp_path: Path) -> None:
    async with with_standby(tmp_path) as cluster:
        cluster.assign({}, {ALICES: (2,)}, generation=3)
        status, document, headers = await ask(cluster, 0)
    assert (status, document["clicks_last_5min"]) == (200, 2)
    assert STALENESS in headers


async def test_standby_answers_while_the_owner_restores(tmp_path: Path) -> None:
    async with with_standby(tmp_path) as cluster:
        cluster.pods[1].change(ALICES, phase=Phase.RESTORING)
        for pod in (0, 1):
            status, document, headers = await ask(cluster, pod)
            if pod == 0:
                assert (status, document["clicks_last_5min"]) == (200, 2)
            assert STALENESS in headers


async def test_owner_that_restores_answers_when_no_standby_can(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, pods=2)
    async with alice_on(cluster, owner=1):
        changed_ms = now_ms()
        cluster.pods[1].change(ALICES, phase=Phase.RESTORING, as_of_ms=changed_ms - 4_000)
        status, document, headers = await ask(cluster, 0)
    assert (status, document["clicks_last_5min"]) == (200, 3)
    assert 4_000 <= 1_000 * float(headers[STALENESS]) <= 4_100 + now_ms() - changed_ms


async def test_question_for_a_stopped_task_is_told_who_stopped_it_and_why(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, pods=3)
    why = "the state has chunk=300000, the pipeline chunk=600000"
    async with cluster:
        cluster.pods[1].hold(ALICES, Role.OWNER, Phase.STOPPED, detail=why, as_of_ms=None)
        cluster.pods[1].change(ALICES, store=None)
        cluster.pods[2].hold(ALICES, Role.STANDBY, Phase.STOPPED, detail=why, as_of_ms=None)
        cluster.pods[2].change(ALICES, store=None)
        cluster.assign({ALICES: 1}, {ALICES: (2,)})
        for pod in range(3):
            status, problem, headers = await ask(cluster, pod)
            assert (status, headers["Retry-After"]) == (503, "30")
            assert problem["type"] == "https://clickstream.dev/problems/task-stopped"
            assert problem["detail"] == f"Task clicks-{ALICES} is stopped on pod 1: {why}"
            assert (problem["task"], problem["pod"], problem["reason"]) == (f"clicks-{ALICES}", 1, why)


async def test_standby_answers_for_a_stopped_owner(tmp_path: Path) -> None:
    async with with_standby(tmp_path) as cluster:
        cluster.pods[1].change(ALICES, phase=Phase.STOPPED, store=None, as_of_ms=None, detail="why")
        for pod in range(3):
            status, document, headers = await ask(cluster, pod)
            assert (status, document["clicks_last_5min"]) == (200, 2)
            assert float(headers[STALENESS]) >= 2.5


async def test_pages_of_windows_are_the_same_from_every_pod(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, pods=2)
    at_ms = now_ms() // 300_000 * 300_000
    async with cluster:
        events = [("alice123", at_ms - 300_000 * back) for back in reversed(range(10))]
        fill(cluster.pods[1].hold(ALICES, Role.OWNER), ALICES, [ALICE], events)
        cluster.assign({ALICES: 1})
        for pod in range(2):
            starts: list[int] = []
            path = f"{PATH}?at={at_ms}&detail=1&limit=3&from={at_ms - 2_400_000}"
            following = ""
            while True:
                _, document, _ = await ask(cluster, pod, path + following)
                assert document["windows_from"] == at_ms - 2_400_000
                assert len(document["windows"]) <= 3
                starts += [window["window_start"] for window in document["windows"]]
                if document["next"] is None:
                    break
                following = f"&to={document['next']}"
            assert starts == [at_ms - 300_000 * back for back in range(9)]


async def test_owners_own_staleness_comes_through_the_hop(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, pods=2)
    async with alice_on(cluster, owner=1):
        changed_ms = now_ms()
        cluster.pods[1].heard_from_kafka(changed_ms - 30_000)
        status, _, headers = await ask(cluster, 0)
    assert status == 200
    assert 30_000 <= 1_000 * float(headers[STALENESS]) <= 30_100 + now_ms() - changed_ms


async def test_peer_without_the_pods_own_key_is_refused(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, pods=2)
    async with alice_on(cluster, owner=1):
        url = cluster.pods[1].admin_url + "/peer/metrics?user=alice123"
        every: list[dict[str, str]] = [{}, {"Authorization": "Bearer wrong"}, {"Authorization": KEY}]
        for headers in every:
            async with cluster.client.get(url, headers=headers) as response:
                assert response.status == 401
                assert "alice" not in await response.text()


async def test_requests_beyond_the_limit_are_refused_at_once_with_503(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, pods=2, max_in_flight=4, **IMPATIENT | {"total_timeout_s": 10.0})
    async with alice_on(cluster, owner=1), peer_that_never_answers(cluster, 1) as asked:
        waiting = [asyncio.create_task(ask(cluster, 0)) for _ in range(4)]
        async with asyncio.timeout(60):
            while len(asked) < 4:
                await asyncio.sleep(0.001)
        status, problem, headers = await ask(cluster, 0)
        assert not any(task.done() for task in waiting), "it did not wait for the others"
        assert (status, headers["Retry-After"]) == (503, "1")
        assert problem["type"].endswith("/overloaded")
        await asyncio.gather(*waiting)
        status, problem, _ = await ask(cluster, 0)
        assert problem["type"].endswith("/no-answer")  # the limit is free again
