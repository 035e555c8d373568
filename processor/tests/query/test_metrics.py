"""GET /dashboard/users/{id}/metrics: what a pod says of a user from its own state."""

import dataclasses
from pathlib import Path
from urllib.parse import quote

import pytest
import yarl
from clickstream_processor.directory import Phase, Role
from clickstream_processor.query.users.answer import window_name
from clickstream_processor.topology.plan import Plan
from processor_support.queries.query_pods import ALICE, PLAN, Cluster, alice_on, fill, now_ms, partition_of

T0 = 1_690_000_000_000  # a multiple of a second, inside the window that starts at 1_689_999_900_000


async def ask(cluster: Cluster, path: str, pod: int = 0) -> tuple[int, dict[str, object], dict[str, str]]:
    """Return status, JSON and headers of a GET."""
    async with cluster.client.get(cluster.pods[pod].url + path) as response:
        return response.status, await response.json(content_type=None), dict(response.headers)


async def test_answer_is_the_contracts_five_fields_and_nothing_else(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, pods=1)
    async with alice_on(cluster, owner=0, clicks=15):
        status, document, headers = await ask(cluster, "/dashboard/users/alice123/metrics")
    assert status == 200
    assert headers["Content-Type"] == "application/json"
    assert "X-Clickstream-Staleness" not in headers
    assert list(document.items()) == [
        ("user_id", "alice123"),
        ("user_name", ALICE["name"]),
        ("clicks_last_5min", 15),
        ("country", ALICE["country"]),
        ("plan_tier", ALICE["plan_tier"]),
    ]


@pytest.mark.parametrize(
    ("at_ms", "clicks"),
    [
        (T0 - 1, 0),
        (T0, 1),
        (T0 + 999, 1),
        (T0 + 1000, 2),
        (T0 + 299_999, 2),
        (T0 + 300_000, 1),
        (T0 + 301_000, 0),
    ],
    ids=["before", "its second", "end of its second", "next", "last second", "first gone", "both gone"],
)
async def test_rolling_count_covers_the_window_that_ends_with_the_second_of_at(
    tmp_path: Path, at_ms: int, clicks: int
) -> None:
    cluster = Cluster(tmp_path, pods=1)
    partition = partition_of("alice123")
    async with cluster:
        store = cluster.pods[0].hold(partition, Role.OWNER)
        fill(store, partition, [ALICE], [("alice123", T0 + 500), ("alice123", T0 + 1500)])
        cluster.assign({partition: 0})
        status, document, _ = await ask(cluster, f"/dashboard/users/alice123/metrics?at={at_ms}")
    assert (status, document["clicks_last_5min"]) == (200, clicks)


@pytest.mark.parametrize(
    ("size_ms", "name"),
    [
        (300_000, "5min"),
        (30_000, "30s"),
        (3_600_000, "1h"),
        (90_000, "90s"),
        (5_400_000, "90min"),
        (1_500, "1500ms"),
    ],
    ids=lambda value: str(value),
)
def test_name_of_the_count_follows_the_window(size_ms: int, name: str) -> None:
    assert window_name(size_ms) == name


async def test_count_is_named_after_a_window_of_another_size(tmp_path: Path) -> None:
    plan = Plan(clicks_topic="user-clicks", partitions=PLAN.partitions, size_ms=30_000)
    cluster = Cluster(tmp_path, pods=1, plan=plan)
    partition = partition_of("alice123")
    async with cluster:
        fill(cluster.pods[0].hold(partition, Role.OWNER), partition, [ALICE], [("alice123", T0)], plan)
        cluster.assign({partition: 0})
        _, document, _ = await ask(cluster, f"/dashboard/users/alice123/metrics?at={T0}")
    assert document["clicks_last_30s"] == 1


async def test_detail_adds_windows_as_of_and_staleness(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, pods=1)
    partition = partition_of("alice123")
    async with cluster:
        store = cluster.pods[0].hold(partition, Role.OWNER)
        fill(
            store,
            partition,
            [ALICE],
            [("alice123", T0), ("alice123", T0 + 300_000), ("alice123", T0 + 300_001)],
        )
        cluster.assign({partition: 0})
        before_ms = now_ms()
        _, document, _ = await ask(cluster, f"/dashboard/users/alice123/metrics?at={T0 + 300_001}&detail=1")
    start_ms = T0 - T0 % 300_000
    assert document["windows"] == [
        {"window_start": start_ms + 300_000, "window_end": start_ms + 600_000, "clicks": 2},
        {"window_start": start_ms, "window_end": start_ms + 300_000, "clicks": 1},
    ]
    assert document["next"] is None
    assert document["windows_from"] == PLAN.expired_before_ms(T0 + 300_001)
    assert document["staleness"] == 0
    assert before_ms <= int(str(document["as_of"])) <= now_ms()
    assert "email" not in document


async def test_time_whose_clicks_were_dropped_is_refused_instead_of_counted_too_low(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, pods=1)
    partition = partition_of("alice123")
    async with cluster:
        store = cluster.pods[0].hold(partition, Role.OWNER)
        fill(store, partition, [ALICE], [("alice123", T0), ("alice123", T0 + 86_400_000)])
        cluster.assign({partition: 0})
        status, problem, _ = await ask(cluster, f"/dashboard/users/alice123/metrics?at={T0}")
        earliest_ms = problem["earliest_ms"]
        again, _, _ = await ask(cluster, f"/dashboard/users/alice123/metrics?at={earliest_ms}")
    assert (status, problem["type"]) == (400, "https://clickstream.dev/problems/expired-time")
    assert again == 200


async def test_unknown_user_is_404_as_problem_details(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, pods=1)
    async with cluster:
        for partition in range(PLAN.partitions):
            cluster.pods[0].hold(partition, Role.OWNER)
        cluster.assign(dict.fromkeys(range(PLAN.partitions), 0))
        status, problem, headers = await ask(cluster, "/dashboard/users/nobody/metrics")
    assert status == problem["status"] == 404
    assert headers["Content-Type"] == "application/problem+json"
    assert problem["type"] == "https://clickstream.dev/problems/unknown-user"
    assert {"type", "title", "status", "detail"} <= problem.keys()


async def test_user_of_a_left_join_without_profile_is_known_by_the_clicks_that_were_asked_for(
    tmp_path: Path,
) -> None:
    plan = Plan(clicks_topic="user-clicks", partitions=PLAN.partitions, join="left")
    cluster = Cluster(tmp_path, pods=1, plan=plan)
    partition = partition_of("guest")
    async with cluster:
        fill(cluster.pods[0].hold(partition, Role.OWNER), partition, [], [("guest", T0)], plan)
        cluster.assign({partition: 0})
        path = "/dashboard/users/guest/metrics?at="
        now = await ask(cluster, f"{path}{T0}")
        later = await ask(cluster, f"{path}{T0 + 900_000}")
        longer = await ask(cluster, f"{path}{T0 + 900_000}&detail=1")
        between = await ask(cluster, f"{path}{T0 + 900_000}&detail=1&from={T0 + 1}")
    nobody = {"user_id": "guest", "user_name": None, "country": None, "plan_tier": None}
    assert now[:2] == (200, nobody | {"clicks_last_5min": 1})
    assert later[0] == between[0] == 404
    assert "no click in the last 5min" in str(later[1]["detail"])
    assert f"no click since {T0 + 1}" in str(between[1]["detail"])
    assert longer[0] == 200
    assert len(longer[1]["windows"]) == 1  # type: ignore[arg-type]


@pytest.mark.parametrize("user", ["a/b", "ä ö", "100%", "{x}", "a?b=c", "u" * 1024, "日本語"], ids=str)
async def test_user_id_of_any_characters_can_be_asked_for(tmp_path: Path, user: str) -> None:
    cluster = Cluster(tmp_path, pods=2)
    partition = partition_of(user)
    async with cluster:
        profile = {"user_id": user, "name": "N"}
        fill(cluster.pods[1].hold(partition, Role.OWNER), partition, [profile], [])
        cluster.assign({partition: 1})
        for pod in (1, 0):  # from its own state, and over a hop
            url = f"{cluster.pods[pod].url}/dashboard/users/{quote(user, safe='')}/metrics"
            async with cluster.client.get(yarl.URL(url, encoded=True)) as response:
                assert response.status == 200
                assert (await response.json())["user_id"] == user


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        ("/dashboard/users//metrics", "id"),
        (f"/dashboard/users/{'u' * 1025}/metrics", "id"),
        ("/dashboard/users/a/metrics?at=yesterday", "at"),
        ("/dashboard/users/a/metrics?at=", "at"),
        ("/dashboard/users/a/metrics?at=-1", "at"),
        ("/dashboard/users/a/metrics?at=1.5", "at"),
        ("/dashboard/users/a/metrics?at=99999999999999999999", "at"),
        ("/dashboard/users/a/metrics?at=1&at=2", "at"),
        ("/dashboard/users/a/metrics?detail=yes", "detail"),
        ("/dashboard/users/a/metrics?since=1", "since"),
        ("/dashboard/users/a/metrics?detail=1&from=x", "from"),
        ("/dashboard/users/a/metrics?detail=1&to=-1", "to"),
        ("/dashboard/users/a/metrics?detail=1&from=2&to=2", "from"),
        ("/dashboard/users/a/metrics?detail=1&limit=0", "limit"),
        ("/dashboard/users/a/metrics?detail=1&limit=1001", "limit"),
        ("/dashboard/users/a/metrics?limit=5", "limit"),
        ("/dashboard/users/a/metrics?detail=0&from=5", "from"),
    ],
    ids=str,
)
async def test_malformed_request_is_400_and_names_the_parameter(
    tmp_path: Path, path: str, parameter: str
) -> None:
    cluster = Cluster(tmp_path, pods=1)
    async with cluster:
        status, problem, headers = await ask(cluster, path)
    assert status == 400
    assert headers["Content-Type"] == "application/problem+json"
    assert problem["parameter"] == parameter


async def test_unknown_path_and_wrong_method_are_problem_details(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, pods=1)
    async with cluster:
        status, _, headers = await ask(cluster, "/dashboard/users")
        assert (status, headers["Content-Type"]) == (404, "application/problem+json")
        async with cluster.client.post(cluster.pods[0].url + "/api/summary") as response:
            assert response.status == 405
            assert response.headers["Content-Type"] == "application/problem+json"
            assert "GET" in response.headers["Allow"]


async def test_owner_cut_off_from_kafka_says_how_old_its_view_is(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, pods=1)
    async with alice_on(cluster, owner=0):
        cluster.pods[0].heard_from_kafka(now_ms() - 60_000)
        status, document, headers = await ask(cluster, "/dashboard/users/alice123/metrics?detail=1")
    assert status == 200
    assert 60 <= float(headers["X-Clickstream-Staleness"]) < 70
    assert 60 <= float(str(document["staleness"])) < 70
    assert now_ms() - int(str(document["as_of"])) >= 60_000


async def test_restoring_owner_that_nobody_can_stand_in_for_answers_with_the_age_of_its_state(
    tmp_path: Path,
) -> None:
    cluster = Cluster(tmp_path, pods=1)
    async with alice_on(cluster, owner=0):
        partition = partition_of("alice123")
        cluster.pods[0].change(partition, phase=Phase.RESTORING, as_of_ms=now_ms() - 5_000)
        status, _, headers = await ask(cluster, "/dashboard/users/alice123/metrics")
        assert status == 200
        assert 5 <= float(headers["X-Clickstream-Staleness"]) < 15
        cluster.pods[0].change(partition, as_of_ms=None)  # restored from nothing: of no known moment
        status, problem, headers = await ask(cluster, "/dashboard/users/alice123/metrics")
        assert (status, headers["Retry-After"]) == (503, "1")
        assert problem["type"] == "https://clickstream.dev/problems/no-answer"


async def test_owner_that_has_heard_from_nobody_yet_tells_its_states_own_time_or_nothing(
    tmp_path: Path,
) -> None:
    cluster = Cluster(tmp_path, pods=2)
    async with alice_on(cluster, owner=0):
        pod, partition, path = cluster.pods[0], partition_of("alice123"), "/dashboard/users/alice123/metrics"
        pod.change(partition, as_of_ms=now_ms() - 5_000)
        seen_ms, routes = pod.directory.brokers_seen_ms, pod.directory.routes
        for brokers_ms, routes_ms in ((None, routes.as_of_ms), (seen_ms, None), (None, None)):
            pod.directory.brokers_seen_ms = brokers_ms
            pod.directory.routes = dataclasses.replace(routes, as_of_ms=routes_ms)
            for asked in (0, 1):
                status, document, headers = await ask(cluster, path + "?detail=1", pod=asked)
                assert status == 200
                assert 5 <= float(headers["X-Clickstream-Staleness"]) < 60
                assert 5 <= float(str(document["staleness"])) < 60
                assert int(str(document["as_of"])) > now_ms() - 60_000
        pod.change(partition, as_of_ms=None)
        for asked in (0, 1):
            status, _, headers = await ask(cluster, path, pod=asked)
            assert (status, headers["Retry-After"]) == (503, "1")
            assert "X-Clickstream-Staleness" not in headers


async def test_store_closed_under_a_query_is_503_and_not_an_error(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, pods=1)
    async with alice_on(cluster, owner=0):
        cluster.stores[0].close()
        status, _, headers = await ask(cluster, "/dashboard/users/alice123/metrics")
    assert (status, headers["Retry-After"]) == (503, "1")
