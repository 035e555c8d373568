"""What goes with a pipeline, and what stays."""

from clickstream_local.testing.eventually import eventually
from operator_support.cluster.world import World, claim, objects_of, path_of


def test_retained_pipeline_leaves_topics_and_names_its_slot(world: World, shop: str) -> None:
    world.create(shop)
    world.wait_ready(shop)
    assert "finalizers" not in world.pipeline(shop)["metadata"]
    world.plane.request("DELETE", path_of(shop))
    events = eventually(lambda: [e for e in world.events(shop) if e["reason"] == "Retained"])
    assert f"pg_drop_replication_slot('{shop.replace('-', '__')}_storefront')" in events[0]["message"]
    eventually(lambda: all("kafkatopics" in path for path in objects_of(world.plane, shop)))
    assert len(objects_of(world.plane, shop)) == 10


def test_deleted_pipeline_drops_its_slot_and_its_own_topics(world: World, shop: str) -> None:
    world.create(shop, deletionPolicy="Delete")
    world.wait_ready(shop)
    world.standins.reset.clear()
    world.plane.request("DELETE", path_of(shop))
    eventually(lambda: world.pipeline(shop) is None)
    specs = world.standins.seen[shop, "storefront-profiles"]
    assert ("true", "stopped") in [(spec["config"]["slot.drop.on.stop"], spec["state"]) for spec in specs]
    assert world.standins.reset == ["storefront-profiles"]
    left = eventually(lambda: [p for p in [*objects_of(world.plane, shop)] if "kafkatopics" in p])
    assert sorted(path.rpartition("/")[2] for path in left) == [
        "dead-letters",
        "enriched-clicks",
        "user-clicks",
        "user-metrics",
        "user-profiles",
    ]


def test_pipeline_that_is_being_deleted_says_so_and_what_it_waits_for(world: World, shop: str) -> None:
    world.create(shop, deletionPolicy="Delete")
    world.wait_ready(shop)
    world.standins.switch_off("connectors")  # a Connect that is away
    world.plane.request("DELETE", path_of(shop))
    waits = "waiting for storefront-profiles to take the order to drop its slot"
    eventually(lambda: waits in world.condition(shop, "Ready").get("message", ""))
    shown = world.plane.kubectl("get", "clickpipelines", "-n", shop, "-o", "wide").splitlines()[1]
    assert "Deleting" in shown
    assert "False" in shown
    assert waits in shown
    assert world.pipeline(shop)["status"]["phase"] == "Deleting"
    assert world.condition(shop, "Reconciling")["status"] == "True"
    events = eventually(lambda: [e for e in world.events(shop) if e["reason"] == "Deleting"])
    assert {event["type"] for event in events} == {"Normal"}
    world.standins.connectors = True
    eventually(lambda: world.pipeline(shop) is None)


def test_volumes_of_pods_that_were_scaled_away_go_too(world: World, shop: str) -> None:
    world.create(shop, deletionPolicy="Delete")
    world.wait_ready(shop)
    path = f"/api/v1/namespaces/{shop}/persistentvolumeclaims"
    world.plane.request("POST", path, claim(shop, 7, "a-class"))
    other = claim(shop, 8, "a-class")
    other["metadata"]["labels"] = {"app.kubernetes.io/name": "something-else"}
    world.plane.request("POST", path, other)
    world.plane.request("DELETE", path_of(shop))
    eventually(lambda: world.pipeline(shop) is None)
    # Claims that are to go may stay a while: no controller takes their protection away here.
    kept = [c["metadata"] for c in world.plane.get(path)["items"] if "deletionTimestamp" not in c["metadata"]]
    assert [meta["name"] for meta in kept] == ["data-storefront-processor-8"], "it is somebody else's"
    world.plane.request("DELETE", f"{path}/data-storefront-processor-8")
    for ordinal in (7, 8):  # or the volumes' controller goes on writing Events about them
        world.plane.merge(f"{path}/data-storefront-processor-{ordinal}", {"metadata": {"finalizers": None}})
    assert world.plane.items(path) == []


def test_namespace_with_a_deleting_pipeline_goes_away(world: World, shop: str) -> None:
    world.create(shop, deletionPolicy="Delete")
    world.wait_ready(shop)
    world.plane.request("DELETE", f"/api/v1/namespaces/{shop}")
    eventually(lambda: world.plane.get(f"/api/v1/namespaces/{shop}") is None)


def test_policy_changed_to_retain_takes_the_finalizer_away(world: World, shop: str) -> None:
    world.create(shop, deletionPolicy="Delete")
    world.wait_ready(shop)
    assert world.pipeline(shop)["metadata"]["finalizers"]
    world.plane.merge(path_of(shop), {"spec": {"deletionPolicy": "Retain"}})
    eventually(lambda: "finalizers" not in world.pipeline(shop)["metadata"])
