"""The API's description is valid OpenAPI 3.1, and every response is as it says."""

import json
from pathlib import Path
from random import Random

from clickstream_processor.aggregation.metric import Metric
from clickstream_processor.directory import Role
from openapi_spec_validator import OpenAPIV31SpecValidator
from processor_support.queries.metric_pods import Clicks, assign, cluster_of, get, hold
from processor_support.queries.openapi_check import check, description
from processor_support.queries.query_pods import PARTITIONS, PLAN, Cluster, alice_on, fill, partition_of


async def test_description_is_valid_openapi(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, pods=1)
    async with cluster:
        document = await description(cluster)
    OpenAPIV31SpecValidator(document).validate()
    assert document["openapi"].startswith("3.1.")
    assert document["info"]["version"] == "1.5.0"


async def test_description_covers_every_public_data_route(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, pods=1)
    async with cluster:
        document = await description(cluster)
    assert set(document["paths"]) == {
        "/dashboard/users/{id}/metrics",
        "/api/summary",
        "/api/stream",
        "/api/metrics",
        "/api/metrics/{name}",
        "/api/search",
        "/api/letters",
        "/api/letters/summary",
        "/api/letters/{partition}/{offset}",
    }


async def test_user_metrics_and_their_problems_are_as_described(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, pods=2)
    path = "/dashboard/users/{id}/metrics"
    async with alice_on(cluster, owner=1):
        cases = [
            ("/dashboard/users/alice123/metrics", 200),
            ("/dashboard/users/alice123/metrics?detail=1", 200),
            ("/dashboard/users/alice123/metrics?at=x", 400),
        ]
        document = await description(cluster)
        for url, status in cases:
            async with cluster.client.get(cluster.pods[0].url + url) as response:
                assert response.status == status
                check(document, path, status, await response.json(content_type=None))
        cluster.assign({})
        cluster.pods[1].directory.tasks = {}
        async with cluster.client.get(cluster.pods[0].url + cases[0][0]) as response:
            assert response.status == 503
            check(document, path, 503, await response.json(content_type=None))


async def test_unknown_user_is_as_described(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, pods=1)
    partition = partition_of("nobody")
    async with cluster:
        fill(cluster.pods[0].hold(partition, Role.OWNER), partition, [], [])
        cluster.assign({partition: 0})
        document = await description(cluster)
        async with cluster.client.get(cluster.pods[0].url + "/dashboard/users/nobody/metrics") as response:
            assert response.status == 404
            check(document, "/dashboard/users/{id}/metrics", 404, await response.json(content_type=None))


async def test_summary_and_stream_are_as_described_also_when_partial(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, pods=2)
    async with alice_on(cluster, owner=1):
        document = await description(cluster)
        async with cluster.client.get(cluster.pods[0].url + "/api/summary") as response:
            check(document, "/api/summary", 200, await response.json())
        await cluster.pods[1].stop()
        async with cluster.client.get(cluster.pods[0].url + "/api/stream") as response:
            async for line in response.content:
                if line.startswith(b"data: "):
                    summary = json.loads(line[6:])
                    break
    assert summary["partial"] is True
    check(document, "/api/summary", 200, summary)


async def test_metrics_are_as_described_also_when_partial(tmp_path: Path) -> None:
    counted = Metric("views", by={"page": "click.page_url", "mixed": "click.mixed"}, size_ms=1_000)
    people = Metric("people", "distinct", "click.mixed", by={"page": "click.page_url"}, size_ms=1_000)
    cluster = cluster_of(tmp_path, 2, counted, people)
    async with cluster:
        owners = {partition: partition % 2 for partition in range(PARTITIONS)}
        clicks = Clicks([counted, people], {p: [hold(cluster.pods[o], p)] for p, o in owners.items()})
        assign(cluster, owners)
        clicks.send_random(Random(1), 50, 0, 1_000)
        for number in range(300):
            clicks.send(1_000, page="/many", mixed=number)
        clicks.commit()
        document = await description(cluster)
        one = "/api/metrics/{name}"
        cases = [
            ("/api/metrics", "/api/metrics", 200),
            ("/api/metrics/views?window=0", one, 200),
            ("/api/metrics/people?window=1000", one, 200),
            ("/api/metrics/views?window=0&by.page=/&by.mixed=1", one, 200),
            ("/api/metrics/views?window=1", one, 400),
            ("/api/metrics/never", one, 404),
        ]
        for partial in (False, True):
            for url, path, expected in cases:
                status, body, _ = await get(cluster, 0, f"{url}{'&top=9' * ('?' in url and partial)}")
                assert status == expected
                check(document, path, status, body)
            await cluster.pods[1].stop()
        cluster.pods[0].directory.tasks = {}
        status, body, _ = await get(cluster, 0, "/api/metrics/views?window=0&top=8")
        assert status == 503
        check(document, one, 503, body)


async def test_description_says_how_to_send_a_token_only_where_one_is_needed(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("sesame")
    for tokens, secured in ((None, False), (tmp_path / "tokens", True)):
        cluster = Cluster(tmp_path, pods=1, tokens=tokens)
        async with cluster:
            document = await description(cluster)
        OpenAPIV31SpecValidator(document).validate()
        assert ("security" in document) is secured
    assert PLAN.size_ms == 300_000
    assert "clicks_last_5min" in document["components"]["schemas"]["UserMetrics"]["properties"]
