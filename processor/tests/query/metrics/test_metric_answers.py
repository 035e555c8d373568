"""Metrics from several pods: one hop for one key, one question to each owner for many; who answers else."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from clickstream_processor.aggregation.values.keys import encode_key
from clickstream_processor.directory import Phase, Role
from clickstream_processor.kafka.partitioner import partition_of
from clickstream_processor.metrics import QUERY_REQUESTS
from clickstream_processor.query.http.peers import STALENESS
from processor_support.queries.metric_pods import SINCE_MS, assign, change, cluster_of, get
from processor_support.queries.metric_questions import (
    METRICS,
    MINUTE,
    PEOPLE,
    SPAN,
    START_MS,
    VIEWS,
    WINDOW,
    ask,
    fill,
)
from processor_support.queries.query_pods import PARTITIONS, now_ms


def asked(route: str = "peer-metric-windows") -> float:
    """Return how many questions of pods to pods were answered, by all pods of this process."""
    return float(QUERY_REQUESTS.labels(route, "200")._value.get())


def lasting(document: dict[str, Any]) -> dict[str, Any]:
    """Return an answer without what depends on when it was given."""
    return {name: value for name, value in document.items() if name not in ("as_of_ms", "staleness_ms")}


async def test_list_says_what_each_metric_is_and_how_far_its_tasks_are(tmp_path: Path) -> None:
    cluster = cluster_of(tmp_path, 2, *METRICS)
    async with cluster:
        clicks = fill(cluster, {0: 0, 1: 1, 2: 0, 3: 1})
        clicks.commit(START_MS + 9 * MINUTE)
        document = await ask(cluster, 1, "/api/metrics")
    assert document["partial"] is False
    assert [each["name"] for each in document["metrics"]] == ["views", "people", "spent"]
    assert document["metrics"][1] == {
        "name": "people",
        "aggregate": "distinct",
        "of": "clicks",
        "value": "click.mixed",
        "where": "",
        "by": {"page": "click.page_url"},
        "window": {
            "size_ms": MINUTE,
            "advance_ms": MINUTE,
            "grace_ms": MINUTE,
            "retention_ms": 3_600_000,
        },
        "emit": "updates",
        "topic": "t",
        "since_ms": SINCE_MS,
        "time_ms": START_MS + 9 * MINUTE,
    }


async def test_pipeline_without_metrics_has_an_empty_list(tmp_path: Path) -> None:
    cluster = cluster_of(tmp_path, 1)
    async with cluster:
        assert await ask(cluster, 0, "/api/metrics") == {"metrics": [], "partial": False}
        status, problem, _ = await get(cluster, 0, "/api/metrics/views")
    assert (status, problem["metrics"]) == (404, [])


async def test_list_is_partial_and_knows_no_time_where_nobody_answers(tmp_path: Path) -> None:
    cluster = cluster_of(tmp_path, 1, *METRICS)
    async with cluster:
        document = await ask(cluster, 0, "/api/metrics")
    assert document["partial"] is True
    assert {(each["since_ms"], each["time_ms"]) for each in document["metrics"]} == {(None, None)}


@pytest.mark.parametrize(
    "path",
    [
        f"/api/metrics/views?{SPAN}",
        f"/api/metrics/views?{SPAN}&top=3",
        f"/api/metrics/views?{SPAN}&by.page=/a",
        f"/api/metrics/views?{SPAN}&by.page=/a&by.mixed=true",
        f"/api/metrics/views?{SPAN}&by.mixed=1",
        f"/api/metrics/people?{WINDOW}",
        f"/api/metrics/spent?{SPAN}",
        f"/api/metrics/spent?{SPAN}&by.mixed=1",
    ],
)
async def test_several_pods_answer_what_one_pod_does(path: str, tmp_path: Path) -> None:
    alone = cluster_of(tmp_path / "alone", 1, *METRICS)
    async with alone:
        fill(alone, dict.fromkeys(range(PARTITIONS), 0))
        expected = await ask(alone, 0, path)
    spread = cluster_of(tmp_path / "spread", 3, *METRICS)
    async with spread:
        fill(spread, {0: 0, 1: 1, 2: 2, 3: 1})
        for pod in range(3):
            assert lasting(await ask(spread, pod, path)) == lasting(expected)
    assert expected["partial"] is False
    assert expected["missing_partitions"] == []
    if SPAN in path:
        assert sum(len(window["rows"]) for window in expected["windows"]) > 4


async def test_one_key_is_asked_of_its_owner_alone_in_one_hop(tmp_path: Path) -> None:
    cluster = cluster_of(tmp_path, 3, *METRICS)
    async with cluster:
        fill(cluster, {0: 1, 1: 2, 2: 1, 3: 2})
        for page in ("/", "/a", "/b"):
            before = asked()
            document = await ask(cluster, 0, f"/api/metrics/people?{SPAN}&by.page={page}")
            assert asked() - before == 1
            assert {row["keys"]["page"] for window in document["windows"] for row in window["rows"]} == {page}
            owner = 1 if partition_of(PEOPLE.identity + encode_key([page]), PARTITIONS) in (0, 2) else 2
            before = asked()
            await ask(cluster, owner, f"/api/metrics/people?{SPAN}&by.page={page}")
            assert asked() == before


async def test_text_finds_the_text_and_the_integer_each_where_it_is(tmp_path: Path) -> None:
    cluster = cluster_of(tmp_path, 2, *METRICS)
    async with cluster:
        clicks = fill(cluster, {0: 0, 1: 1, 2: 0, 3: 1})
        for mixed, number in (("1", 50), (1, 60), (True, 70)):
            for _ in range(number):
                clicks.send(START_MS + 5 * MINUTE, page="/", mixed=mixed)
        clicks.commit()
        for pod in range(2):
            path = f"/api/metrics/views?window={START_MS + 5 * MINUTE}&by.page=/&by.mixed=1"
            (window,) = (await ask(cluster, pod, path))["windows"]
            assert [(row["keys"]["mixed"], row["value"]) for row in window["rows"]] == [(1, 60), ("1", 50)]
            assert (window["keys"], window["total"]) == (2, 110)


async def test_silent_pod_makes_the_answer_partial_and_names_the_partitions(tmp_path: Path) -> None:
    cluster = cluster_of(tmp_path, 2, *METRICS)
    async with cluster:
        clicks = fill(cluster, {0: 0, 1: 1, 2: 0, 3: 1})
        clicks.commit(START_MS + 9 * MINUTE)
        whole = await ask(cluster, 0, f"/api/metrics/views?{WINDOW}")
        await cluster.pods[1].stop()
        document = await ask(cluster, 0, f"/api/metrics/views?{WINDOW}&top=19")
        listed = await ask(cluster, 0, "/api/metrics")
    assert (whole["partial"], whole["windows"][0]["closed"]) == (False, True)
    assert (document["partial"], document["missing_partitions"]) == (True, [1, 3])
    assert (document["windows"][0]["closed"], listed["partial"]) == (False, True)
    assert 0 < document["windows"][0]["keys"] < whole["windows"][0]["keys"]


async def test_standby_answers_for_a_silent_owner_and_says_how_old_it_is(tmp_path: Path) -> None:
    cluster = cluster_of(tmp_path, 3, *METRICS)
    async with cluster:
        fill(cluster, {0: 0, 1: 1, 2: 0, 3: 1}, {1: 2, 3: 0})
        paths = [f"/api/metrics/views?{SPAN}", f"/api/metrics/people?{SPAN}&by.page=/"]
        whole = [await ask(cluster, 2, path) for path in paths]
        await cluster.pods[1].stop()
        for path, before in zip(paths, whole, strict=True):
            status, document, headers = await get(cluster, 0, path)
            assert (status, document["partial"]) == (200, False)
            assert document["windows"] == before["windows"]
            if document["staleness_ms"]:
                assert document["staleness_ms"] >= 2_500
                assert float(headers[STALENESS]) * 1000 == document["staleness_ms"]
        assert (await ask(cluster, 0, paths[0]))["staleness_ms"] >= 2_500


async def test_owner_that_was_silent_is_spared_while_a_standby_can_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clickstream_processor.query.http.peers._SUSPECT_S", 60.0)
    cluster = cluster_of(tmp_path, 3, *METRICS)
    async with cluster:
        every = range(PARTITIONS)
        fill(cluster, dict.fromkeys(every, 1), dict.fromkeys(every, 2))
        await cluster.pods[1].stop()
        await ask(cluster, 0, f"/api/metrics/views?{SPAN}")
        cluster.pods[1]._stop.clear()
        await cluster.pods[1].start()
        before = asked()
        document = await ask(cluster, 0, f"/api/metrics/views?{SPAN}&top=19")
        assert (asked() - before, document["partial"]) == (1, False)
        assert document["staleness_ms"] >= 2_500


async def test_standby_answers_while_the_owner_restores(tmp_path: Path) -> None:
    cluster = cluster_of(tmp_path, 3, *METRICS)
    async with cluster:
        fill(cluster, dict.fromkeys(range(PARTITIONS), 1), {1: 2})
        change(cluster.pods[1], 1, phase=Phase.RESTORING, as_of_ms=now_ms() - 100_000)
        for pod in range(3):
            document = await ask(cluster, pod, f"/api/metrics/views?{SPAN}&top={pod + 1}")
            assert document["partial"] is False
            assert 2_500 <= document["staleness_ms"] < 100_000


async def test_owner_that_restores_answers_when_no_standby_can(tmp_path: Path) -> None:
    cluster = cluster_of(tmp_path, 2, *METRICS)
    async with cluster:
        fill(cluster, dict.fromkeys(range(PARTITIONS), 1))
        change(cluster.pods[1], 1, phase=Phase.RESTORING, as_of_ms=now_ms() - 100_000)
        document = await ask(cluster, 0, f"/api/metrics/views?{SPAN}")
    assert (document["partial"], document["staleness_ms"] >= 100_000) == (False, True)


async def test_pod_waits_for_newer_routes_and_asks_the_new_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clickstream_processor.query.metrics.fan_out._NEWER_ROUTES_S", 60.0)
    cluster = cluster_of(tmp_path, 3, *METRICS)
    async with cluster:
        fill(cluster, dict.fromkeys(range(PARTITIONS), 2))
        owners = dict.fromkeys(range(PARTITIONS), 2)
        assign(cluster, owners, generation=3, only=[1, 2])
        assign(cluster, owners | {0: 1}, generation=2, only=[0])  # the old owner has given it away
        before = asked()
        asking = asyncio.create_task(ask(cluster, 0, f"/api/metrics/views?{SPAN}"))
        async with asyncio.timeout(60):
            while asked() - before < 2:
                await asyncio.sleep(0.001)
        for _ in range(5_000):  # it has time to ask somebody else, and does not
            await asyncio.sleep(0)
        assert asked() - before == 2
        assign(cluster, owners, generation=3, only=[0])
        document = await asking
        assert asked() - before == 3  # the old owner was not asked again
    assert (document["partial"], document["staleness_ms"]) == (False, 0)


async def test_pod_with_another_definition_of_the_metric_does_not_answer(tmp_path: Path) -> None:
    cluster = cluster_of(tmp_path, 2, *METRICS)
    async with cluster:
        fill(cluster, {0: 0, 1: 1, 2: 0, 3: 1})
        cluster.pods[1].service.desk._by_identity.clear()
        document = await ask(cluster, 0, f"/api/metrics/views?{SPAN}")
    assert document["missing_partitions"] == [1, 3]


async def test_nobody_that_can_answer_is_503_with_retry_after(tmp_path: Path) -> None:
    cluster = cluster_of(tmp_path, 2, *METRICS)
    async with cluster:
        assign(cluster, {0: 1, 1: 1}, {2: (1,)})
        for query in (SPAN, f"{SPAN}&by.page=/&by.mixed=x"):
            status, problem, headers = await get(cluster, 0, f"/api/metrics/views?{query}")
            assert (status, headers["Retry-After"]) == (503, "1")
            assert problem["type"].endswith("/no-answer")
            assert problem["missing_partitions"]


async def test_state_of_no_known_time_is_not_answered_from(tmp_path: Path) -> None:
    cluster = cluster_of(tmp_path, 1, *METRICS)
    async with cluster:
        fill(cluster, dict.fromkeys(range(PARTITIONS), 0))
        change(cluster.pods[0], 2, phase=Phase.RESTORING, as_of_ms=None)
        document = await ask(cluster, 0, f"/api/metrics/views?{SPAN}")
    assert document["missing_partitions"] == [2]


async def test_same_question_costs_one_fan_out_a_second(tmp_path: Path) -> None:
    cluster = cluster_of(tmp_path, 3, *METRICS)
    async with cluster:
        fill(cluster, {0: 0, 1: 1, 2: 2, 3: 1})
        cluster.pods[0].service.desk._recent._period_s = 60.0  # forty answers may take more than a second
        before = asked(), asked("peer-metric-tasks")
        paths = ["/api/metrics", f"/api/metrics/views?{SPAN}"]
        answers = await asyncio.gather(*(ask(cluster, 0, path) for path in paths * 20))
        assert (asked() - before[0], asked("peer-metric-tasks") - before[1]) == (2, 2)
        assert all(answer == answers[number % 2] for number, answer in enumerate(answers))
        await ask(cluster, 0, f"/api/metrics/views?{SPAN}&top=19")
        assert asked() - before[0] == 4


async def test_peer_answers_for_what_it_owns_among_what_it_is_asked(tmp_path: Path) -> None:
    cluster = cluster_of(tmp_path, 2, *METRICS)
    async with cluster:
        fill(cluster, {0: 0, 1: 1, 2: 0, 3: 1}, {1: 0})
        url = (
            f"{cluster.pods[0].admin_url}/peer/metric-windows?metric={VIEWS.identity.hex()}&first={START_MS}"
        )
        cases = [("0-3", "owner", [0, 2]), ("0-1", "owner", [0]), ("0-3", "any", [0, 1, 2]), ("3", "any", [])]
        for partitions, role, expected in cases:
            query = f"&partitions={partitions}&role={role}"
            async with cluster.client.get(url + query, headers=cluster.peer_headers()) as response:
                assert (await response.json())["tasks"]["partitions"] == expected
        for query in ("&partitions=0-4", "&partitions=x", "&role=none", "&count=501"):
            async with cluster.client.get(url + query, headers=cluster.peer_headers()) as response:
                assert response.status == 400


async def test_two_claims_to_a_task_count_once(tmp_path: Path) -> None:
    cluster = cluster_of(tmp_path, 2, *METRICS)
    async with cluster:
        fill(cluster, dict.fromkeys(range(PARTITIONS), 0), {0: 1})
        whole = await ask(cluster, 0, f"/api/metrics/views?{SPAN}")
        change(cluster.pods[1], 0, role=Role.OWNER, phase=Phase.RUNNING)
        assign(cluster, dict.fromkeys(range(PARTITIONS), 1) | {3: 0}, only=[1])
        document = await ask(cluster, 0, f"/api/metrics/views?{SPAN}&top=19")
    for one, other in zip(whole["windows"], document["windows"], strict=True):
        assert (one["total"], one["rows"][:19]) == (other["total"], other["rows"])
