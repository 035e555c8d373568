"""The admin port: probes, the exposition, /status and what only pods may ask."""

from pathlib import Path

import pytest
from clickstream_processor.backlog import Backlog
from clickstream_processor.task_id import clicks_task
from processor_support.queries.query_pods import Cluster, alice_on, partition_of, totals
from prometheus_client.parser import text_string_to_metric_families

ALICES = partition_of("alice123")


async def test_health_follows_the_workers_heartbeat(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, pods=1)
    async with cluster:
        url = cluster.pods[0].admin_url + "/healthz"
        async with cluster.client.get(url) as response:
            assert (response.status, await response.json()) == (200, {"alive": True, "worker_age_s": 0.0})
        cluster.pods[0].worker_age_s = 31.0
        async with cluster.client.get(url) as response:
            assert (response.status, (await response.json())["alive"]) == (503, False)


async def test_pod_is_ready_when_it_can_route(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, pods=1)
    async with cluster:
        for ready, status in ((False, 503), (True, 200)):
            cluster.pods[0].directory.ready = ready
            async with cluster.client.get(cluster.pods[0].admin_url + "/readyz") as response:
                assert response.status == status


async def test_exposition_counts_queries_by_route_status_and_who_answered(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, pods=2)
    async with alice_on(cluster, owner=1):
        for pod in cluster.pods:
            async with cluster.client.get(pod.url + "/dashboard/users/alice123/metrics") as response:
                assert response.status == 200
        async with cluster.client.get(cluster.pods[0].admin_url + "/metrics") as response:
            assert response.status == 200
            text = await response.text()
    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples["clickstream_query_requests_total", "200", "user-metrics"] >= 2
    assert samples["clickstream_query_routed_total", "local"] >= 1
    assert samples["clickstream_query_routed_total", "remote"] >= 1
    assert samples["clickstream_query_duration_seconds_count", "user-metrics"] >= 2
    assert samples["clickstream_query_in_flight",] == 0


async def test_status_tells_tasks_routes_totals_and_the_search_index(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, pods=1)
    async with alice_on(cluster, owner=0):
        pod = cluster.pods[0]
        pod.directory.totals = totals(1000)
        pod.change(ALICES, epoch=41, detail="behind")
        pod.directory.backlogs = {clicks_task(ALICES): Backlog(7, 80)}
        async with cluster.client.get(pod.admin_url + "/status", headers=cluster.peer_headers()) as response:
            assert response.status == 200
            status = await response.json()
    assert (status["ordinal"], status["instance"], status["ready"]) == (0, "instance-0", True)
    task = status["tasks"][f"clicks-{ALICES}"]
    assert (task["role"], task["phase"], task["epoch"]) == ("owner", "running", 41)
    assert (task["lag_records"], task["lag_ms"], task["detail"]) == (7, 80, "behind")
    assert status["routes"]["owners"][ALICES] == 0
    assert status["routes"]["generation"] == status["generation"] == 2
    assert status["clicks"] == 1000
    assert status["dead_lettered"] == {"late": 100}
    assert status["search"] == {"configured": False, "index_ready": False, "detail": ""}


@pytest.mark.parametrize("path", ["/status", "/peer/totals", "/peer/metrics?user=alice123"])
async def test_what_pods_ask_each_other_needs_the_pods_own_key(tmp_path: Path, path: str) -> None:
    cluster = Cluster(tmp_path, pods=1)
    async with alice_on(cluster, owner=0):
        url = cluster.pods[0].admin_url + path
        async with cluster.client.get(url) as response:
            assert response.status == 401
        async with cluster.client.get(url, headers=cluster.peer_headers()) as response:
            assert response.status == 200


async def test_admin_routes_are_not_on_the_public_port(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, pods=1)
    async with cluster:
        url, headers = cluster.pods[0].url, cluster.peer_headers()
        for path in ("/metrics", "/status", "/peer/totals", "/peer/metrics"):
            async with cluster.client.get(url + path, headers=headers) as response:
                assert response.status == 404
