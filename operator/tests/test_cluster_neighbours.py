"""Pipelines beside others: names, topics and ids that somebody else has."""

import time

from controlplane import eventually
from standins import STRIMZI
from world import World


def test_object_of_somebody_else_is_left_alone(world: World, shop: str) -> None:
    mine = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "storefront-settings", "namespace": shop},
        "data": {"mine": "yes"},
    }
    world.plane.request("POST", f"/api/v1/namespaces/{shop}/configmaps", mine)
    world.create(shop)
    eventually(lambda: world.condition(shop, "Stalled")["reason"] == "NameTaken")
    assert world.plane.get(f"/api/v1/namespaces/{shop}/configmaps/storefront-settings")["data"] == {
        "mine": "yes"
    }


def test_shared_topic_of_somebody_else_is_used_as_it_is(world: World, shop: str) -> None:
    topic = {
        "apiVersion": "kafka.strimzi.io/v1",
        "kind": "KafkaTopic",
        "metadata": {"name": "user-clicks", "namespace": shop, "labels": {"strimzi.io/cluster": "events"}},
        "spec": {"partitions": 12, "replicas": 3, "config": {"retention.ms": "1234567"}},
    }
    world.plane.request("POST", f"{STRIMZI}/namespaces/{shop}/kafkatopics", topic)
    world.create(shop)
    world.wait_ready(shop)
    live = world.plane.get(f"{STRIMZI}/namespaces/{shop}/kafkatopics/user-clicks")
    assert live["spec"]["config"] == {"retention.ms": "1234567"}


def test_shared_topic_of_other_partitions_stalls(world: World, shop: str) -> None:
    topic = {
        "apiVersion": "kafka.strimzi.io/v1",
        "kind": "KafkaTopic",
        "metadata": {"name": "user-clicks", "namespace": shop, "labels": {"strimzi.io/cluster": "events"}},
        "spec": {"partitions": 10, "replicas": 3},
    }
    world.plane.request("POST", f"{STRIMZI}/namespaces/{shop}/kafkatopics", topic)
    world.create(shop)
    eventually(lambda: world.condition(shop, "Stalled")["reason"] == "PartitionsDiffer")


def test_second_pipeline_of_an_id_is_refused(world: World, shop: str) -> None:
    born = world.create(shop, "first", id=f"{shop}.id")["metadata"]["creationTimestamp"]
    world.wait_ready(shop, "first")
    # Who was first is known to the second; of two in one second the uid decides.
    eventually(lambda: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()) > born)
    world.create(shop, "second", id=f"{shop}.id")
    eventually(lambda: world.condition(shop, "Stalled", "second")["reason"] == "IdTaken")
    assert world.is_ready(shop, "first")


def test_two_pipelines_share_topics_without_a_quarrel(world: World, shop: str) -> None:
    world.create(shop, "first")
    world.wait_ready(shop, "first")
    world.create(shop, "second")
    world.wait_ready(shop, "second")
    begun = len(world.plane.writes())
    time.sleep(10)  # more than two resyncs
    assert [w for w in world.plane.writes()[begun:] if "kafkatopics" in w["requestURI"]] == []
