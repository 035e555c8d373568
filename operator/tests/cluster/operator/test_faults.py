"""Faults between operator and API server: killed at every request, refused, unanswered, cut off."""

import collections
import itertools
import json
import os
import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from clickstream_local.testing.eventually import eventually
from clickstream_local.testing.randomised import LONG
from operator_support.cluster.controlplane import ControlPlane
from operator_support.cluster.faultproxy import FORWARD, Fate, FaultProxy, forward
from operator_support.cluster.standins import STRIMZI
from operator_support.cluster.world import Figure, OperatorProcess, World, path_of

_numbers = itertools.count()
IDENTITY = {"CLICKSTREAM_IDENTITY": "the-same-after-a-restart", "CLICKSTREAM_RESYNC_SECONDS": "30"}


@pytest.fixture(scope="module")
def proxy(plane: ControlPlane) -> Iterator[FaultProxy]:
    proxy = FaultProxy(plane)
    proxy.start()
    yield proxy
    proxy.stop()


@pytest.fixture(scope="module")
def operator(world: World, proxy: FaultProxy) -> Iterator[OperatorProcess]:
    operator = world.operator(proxy.url, **IDENTITY)
    eventually(operator.is_leader)
    yield operator
    operator.terminate()


@pytest.fixture(autouse=True)
def forwarding(proxy: FaultProxy) -> Iterator[None]:
    """Let no test leave a fault behind for the next."""
    yield
    proxy.rule = forward


@pytest.fixture
def shop(world: World, operator: OperatorProcess) -> str:
    return world.namespace(f"faulty-{next(_numbers)}")


def shape_of(plane: ControlPlane, shop: str) -> dict[str, Any]:
    """Return what the pipeline's objects are, without what differs from one pipeline to the next."""
    kinds = {
        "/api/v1": ("configmaps", "services", "serviceaccounts"),
        "/apis/apps/v1": ("statefulsets",),
        "/apis/policy/v1": ("poddisruptionbudgets",),
        "/apis/networking.k8s.io/v1": ("networkpolicies",),
        STRIMZI: ("kafkatopics", "kafkaconnectors"),
    }
    shape = {}
    for group, plurals in kinds.items():
        for plural in plurals:
            path = f"{group}/namespaces/{shop}/{plural}?labelSelector=clickstream.dev/pipeline"
            for item in plane.items(path):
                content = {k: v for k, v in item.items() if k in ("spec", "data")}
                for noise in ("clusterIP", "clusterIPs"):
                    content.get("spec", {}).pop(noise, None)
                text = (
                    json.dumps(content, sort_keys=True).replace(shop, "SHOP").replace(slot_part(shop), "SLOT")
                )
                name = item["metadata"]["name"].replace(shop, "SHOP")
                managers = {m["manager"] for m in item["metadata"]["managedFields"] if "subresource" not in m}
                shape[f"{plural}/{name}"] = (mask_hashes(text), sorted(managers))
    return shape


def slot_part(shop: str) -> str:
    return shop.replace("-", "__")


def mask_hashes(text: str) -> str:
    """Take the digests out, which hold the namespace or the pipeline's own key."""
    document = json.loads(re.sub(r"settings-[0-9a-f]{16}\.json", "settings-HASH.json", text))
    annotations = document.get("spec", {}).get("template", {}).get("metadata", {}).get("annotations", {})
    for part in ("settings", "secrets", "template"):
        annotations.pop(f"clickstream.dev/{part}-hash", None)
    return json.dumps(document, sort_keys=True)


def wait_for_shape(world: World, shop: str, expected: dict[str, Any], after: str) -> None:
    """Wait until the objects are as expected; fail with what differs."""
    try:
        eventually(lambda: shape_of(world.plane, shop) == expected)
    except AssertionError:
        found = shape_of(world.plane, shop)
        names = [name for name in {**expected, **found} if expected.get(name) != found.get(name)]
        texts = [f"{name}: {found.get(name)}\n not {expected.get(name)}" for name in names]
        raise AssertionError("\n".join([f"killed at {after}", *texts])) from None


class Killer:
    """Kills the operator at the n-th of its requests that concern a namespace, and starts it again."""

    def __init__(self, operator: OperatorProcess, shop: str, at: int, before: bool) -> None:
        self._operator = operator
        self._shop = shop
        self._at = at
        self._before = before
        self._count = 0
        self._lock = threading.Lock()
        self.killed_at = ""

    def __call__(self, method: str, path: str) -> Fate:
        if f"/namespaces/{self._shop}/" not in path:
            return FORWARD
        with self._lock:
            self._count += 1
            if self.killed_at or self._count < self._at:
                return FORWARD
            self.killed_at = f"{method} {path}"
        if self._before:
            self._restart()
            return Fate(status=503)
        return Fate(lose_answer=self._restart)

    def _restart(self) -> None:
        self._operator.kill()
        self._operator.start()


Act = Callable[[World, str], None]
Settled = Callable[[World, str], Any]


def create(world: World, shop: str) -> None:
    world.create(shop, deletionPolicy="Delete")


def update(world: World, shop: str) -> None:
    spec = {"query": {"port": 9090}, "sink": {"search": {"tasksMax": 3}}, "processors": {"replicas": 2}}
    world.plane.merge(path_of(shop), {"spec": spec})


def delete(world: World, shop: str) -> None:
    world.plane.request("DELETE", path_of(shop))


def is_gone(world: World, shop: str) -> bool:
    left = shape_of(world.plane, shop)
    return world.pipeline(shop) is None and all("kafkatopics" in name for name in left) and len(left) == 5


def test_operator_killed_at_every_request_converges(
    world: World, proxy: FaultProxy, operator: OperatorProcess, figure: Figure
) -> None:
    """Each namespace goes through one of create, update, delete with a kill at its n-th request.

    Writes are killed after the server took them and before the operator knows, reads before. The gate takes a
    sample of the requests, with a seed that is printed; `make test-long` takes every one.
    """
    reference = undisturbed(world, proxy)
    drawn = os.environ["CLICKSTREAM_SEED"]
    print(f"CLICKSTREAM_SEED={drawn} kills at the same requests")
    chance = random.Random(drawn)
    points, converged, kinds = 0, 0, collections.Counter[str]()
    for act in (create, update, delete):
        at = 0
        while True:
            at += 1 if LONG else chance.randint(1, 40 if at else 10)
            shop = world.namespace(f"killed-{act.__name__}-{at}")
            if act is not create:
                create(world, shop)
                world.wait_ready(shop)
            killer = Killer(operator, shop, at, before=at % 2 == 0)
            proxy.rule = killer
            act(world, shop)
            settled = is_gone if act is delete else World.is_ready
            eventually(partial(settled, world, shop), f"{act.__name__} killed at request {at}", timeout_s=600)
            proxy.rule = forward
            if not killer.killed_at:
                break
            points += 1
            kinds[act.__name__] += 1
            expected = reference[act.__name__]
            wait_for_shape(world, shop, expected, killer.killed_at)
            converged += 1
            world.plane.request("DELETE", f"/api/v1/namespaces/{shop}")
    print(dict(kinds))
    figure(kill_points=points, kill_points_converged=converged)
    assert points == converged
    assert set(kinds) == {"create", "update", "delete"}


def undisturbed(world: World, proxy: FaultProxy) -> dict[str, Any]:
    """Return the shapes after a create, an update and a delete without a fault."""
    shop = world.namespace(f"undisturbed-{next(_numbers)}")
    shapes = {}
    for act in (create, update, delete):
        act(world, shop)
        settled = is_gone if act is delete else World.is_ready
        eventually(partial(settled, world, shop), act.__name__)
        shapes[act.__name__] = shape_of(world.plane, shop)
    return shapes


@pytest.mark.parametrize(
    "fate",
    [Fate(status=409), Fate(status=429, headers={"Retry-After": "1"}), Fate(status=500), Fate(status=503)],
    ids=["409", "429", "500", "503"],
)
def test_every_seventh_request_refused_converges(
    fate: Fate, world: World, proxy: FaultProxy, shop: str
) -> None:
    """Of the requests for this pipeline or for all; those for pipelines of other tests do not count."""
    calls = itertools.count()

    def rule(method: str, path: str) -> Fate:
        if "watch=" in path or ("/namespaces/" in path and f"/namespaces/{shop}/" not in path):
            return FORWARD
        return fate if next(calls) % 7 == 6 else FORWARD

    proxy.rule = rule
    world.create(shop)
    world.wait_ready(shop, timeout_s=600)


def test_retry_after_is_kept(world: World, proxy: FaultProxy, shop: str) -> None:
    times: list[float] = []

    def rule(method: str, path: str) -> Fate:
        if method == "PATCH" and f"/namespaces/{shop}/configmaps" in path and len(times) < 2:
            times.append(time.monotonic())
            return Fate(status=429, headers={"Retry-After": "3"})
        return FORWARD

    proxy.rule = rule
    world.create(shop)
    world.wait_ready(shop)
    assert times[1] - times[0] >= 3


def test_unanswered_requests_are_given_up_and_repeated(world: World, proxy: FaultProxy, shop: str) -> None:
    hung: list[str] = []

    def rule(method: str, path: str) -> Fate:
        if method == "PATCH" and f"/namespaces/{shop}/" in path and len(hung) < 2:
            hung.append(path)
            return Fate(hang_s=60)
        return FORWARD

    proxy.rule = rule
    world.create(shop)
    world.wait_ready(shop)
    assert len(hung) == 2


def test_watches_cut_and_too_old_lose_nothing(world: World, proxy: FaultProxy, shop: str) -> None:
    kinds = itertools.cycle([Fate(cut_after=1), Fate(gone=True), FORWARD, Fate(status=500)])
    proxy.rule = lambda _, path: next(kinds) if "watch=" in path else FORWARD
    world.create(shop)
    world.wait_ready(shop)
    path = f"/apis/apps/v1/namespaces/{shop}/statefulsets/storefront-processor"
    for replicas in (1, 2, 1):
        world.plane.merge(path, {"spec": {"replicas": replicas}})
        eventually(lambda: world.plane.get(path)["spec"]["replicas"] == 3)


def test_server_away_for_a_while_changes_nothing(
    world: World, proxy: FaultProxy, shop: str, operator: OperatorProcess
) -> None:
    world.create(shop)
    world.wait_ready(shop)
    away_since, seen = time.monotonic(), threading.Event()

    def rule(_: str, __: str) -> Fate:
        is_back = seen.is_set() and time.monotonic() - away_since >= 15
        return FORWARD if is_back else Fate(status=503)

    proxy.rule = rule
    eventually(lambda: not operator.is_leader(), "it stops work without its lease")
    path = f"/api/v1/namespaces/{shop}/configmaps/storefront-settings"
    world.plane.request("DELETE", path)
    seen.set()
    eventually(operator.is_leader)
    eventually(lambda: world.plane.get(path), "what changed meanwhile is repaired")
    assert operator.is_running()


def test_operator_stops_in_order_while_it_renews_its_lease(world: World, proxy: FaultProxy) -> None:
    """A renewal on its way must neither make it the leader again nor undo that the lease is given back."""
    shop = world.namespace("slow-end")
    operator = world.operator(proxy.url, CLICKSTREAM_LEASE="slow-end", CLICKSTREAM_NAMESPACES=shop)
    eventually(operator.is_leader)
    world.create(shop)
    world.wait_ready(shop)
    renewing = threading.Event()

    def rule(method: str, path: str) -> Fate:
        if path.partition("?")[0].endswith("/leases/slow-end"):
            renewing.set()
            time.sleep(1)
        return FORWARD

    proxy.rule = rule
    assert renewing.wait(180)
    assert operator.terminate() == 0
    path = "/apis/coordination.k8s.io/v1/namespaces/clickstream/leases/slow-end"
    assert world.plane.get(path)["spec"]["holderIdentity"] == ""
