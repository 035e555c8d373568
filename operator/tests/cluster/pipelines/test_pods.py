"""Scaling, roll-outs and a lost operator under load, each click counted once throughout.

One pipeline for the module: each test leaves two pods that run, and the checker reads all that came before.
"""

import json
from collections.abc import Iterator

import pytest
from clickstream_local.parts.kafka import Kafka
from clickstream_local.testing.eventually import eventually
from operator_support.cluster.controlplane import STATEFULSETS, Refused, running
from operator_support.cluster.shop import BROKEN, GOOD, NAME, NAMESPACE, NEWER, REFUSING, STOPPING, Shop
from operator_support.cluster.world import Figure, World, path_of

pytest_plugins = ["clickstream_local.testing.fixtures"]
PODS = 2


@pytest.fixture(scope="module")
def everything(kafka: Kafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with running(tmp_path_factory.mktemp("plane"), controllers=True, more=STATEFULSETS) as plane:
        world = World(plane)
        world.standins.pods = False
        shop = Shop(world, kafka, tmp_path_factory.mktemp("shop"))
        try:
            world.prepare()
            shop.start(PODS)
            yield shop
            shop.finish()
        finally:
            world.close()
            shop.close()


@pytest.fixture
def shop(everything: Shop) -> Iterator[Shop]:
    """Give the pipeline with its pods at rest; afterwards nothing may be doubled or contradicted."""
    eventually(everything.rolled_out, timeout_s=240)
    everything.wait_until_running(PODS)
    yield everything
    everything.check()


def scale(shop: Shop, pods: int) -> None:
    shop.plane.kubectl("scale", f"clickpipeline/{NAME}", "-n", NAMESPACE, f"--replicas={pods}")


def test_new_pods_restore_as_standbys_and_leaving_pods_hand_over_first(shop: Shop) -> None:
    begun = len(shop.assignments())
    scale(shop, 4)
    shop.wait_until_running(4)
    records = shop.assignments()
    for index, (key, record) in enumerate(records):
        if index >= begun and record["owner"] in (2, 3):
            before = next(r for k, r in reversed(records[:index]) if k == key)
            assert record["owner"] in (before["owner"], *before["standbys"]), f"{key}: {before} -> {record}"
    scale(shop, PODS)

    def drained() -> bool:
        replicas = shop.statefulset()["spec"]["replicas"]
        named = {o for a in shop.assignment().values() for o in (a["owner"], *a["fence"], *a["standbys"])}
        assert replicas >= PODS
        if any(o is not None and o >= replicas for o in named):
            pytest.fail(f"{replicas} pods are left while {named} are named in the assignment")
        return replicas == PODS and sorted(shop.kubelet.pods()) == [0, 1]

    eventually(drained)
    shop.wait_until_running(PODS)


def test_more_pods_than_partitions_are_refused(shop: Shop) -> None:
    with pytest.raises(Refused, match=r"must be at most topics\.partitions"):
        scale(shop, 7)
    assert shop.statefulset()["spec"]["replicas"] == PODS


def test_new_setting_goes_pod_by_pod_though_the_operator_is_killed(shop: Shop, figure: Figure) -> None:
    before, begun = shop.uids(), len(shop.kubelet.starts)
    shop.plane.merge(path_of(NAMESPACE), {"spec": {"processing": {"commitInterval": "90ms"}}})
    eventually(lambda: shop.uids().get(1) not in (None, before[1]), "the last pod is replaced")
    assert shop.operator
    shop.operator.kill()
    assert shop.uids()[0] == before[0], "the first pod was replaced before the last one was back"
    shop.start_operator()
    eventually(lambda: shop.rolled_out() and shop.uids()[0] != before[0], timeout_s=240)
    assert shop.kubelet.starts[begun:] == [f"{NAME}-processor-1", f"{NAME}-processor-0"]
    settings = shop.kubelet.settings_of(0)
    assert settings["processing"]["commitInterval"] == "90ms"
    shop.wait_until_running(PODS)


def test_image_that_does_not_start_is_rolled_back(shop: Shop) -> None:
    before = shop.uids()
    shop.change_operator(BROKEN, deadline_s=5)
    eventually(lambda: shop.condition("RolledOut")["reason"] == "RolledBack", timeout_s=240)
    assert "ErrImagePull" in shop.condition("RolledOut")["message"]
    assert shop.condition("Stalled")["reason"] == "RolledBack"
    eventually(lambda: [e for e in shop.world.events(NAMESPACE) if e["reason"] == "RolledBack"])
    assert {p["spec"]["containers"][0]["image"] for p in shop.kubelet.pods().values()} == {GOOD}
    assert shop.uids()[0] == before[0], "a pod was touched that need not be"
    shop.wait_until_running(PODS)
    shop.change_operator(NEWER)
    images = {NEWER}
    eventually(
        lambda: {p["spec"]["containers"][0]["image"] for p in shop.kubelet.pods().values()} == images,
        timeout_s=240,
    )


def test_template_whose_pods_stop_their_tasks_is_rolled_back(shop: Shop) -> None:
    before = shop.uids()
    good = shop.kubelet.pods()[0]["spec"]["containers"][0]["image"]
    shop.change_operator(STOPPING)
    eventually(lambda: shop.condition("RolledOut")["reason"] == "RolledBack", timeout_s=240)
    message = shop.condition("RolledOut")["message"]
    assert "stops on pod 1 with it: the state has chunk=60000" in message
    assert "task clicks-" in message
    # RollingBack is over between two looks when the operator is slow; RolledBack stays, and is always told.
    eventually(
        lambda: [
            event
            for event in shop.world.events(NAMESPACE)
            if event["reason"] == "RolledBack" and "stops on pod 1" in event["message"]
        ]
    )
    assert {p["spec"]["containers"][0]["image"] for p in shop.kubelet.pods().values()} == {good}
    assert shop.uids()[0] == before[0], "a pod was touched that need not be"
    shop.wait_until_running(PODS)
    shop.change_operator(good)


def test_pod_that_cannot_take_its_settings_says_so_in_the_condition(shop: Shop) -> None:
    good = shop.kubelet.pods()[0]["spec"]["containers"][0]["image"]
    shop.change_operator(REFUSING, deadline_s=60)
    eventually(lambda: shop.condition("ProcessorsReady")["reason"] == "SettingsRefused", timeout_s=240)
    message = shop.condition("ProcessorsReady")["message"]
    assert "Pod 1 cannot take its settings: wrong settings: processing.filter" in message
    eventually(lambda: shop.condition("RolledOut")["reason"] == "RolledBack", timeout_s=240)
    shop.wait_until_running(PODS)
    shop.change_operator(good)


def test_nothing_moves_when_the_operator_was_away(shop: Shop) -> None:
    shop.change_operator(NEWER)
    eventually(shop.rolled_out, timeout_s=240)
    shop.wait_until_running(PODS)
    assignment, uids = json.dumps(shop.assignment()), shop.uids()
    assert shop.operator
    shop.operator.kill()
    clicks = shop.checker.check().clicks
    eventually(lambda: shop.checker.check().clicks > clicks + 500, "clicks flow without an operator")
    shop.start_operator(NEWER)
    looks = "clickstream_operator_reconcile_duration_seconds_count"
    eventually(lambda: shop.operator and shop.operator.is_leader() and shop.operator.metric(looks) > 5)
    assert json.dumps(shop.assignment()) == assignment
    assert shop.uids() == uids


def test_lost_volume_is_said_and_created_again_on_demand(shop: Shop) -> None:
    before = shop.uids()
    shop.kubelet.lose(1)
    eventually(lambda: shop.condition("VolumesReachable")["reason"] == "VolumeLost")
    assert shop.condition("Stalled")["status"] == "True"
    shop.plane.merge(path_of(NAMESPACE), {"spec": {"processors": {"storage": {"recreateLost": True}}}})
    eventually(lambda: shop.condition("VolumesReachable")["status"] == "True")
    shop.wait_until_running(PODS)
    assert shop.uids()[0] == before[0]
    eventually(lambda: [e for e in shop.world.events(NAMESPACE) if e["reason"] == "VolumeRecreated"])
