"""More pods, larger volumes."""

from clickstream_local.testing.eventually import eventually
from operator_support.cluster.world import World, claim, path_of


def test_scaling_by_the_subresource_changes_the_pods_without_a_roll(world: World, shop: str) -> None:
    world.create(shop)
    world.wait_ready(shop)
    path = f"/apis/apps/v1/namespaces/{shop}/statefulsets/storefront-processor"
    before = world.plane.get(path)["spec"]["template"]
    world.plane.kubectl("scale", "clickpipeline/storefront", "-n", shop, "--replicas=4")
    eventually(lambda: world.pipeline(shop)["status"]["readiness"] == "4/4")
    assert world.plane.get(path)["spec"]["template"] == before


def test_lag_adds_pods_once_that_is_asked_for(world: World, shop: str) -> None:
    policy = {"max": 6, "targetLag": "30s", "stabilization": "10s", "cooldown": "0s"}
    world.create(shop, processors={"replicas": 3, "autoscale": policy})
    world.wait_ready(shop)
    world.standins.lag_ms = 45_000
    eventually(lambda: world.pipeline(shop)["status"]["autoscaling"].get("advised") == 4)
    eventually(lambda: [e for e in world.events(shop) if e["reason"] == "ScalingAdvised"])
    assert world.pipeline(shop)["spec"]["processors"]["replicas"] == 3, "a report is no act"
    world.plane.merge(path_of(shop), {"spec": {"processors": {"autoscale": {"mode": "act"}}}})
    eventually(lambda: world.pipeline(shop)["spec"]["processors"]["replicas"] == 4)
    world.standins.lag_ms = 12
    world.wait_ready(shop)
    assert world.pipeline(shop)["status"]["autoscaling"]["replicas"] == 4


def make_claims(world: World, shop: str, expandable: bool) -> str:
    name = f"{shop}-class"
    storage_class = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name},
        "provisioner": "test",
        "allowVolumeExpansion": expandable,
    }
    world.plane.request("POST", "/apis/storage.k8s.io/v1/storageclasses", storage_class)
    path = f"/api/v1/namespaces/{shop}/persistentvolumeclaims"
    for ordinal in range(3):
        world.plane.request("POST", path, claim(shop, ordinal, name))
        status = {"status": {"phase": "Bound", "capacity": {"storage": "10Gi"}}}
        world.plane.merge(f"{path}/data-storefront-processor-{ordinal}/status", status)
    return path


def test_volumes_grow_and_the_pods_set_is_created_again_around_its_pods(world: World, shop: str) -> None:
    world.create(shop)
    world.wait_ready(shop)
    path = make_claims(world, shop, expandable=True)
    pods = f"/apis/apps/v1/namespaces/{shop}/statefulsets/storefront-processor"
    before = world.plane.get(pods)["metadata"]["uid"]
    world.plane.merge(path_of(shop), {"spec": {"processors": {"storage": {"size": "20Gi"}}}})

    def grown() -> bool:
        live = world.plane.get(pods)
        if live is None:  # between the old set and the new one
            return False
        sizes = [c["spec"]["resources"]["requests"]["storage"] for c in world.plane.items(path)]
        template = live["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"]
        return bool(live["metadata"]["uid"] != before and template == "20Gi" and sizes == ["20Gi"] * 3)

    eventually(grown)
    world.wait_ready(shop)
    assert world.condition(shop, "VolumesResized")["status"] == "True"


def test_class_that_cannot_grow_is_said(world: World, shop: str) -> None:
    world.create(shop)
    world.wait_ready(shop)
    make_claims(world, shop, expandable=False)
    world.plane.merge(path_of(shop), {"spec": {"processors": {"storage": {"size": "20Gi"}}}})
    eventually(lambda: world.condition(shop, "VolumesResized")["reason"] == "Refused")
    assert "resize" in world.condition(shop, "VolumesResized")["message"]
    assert world.plane.get(f"/apis/apps/v1/namespaces/{shop}/statefulsets/storefront-processor")
