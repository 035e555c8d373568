"""Drift: what is ours is put back, what others add stays, and at rest nothing is written."""

import json
import time
from typing import Any

from clickstream_local.testing.eventually import eventually
from operator_support.cluster.standins import STRIMZI
from operator_support.cluster.world import Figure, OperatorProcess, World, path_of, secret

LOOKS = 10  # at a resync of 4 s: as many as in ten minutes of an installation
DRIFTS: dict[str, tuple[str, dict[str, Any] | None]] = {
    "pods scaled past the pipeline": (
        "/apis/apps/v1/namespaces/{}/statefulsets/storefront-processor",
        {"spec": {"replicas": 1}},
    ),
    "an image changed": (
        "/apis/apps/v1/namespaces/{}/statefulsets/storefront-processor",
        {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 45}}}},
    ),
    "settings edited": (
        "/api/v1/namespaces/{}/configmaps/storefront-settings",
        {"data": {"settings.json": "{}"}},
    ),
    "a label taken": (
        "/api/v1/namespaces/{}/services/storefront-query",
        {"metadata": {"labels": {"app.kubernetes.io/part-of": "other"}}},
    ),
    "a port changed": (
        "/api/v1/namespaces/{}/services/storefront-query",
        {"spec": {"ports": [{"name": "http", "port": 81, "targetPort": "query"}]}},
    ),
    "a policy opened": (
        "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies/storefront-processor",
        {"spec": {"policyTypes": ["Ingress"]}},
    ),
    "a connector paused": (
        f"{STRIMZI}/namespaces/{{}}/kafkaconnectors/storefront-search",
        {"spec": {"state": "paused"}},
    ),
    "an option changed": (
        f"{STRIMZI}/namespaces/{{}}/kafkaconnectors/storefront-profiles",
        {"spec": {"config": {"snapshot.mode": "never"}}},
    ),
    "a topic's retention lowered": (
        f"{STRIMZI}/namespaces/{{}}/kafkatopics/user-clicks",
        {"spec": {"config": {"retention.ms": "1"}}},
    ),
    "the pods' set deleted": ("/apis/apps/v1/namespaces/{}/statefulsets/storefront-processor", None),
    "a service deleted": ("/api/v1/namespaces/{}/services/storefront-processors", None),
    "settings deleted": ("/api/v1/namespaces/{}/configmaps/storefront-settings", None),
    "the account deleted": ("/api/v1/namespaces/{}/serviceaccounts/storefront-processor", None),
    "the budget deleted": ("/apis/policy/v1/namespaces/{}/poddisruptionbudgets/storefront-processor", None),
    "a connector deleted": (f"{STRIMZI}/namespaces/{{}}/kafkaconnectors/storefront-profiles", None),
    "a topic deleted": (f"{STRIMZI}/namespaces/{{}}/kafkatopics/shop.storefront-acks", None),
}


def without_noise(document: dict[str, Any]) -> Any:
    """Return what a repair must bring back: spec, data, labels."""
    kept = {k: v for k, v in document.items() if k in ("spec", "data", "automountServiceAccountToken")}
    kept.get("spec", {}).pop("clusterIP", None)
    kept.get("spec", {}).pop("clusterIPs", None)
    return kept | {"labels": document["metadata"]["labels"]}


def test_drift_of_every_kind_is_repaired_within_seconds(world: World, shop: str, figure: Figure) -> None:
    world.create(shop, id="shop.storefront")
    world.wait_ready(shop)
    times = []
    for name, (pattern, patch) in DRIFTS.items():
        path = pattern.format(shop)
        before = world.plane.get(path)
        if patch is None:
            world.plane.request("DELETE", path)
        else:
            world.plane.merge(path, patch)
        began = time.monotonic()

        def repaired(path: str = path, before: Any = before, was_deleted: bool = patch is None) -> bool:
            now = world.plane.get(path)
            if now is None or now["metadata"].get("deletionTimestamp"):
                return False
            if was_deleted and now["metadata"]["uid"] == before["metadata"]["uid"]:
                return False
            return bool(without_noise(now) == without_noise(before))

        eventually(repaired, name)
        times.append(time.monotonic() - began)
        world.wait_ready(shop)
    figure(drift_repair_s_p99=round(max(times), 2))


def test_what_others_add_stays(world: World, shop: str) -> None:
    world.create(shop)
    world.wait_ready(shop)
    path = f"/api/v1/namespaces/{shop}/services/storefront-query"
    world.plane.merge(path, {"metadata": {"annotations": {"team": "shop"}, "labels": {"team": "shop"}}})
    world.plane.merge(path_of(shop), {"spec": {"query": {"port": 9090}}})
    eventually(
        lambda: (
            "9090" in json.dumps(world.plane.get(f"/api/v1/namespaces/{shop}/services/storefront-processors"))
        )
    )
    world.wait_ready(shop)
    meta = world.plane.get(path)["metadata"]
    assert meta["annotations"]["team"] == meta["labels"]["team"] == "shop"


def test_field_that_is_no_longer_set_goes(world: World, shop: str) -> None:
    world.create(shop, query={"tokensSecret": "tokens"})
    eventually(lambda: world.condition(shop, "SecretsResolved")["reason"] == "Missing")
    world.plane.request("POST", f"/api/v1/namespaces/{shop}/secrets", secret(shop, "tokens", shop="x" * 20))
    world.wait_ready(shop)
    path = f"/apis/apps/v1/namespaces/{shop}/statefulsets/storefront-processor"
    volumes = world.plane.get(path)["spec"]["template"]["spec"]["volumes"]
    assert len([v for v in volumes if "secret" in v]) == 2
    world.plane.merge(path_of(shop), {"spec": {"query": {"tokensSecret": None}}})
    eventually(
        lambda: (
            len([v for v in world.plane.get(path)["spec"]["template"]["spec"]["volumes"] if "secret" in v])
            == 1
        )
    )


def test_pipeline_at_rest_is_never_written_to(
    world: World, shop: str, figure: Figure, operator: OperatorProcess
) -> None:
    world.create(shop)
    world.wait_ready(shop)

    def rests() -> bool:
        before = world.writes(f"/namespaces/{shop}/")
        world.wait_for_looks(operator)
        return world.writes(f"/namespaces/{shop}/") == before

    eventually(rests, "the start is over, and its Events are posted", timeout_s=300)
    begun = world.writes(f"/namespaces/{shop}/")
    world.wait_for_looks(operator, LOOKS)
    writes = world.writes(f"/namespaces/{shop}/")[len(begun) :]
    figure(steady_state_writes=len(writes))
    assert writes == []
