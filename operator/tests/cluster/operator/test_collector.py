"""The collector of a pipeline: made, changed, put back, removed with all that leads to it."""

import json
from typing import Any

import pytest
from clickstream_local.testing.eventually import eventually
from operator_support.cluster.world import HERE, OperatorProcess, World, path_of, secret

PLACES = {
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments/storefront-collector",
    "Service": "/api/v1/namespaces/{}/services/storefront-collector",
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts/storefront-collector",
    "PodDisruptionBudget": "/apis/policy/v1/namespaces/{}/poddisruptionbudgets/storefront-collector",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies/storefront-collector",
    "Autoscaler": "/apis/autoscaling/v2/namespaces/{}/horizontalpodautoscalers/storefront-collector",
    "Ingress": "/apis/networking.k8s.io/v1/namespaces/{}/ingresses/storefront-collector",
}
ALWAYS = tuple(PLACES)[:5]
ROUTE = "/apis/gateway.networking.k8s.io/v1/namespaces/{}/httproutes/storefront-collector"


def there(world: World, namespace: str) -> set[str]:
    """Return the kinds of the collector's objects that are there."""
    return {kind for kind, place in PLACES.items() if world.plane.get(place.format(namespace))}


def ask(world: World, namespace: str, collector: Any) -> None:
    """Change the spec's collector."""
    world.plane.merge(path_of(namespace), {"spec": {"collector": collector}})


def keys(world: World, namespace: str) -> None:
    """Make the Secret of write keys."""
    document = secret(namespace, "collector-keys", keys="wk-secret-1 rate=5\nwk-secret-2")
    world.plane.request("POST", f"/api/v1/namespaces/{namespace}/secrets", document)


def deployment(world: World, namespace: str) -> Any:
    return world.plane.get(PLACES["Deployment"].format(namespace))


def variables(world: World, namespace: str) -> dict[str, str]:
    """Return the variables of the container."""
    (container,) = deployment(world, namespace)["spec"]["template"]["spec"]["containers"]
    return {each["name"].removeprefix("CLICKSTREAM_COLLECTOR_"): each["value"] for each in container["env"]}


def replicas(world: World, namespace: str) -> int:
    """Return how many pods the Deployment asks for."""
    return int(deployment(world, namespace)["spec"]["replicas"])


def test_a_collector_starts_with_its_keys_changes_and_goes(world: World, shop: str) -> None:
    world.create(shop)
    world.wait_ready(shop)
    assert there(world, shop) == set()
    assert world.condition(shop, "CollectorReady") == {}

    ask(world, shop, {"keysSecret": "collector-keys"})
    eventually(
        lambda: world.condition(shop, "SecretsResolved").get("reason") == "Missing", "keys are missing"
    )
    eventually(lambda: world.condition(shop, "CollectorReady").get("reason") == "KeysMissing", "it waits")
    assert "collector-keys" in world.condition(shop, "CollectorReady")["message"]
    assert deployment(world, shop) is None
    keys(world, shop)
    world.wait_ready(shop)
    assert there(world, shop) == set(ALWAYS)
    assert world.condition(shop, "CollectorReady")["status"] == "True"
    assert (
        world.pipeline(shop)["status"]["endpoints"]["collector"] == f"http://storefront-collector.{shop}.svc"
    )
    assert deployment(world, shop)["spec"]["replicas"] == 2
    found = variables(world, shop)
    assert found["IDENTITIES_TOPIC"] == f"{shop}.storefront-identities"
    assert (found["CLICKS_TOPIC"], found["KEYS_FILE"][-20:]) == ("user-clicks", "/collector-keys/keys")

    ask(
        world,
        shop,
        {"autoscale": {"max": 4}, "ingress": {"host": "clicks.example.com"}, "maxBodyBytes": 2048},
    )
    eventually(lambda: there(world, shop) == set(PLACES), "autoscaler and ingress are there")
    eventually(lambda: variables(world, shop)["MAX_BODY_BYTES"] == "2048", "the body's limit is set")
    world.plane.merge(PLACES["Deployment"].format(shop), {"spec": {"replicas": 4}})  # the autoscaler's work
    world.wait_ready(shop)
    ask(world, shop, {"replicas": 3, "trustedProxies": ["10.0.0.0/8"]})
    eventually(lambda: variables(world, shop).get("TRUSTED_PROXIES") == "10.0.0.0/8", "proxies are set")
    assert deployment(world, shop)["spec"]["replicas"] == 4

    ask(world, shop, {"autoscale": None, "ingress": None})
    eventually(lambda: there(world, shop) == set(ALWAYS), "autoscaler and ingress are gone")
    eventually(lambda: deployment(world, shop)["spec"]["replicas"] == 3, "replicas count again")
    ask(world, shop, None)
    eventually(lambda: there(world, shop) == set(), "the collector is gone")
    world.wait_ready(shop)
    eventually(lambda: world.condition(shop, "CollectorReady") == {}, "nothing is said of it")
    assert "collector" not in world.pipeline(shop)["status"]["endpoints"]


@pytest.mark.parametrize("kind", ALWAYS)
def test_what_others_do_to_a_collector_is_put_back(world: World, shop: str, kind: str) -> None:
    world.create(shop, collector={"open": True})
    world.wait_ready(shop)
    place = PLACES[kind].format(shop)
    before = world.plane.get(place)
    world.plane.request("DELETE", place)
    eventually(
        lambda: (world.plane.get(place) or before)["metadata"]["uid"] != before["metadata"]["uid"], kind
    )
    world.plane.merge(place, {"metadata": {"labels": {"app.kubernetes.io/part-of": "other"}}})
    eventually(
        lambda: world.plane.get(place)["metadata"]["labels"]["app.kubernetes.io/part-of"] == "clickstream",
        "the label is back",
    )


def test_an_autoscaler_decides_and_is_not_fought(world: World, shop: str) -> None:
    world.create(shop, collector={"open": True, "replicas": 4})
    world.wait_ready(shop)
    ask(world, shop, {"autoscale": {"min": 3, "max": 9}})
    eventually(lambda: "Autoscaler" in there(world, shop), "the autoscaler is there")
    world.wait_ready(shop)
    assert replicas(world, shop) == 4, "a field that is given up becomes 1"
    scale = PLACES["Deployment"].format(shop) + "/scale"
    world.plane.merge(scale, {"spec": {"replicas": 6}})
    ask(world, shop, {"trustedProxies": ["10.0.0.0/8"]})
    eventually(lambda: variables(world, shop).get("TRUSTED_PROXIES") == "10.0.0.0/8", "proxies are set")
    world.wait_ready(shop)
    assert replicas(world, shop) == 6
    world.plane.merge(scale, {"spec": {"replicas": 0}})  # of none an autoscaler makes no more
    eventually(lambda: replicas(world, shop) == 3, "the fewest are back")


def test_an_image_that_cannot_be_pulled_is_told_and_no_key_with_it(world: World, shop: str) -> None:
    keys(world, shop)
    world.standins.without_pods.add((shop, "storefront-collector"))
    world.create(shop, collector={"keysSecret": "collector-keys"})
    eventually(lambda: world.condition(shop, "CollectorReady").get("reason") == "NotReady", "none is ready")
    assert "0 of 2 pods are ready" in world.condition(shop, "CollectorReady")["message"]
    labels = deployment(world, shop)["spec"]["template"]["metadata"]["labels"]
    container = {"name": "collector", "image": "registry.test/collector:1"}
    pod = {"metadata": {"name": "a-pod", "labels": labels}, "spec": {"containers": [container]}}
    pods = f"/api/v1/namespaces/{shop}/pods"
    world.plane.request("POST", pods, pod)
    waiting = {"reason": "ErrImagePull", "message": "registry.test/collector:1: not found, wk-secret-1"}
    said = container | {"imageID": "", "ready": False, "restartCount": 0, "state": {"waiting": waiting}}
    world.plane.merge(f"{pods}/a-pod/status", {"status": {"containerStatuses": [said]}})
    eventually(lambda: world.condition(shop, "CollectorReady")["reason"] == "ImageNotPulled", "it says why")
    assert "a-pod cannot be pulled: ErrImagePull" in world.condition(shop, "CollectorReady")["message"]
    assert "wk-secret" not in json.dumps([world.pipeline(shop), world.events(shop)])
    world.standins.without_pods.clear()
    world.wait_ready(shop)


@pytest.mark.parametrize("annotation", ["clickstream.dev/paused", "clickstream.dev/plan-only"])
def test_a_paused_pipeline_keeps_its_collector(world: World, shop: str, annotation: str) -> None:
    world.create(shop, collector={"open": True})
    world.wait_ready(shop)
    world.plane.merge(path_of(shop), {"metadata": {"annotations": {annotation: "true"}}})
    eventually(lambda: world.condition(shop, "Paused").get("status") == "True", "it is paused")
    ask(world, shop, None)
    eventually(lambda: world.condition(shop, "Paused").get("observedGeneration") == 2, "the change is seen")
    plan = world.pipeline(shop)["status"].get("plan", [])
    assert ("remove Deployment storefront-collector" in plan) == annotation.endswith("plan-only")
    assert there(world, shop) == set(ALWAYS)
    world.plane.merge(path_of(shop), {"metadata": {"annotations": {annotation: None}}})
    eventually(lambda: there(world, shop) == set(), "the collector is gone")


def test_a_foreign_object_of_its_name_is_left_alone(world: World, shop: str) -> None:
    foreign = {"metadata": {"name": "storefront-collector"}, "spec": {"ports": [{"port": 1}]}}
    world.plane.request("POST", f"/api/v1/namespaces/{shop}/services", foreign)
    world.create(shop, collector={"open": True})
    eventually(lambda: world.condition(shop, "Stalled").get("reason") == "NameTaken", "the name is taken")
    assert "Service storefront-collector" in world.condition(shop, "Stalled")["message"]
    ask(world, shop, None)
    world.wait_ready(shop)
    assert world.plane.get(PLACES["Service"].format(shop))["spec"]["ports"][0]["port"] == 1


def test_a_route_needs_the_gateway_api(world: World, shop: str, operator: OperatorProcess) -> None:
    world.create(shop, collector={"open": True, "gateway": {"host": "clicks.example.com", "name": "public"}})
    eventually(lambda: world.condition(shop, "CollectorReady").get("reason") == "NoGatewayApi", "it says so")
    assert world.condition(shop, "Stalled")["reason"] == "NoGatewayApi"
    world.plane.kubectl("apply", "--server-side", "-f", str(HERE / "gateway"))
    world.wait_ready(shop)
    route = world.plane.get(ROUTE.format(shop))
    assert route["spec"]["hostnames"] == ["clicks.example.com"]
    (parent,) = route["spec"]["parentRefs"]
    assert (parent["name"], parent["namespace"]) == ("public", shop)
    world.wait_for_looks(operator, 3)
    version = route["metadata"]["resourceVersion"]
    assert world.plane.get(ROUTE.format(shop))["metadata"]["resourceVersion"] == version, (
        "no defaults are drift"
    )
    refused = {
        "type": "Accepted",
        "status": "False",
        "reason": "NotAllowedByListeners",
        "message": "no listener takes routes of this namespace",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    says = {
        "parentRef": {"name": "public"},
        "controllerName": "example.com/gateway",
        "conditions": [refused],
    }
    world.plane.merge(ROUTE.format(shop) + "/status", {"status": {"parents": [says]}})
    eventually(lambda: world.condition(shop, "CollectorReady")["reason"] == "RouteRefused", "it is refused")
    assert "no listener takes routes" in world.condition(shop, "CollectorReady")["message"]
    ask(world, shop, {"gateway": None})
    eventually(lambda: world.plane.get(ROUTE.format(shop)) is None, "the route is gone")
    world.wait_ready(shop)
    assert there(world, shop) == set(ALWAYS)


def test_deletion_takes_the_collector_before_the_topics(world: World, shop: str) -> None:
    world.create(shop, collector={"open": True}, deletionPolicy="Delete")
    world.wait_ready(shop)
    world.plane.request("DELETE", path_of(shop))
    eventually(lambda: world.pipeline(shop) is None, "the pipeline is gone")
    eventually(lambda: there(world, shop) == set(), "the collector is gone")
    topics = f"/apis/kafka.strimzi.io/v1/namespaces/{shop}/kafkatopics"
    assert world.plane.get(f"{topics}/{shop}.storefront-identities") is None
