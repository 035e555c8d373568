"""What a question about metrics is refused for, and with which words."""

from pathlib import Path

import pytest
from clickstream_processor.aggregation.partials import pane_prefix
from clickstream_processor.aggregation.values.keys import encode_key
from clickstream_processor.query.users.turns import TurnLimits
from processor_support.queries.metric_pods import cluster_of, get
from processor_support.queries.metric_questions import (
    METRICS,
    MINUTE,
    SPAN,
    START_MS,
    VIEWS,
    WINDOW,
    ask,
    fill,
)
from processor_support.queries.query_pods import PARTITIONS


async def test_what_a_peer_refuses_is_passed_on(tmp_path: Path) -> None:
    hurried = TurnLimits(at_once=2, wait_s=60, read_s=0)
    cluster = cluster_of(tmp_path, 2, *METRICS, scans=hurried)
    async with cluster:
        fill(cluster, {0: 0, 1: 1, 2: 0, 3: 1}, {1: 0})
        store = cluster.pods[1].directory.tasks[next(iter(cluster.pods[1].directory.tasks))].store
        assert store is not None
        prefix = pane_prefix(VIEWS.identity, START_MS)
        store.write(
            [(prefix + encode_key([f"/{n}", None]), b"\x01\x01") for n in range(5_000)], store.checkpoint
        )
        status, problem, headers = await get(cluster, 0, f"/api/metrics/views?{WINDOW}")
    assert (status, headers["Retry-After"]) == (503, "5")
    assert problem["type"].endswith("/too-much-to-read")


async def test_answer_that_would_be_too_large_is_refused_also_by_a_peer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clickstream_processor.query.metrics.desk.ANSWER_BYTES", 500)
    cluster = cluster_of(tmp_path, 2, *METRICS)
    async with cluster:
        fill(cluster, {0: 1, 1: 1, 2: 1, 3: 1})
        for pod in range(2):
            status, problem, _ = await get(cluster, pod, f"/api/metrics/views?{SPAN}")
            assert (status, problem["type"].rpartition("/")[2]) == (400, "answer-too-large")
        peer = f"/peer/metric-windows?metric={VIEWS.identity.hex()}&first={START_MS}&partitions=0-3"
        url, headers = cluster.pods[1].admin_url + peer, cluster.peer_headers()
        async with cluster.client.get(url, headers=headers) as response:
            assert response.status == 400


async def test_unknown_metric_is_404_and_lists_the_names(tmp_path: Path) -> None:
    cluster = cluster_of(tmp_path, 1, *METRICS)
    async with cluster:
        status, problem, _ = await get(cluster, 0, "/api/metrics/clicks")
    assert (status, problem["metrics"]) == (404, ["people", "spent", "views"])
    assert problem["type"].endswith("/unknown-metric")
    assert "people, spent, views" in problem["detail"]


async def test_unknown_key_is_400_and_lists_the_names(tmp_path: Path) -> None:
    cluster = cluster_of(tmp_path, 1, *METRICS)
    async with cluster:
        fill(cluster, dict.fromkeys(range(PARTITIONS), 0))
        for query in ("by.country=DE", "by.page=/&by.page=/a", "page=/", "limit=5"):
            status, problem, _ = await get(cluster, 0, f"/api/metrics/views?{query}")
            assert status == 400
            assert problem["parameter"] == query.partition("=")[0]
        _, problem, _ = await get(cluster, 0, "/api/metrics/views?by.country=DE")
        assert "known are by.mixed, by.page, from, to, top, window" in problem["detail"]
        assert (await get(cluster, 0, "/api/metrics?top=5"))[0] == 400


async def test_window_that_is_no_longer_kept_is_400_and_says_which_is_the_earliest(tmp_path: Path) -> None:
    cluster = cluster_of(tmp_path, 2, *METRICS)
    async with cluster:
        clicks = fill(cluster, {0: 0, 1: 1, 2: 0, 3: 1})
        kept_ms = VIEWS.panes.first_kept_window_ms(START_MS + 100 * MINUTE)
        clicks.commit(START_MS + 100 * MINUTE)
        assert kept_ms > START_MS
        status, problem, _ = await get(cluster, 0, f"/api/metrics/views?{WINDOW}")
        assert (status, problem["earliest_ms"], problem["parameter"]) == (400, kept_ms, "window")
        query = f"from={kept_ms - 3 * MINUTE}&to={kept_ms + 2 * MINUTE}"
        document = await ask(cluster, 0, f"/api/metrics/views?{query}")
    assert document["kept_from_ms"] == kept_ms
    starts = [window["window_start"] for window in document["windows"]]
    assert starts == [kept_ms, kept_ms + MINUTE]


async def test_readers_need_a_token_and_peers_the_pods_own_key(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("sesame")
    cluster = cluster_of(tmp_path, 1, *METRICS, tokens=tmp_path / "tokens")
    async with cluster:
        fill(cluster, dict.fromkeys(range(PARTITIONS), 0))
        for path in ("/api/metrics", "/api/metrics/views", "/api/metrics/never"):
            assert (await get(cluster, 0, path))[0] == 401
        headers = {"Authorization": "Bearer sesame"}
        assert (await get(cluster, 0, "/api/metrics/views", headers=headers))[0] == 200
        for path in ("/peer/metric-tasks", "/peer/metric-windows"):
            async with cluster.client.get(cluster.pods[0].admin_url + path, headers=headers) as response:
                assert response.status == 401
