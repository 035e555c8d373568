"""GET /dashboard/users/{id}/metrics: what a pod says of a user from its own state."""

from pathlib import Path

from query_pods import ALICE, Cluster, alice_on


async def test_answer_is_the_contracts_five_fields_and_nothing_else(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, pods=1)
    async with (
        alice_on(cluster, owner=0, clicks=15),
        cluster.client.get(cluster.pods[0].url + "/dashboard/users/alice123/metrics") as response,
    ):
        assert response.status == 200
        assert response.headers["Content-Type"] == "application/json"
        assert "X-Clickstream-Staleness" not in response.headers
        assert list((await response.json()).items()) == [
            ("user_id", "alice123"),
            ("user_name", ALICE["name"]),
            ("clicks_last_5min", 15),
            ("country", ALICE["country"]),
            ("plan_tier", ALICE["plan_tier"]),
        ]
