"""Pipelines beside others: names, topics and ids that somebody else has."""

import time

from clickstream_local.testing.eventually import eventually
from operator_support.cluster.standins import STRIMZI
from operator_support.cluster.world import OperatorProcess, World, objects_of, path_of, pipeline_document

TOPICS_SHARED = {"shared": ["profiles", "enriched", "metrics", "deadLetters"]}


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


def test_two_pipelines_that_write_the_same_are_refused_until_both_say_so(
    world: World, shop: str, operator: OperatorProcess
) -> None:
    born = world.create(shop, "first")["metadata"]["creationTimestamp"]
    world.wait_ready(shop, "first")
    eventually(lambda: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()) > born)
    world.create(shop, "second")
    eventually(lambda: world.condition(shop, "Stalled", "second").get("reason") == "OutputTaken")
    message = world.condition(shop, "Stalled", "second")["message"]
    for name in ("user-profiles", "enriched-clicks", "user-metrics", "dead-letters", "index enriched-clicks"):
        assert name in message
    assert "user-clicks" not in message, "clicks are read, and any number may"
    assert f"older pipeline {shop}/first" in message
    assert f"/api/v1/namespaces/{shop}/configmaps/second-settings" not in objects_of(world.plane, shop)
    assert world.is_ready(shop, "first")
    on_purpose = {"topics": TOPICS_SHARED, "sink": {"search": {"shared": True}}}
    world.plane.merge(path_of(shop, "second"), {"spec": on_purpose})
    world.wait_for_looks(operator)  # the older one has not said so
    assert world.condition(shop, "Stalled", "second")["reason"] == "OutputTaken"
    world.plane.merge(path_of(shop, "first"), {"spec": on_purpose})
    world.wait_ready(shop, "second")
    assert world.is_ready(shop, "first")


def test_second_pipeline_with_outputs_of_its_own_reads_the_same_clicks(world: World, shop: str) -> None:
    world.create(shop, "first")
    world.wait_ready(shop, "first")
    own = {name: f"second-{name.lower()}" for name in ("profiles", "enriched", "metrics", "deadLetters")}
    search = pipeline_document(shop)["spec"]["sink"]["search"] | {"index": "second"}
    world.create(shop, "second", topics=own, sink={"search": search})
    world.wait_ready(shop, "second")


def test_two_pipelines_share_topics_without_a_quarrel(
    world: World, shop: str, operator: OperatorProcess
) -> None:
    search = pipeline_document(shop)["spec"]["sink"]["search"] | {"shared": True}
    world.create(shop, "first", topics=TOPICS_SHARED, sink={"search": search})
    world.wait_ready(shop, "first")
    world.create(shop, "second", topics=TOPICS_SHARED, sink={"search": search})
    world.wait_ready(shop, "second")
    begun = world.writes("kafkatopics")
    world.wait_for_looks(operator)
    assert world.writes("kafkatopics") == begun
