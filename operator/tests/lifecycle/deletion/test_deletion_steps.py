"""Taking a pipeline down: each step follows from what is left, and every wait ends."""

import copy

from clickstream_operator.database.memory import SourceMemory
from clickstream_operator.lifecycle.deletion.deletion import DEADLINE_S, next_step
from clickstream_operator.lifecycle.deletion.take import Take
from clickstream_operator.manifests.names import INTERNAL_LABEL
from clickstream_operator.observed import Observed
from operator_support.example_pipelines import everything, example

PIPELINE = example("storefront")
SOURCE = ("KafkaConnector", "storefront-profiles")
UID = "00000000-0000-0000-0000-000000000000"


class Cluster:
    """The pipeline's objects, changed as the API server and Strimzi would."""

    def __init__(self, settle_s: float = 0, slot: str = "shop_storefront") -> None:
        self.settle_s, self.memory = settle_s, SourceMemory(slot=slot)
        self.failing: set[str] = set()
        self.objects = {(w.kind.kind, w.name): copy.deepcopy(w.document) for w in everything(PIPELINE)}
        for document in self.objects.values():
            document["metadata"]["generation"] = 1
        self.done: list[str] = []
        self.obey()

    def obey(self) -> None:
        """Let Strimzi do what the connectors' specs say."""
        for (kind, _), document in self.objects.items():
            if kind == "KafkaConnector":
                state = {"running": "RUNNING", "stopped": "STOPPED"}[document["spec"]["state"]]
                generation = document["metadata"]["generation"]
                tasks = [{"id": 0, "state": "RUNNING"}] if state == "RUNNING" else []
                connector = {"connector": {"state": state}, "tasks": tasks}
                document["status"] = {"observedGeneration": generation, "connectorStatus": connector}
                document["metadata"].get("annotations", {}).pop("strimzi.io/connector-offsets", None)

    def take(self, elapsed_s: float = 1) -> Take:
        """Take one step and return it."""
        seen = Observed(children=self.objects, strimzi_version="v1", memory=self.memory)
        step = next_step(PIPELINE, UID, seen, elapsed_s, failing=self.failing, settle_s=self.settle_s)
        if step.apply:
            key = (step.apply.kind.kind, step.apply.name)
            before = self.objects.get(key, {"metadata": {"generation": 0}})
            generation = before["metadata"]["generation"] + 1
            status = before.get("status", {})
            self.objects[key] = copy.deepcopy(step.apply.document) | {"status": status}
            self.objects[key]["metadata"]["generation"] = generation
        if step.annotate:
            kind, name, annotations = step.annotate
            self.objects[(kind.kind, name)]["metadata"].setdefault("annotations", {}).update(annotations)
        if step.has_dropped is not None:
            self.memory = SourceMemory(is_slot_left=not step.has_dropped)
        if step.delete:
            del self.objects[(step.delete[0].kind, step.delete[1])]
        self.done.append(step.doing)
        return step


def finish(cluster: Cluster) -> Take:
    """Take every step, with a Strimzi that obeys, and return the last."""
    for _ in range(60):
        step = cluster.take()
        if step.is_done:
            return step
        cluster.obey()
    raise AssertionError(cluster.done)


def test_order_is_sink_source_pods_topics() -> None:
    cluster, done = Cluster(), []
    for _ in range(40):
        step = cluster.take()
        done.append(step.doing)
        if step.is_done:
            break
        if step.apply or step.annotate:
            cluster.obey()
    assert done[:6] == [
        "removing KafkaConnector storefront-search",
        "telling storefront-profiles to drop its slot",
        "stopping storefront-profiles",
        "resetting the offsets of storefront-profiles",
        "removing KafkaConnector storefront-profiles",
        "removing StatefulSet storefront-processor",
    ]
    left = [name for (kind, name) in cluster.objects if kind == "KafkaTopic"]
    assert sorted(left) == [
        "dead-letters",
        "enriched-clicks",
        "user-clicks",
        "user-metrics",
        "user-profiles",
        "user-sessions",
    ]
    assert all(
        cluster.objects[("KafkaTopic", n)]["metadata"]["labels"][INTERNAL_LABEL] == "false" for n in left
    )
    assert done[-1] == "everything is gone"


def test_pods_go_while_the_source_takes_its_order() -> None:
    cluster = Cluster(settle_s=15)
    assert [cluster.take(second).doing for second in range(1, 5)] == [
        "removing KafkaConnector storefront-search",
        "telling storefront-profiles to drop its slot",
        "removing StatefulSet storefront-processor",
        "waiting for storefront-profiles to take the order to drop its slot",
    ]


def test_source_is_stopped_only_once_it_knows_that_it_drops_its_slot() -> None:
    cluster = Cluster()
    for _ in range(3):
        cluster.take()
    assert cluster.take().doing == "waiting for storefront-profiles to take the order to drop its slot"
    cluster.obey()
    assert cluster.take().doing == "stopping storefront-profiles"


def test_source_gets_time_to_take_the_order_whatever_its_state_says() -> None:
    cluster = Cluster(settle_s=15)
    for second in (1, 2, 3):
        cluster.take(second)
    cluster.obey()
    assert cluster.take(16).doing == "waiting for storefront-profiles to take the order to drop its slot"
    assert cluster.take(17).doing == "stopping storefront-profiles"


def test_connect_that_is_away_holds_nothing_for_ever() -> None:
    cluster = Cluster()
    for elapsed_s in range(0, DEADLINE_S, 10):
        cluster.take(elapsed_s)
    assert ("KafkaConnector", "storefront-profiles") not in cluster.objects


def test_source_that_somebody_has_deleted_is_made_again_to_drop_its_slot() -> None:
    cluster = Cluster()
    del cluster.objects[SOURCE]
    last = finish(cluster)
    assert (last.doing, last.left) == ("everything is gone", ())
    assert "telling storefront-profiles to drop its slot" in cluster.done


def test_source_that_never_had_a_slot_is_not_made() -> None:
    cluster = Cluster(slot="")
    del cluster.objects[SOURCE]
    assert finish(cluster).left == ()
    assert "telling storefront-profiles to drop its slot" not in cluster.done


def test_slot_of_a_source_that_fails_is_named() -> None:
    cluster = Cluster()
    cluster.failing = {SOURCE[1]}
    assert finish(cluster).left == ("replication slot shop_storefront",)


def test_slot_of_a_source_that_connect_refuses_is_named_soon() -> None:
    cluster = Cluster()
    del cluster.objects[SOURCE]
    for second in range(60):
        step = cluster.take(second)
        if SOURCE in cluster.objects:
            cluster.objects[SOURCE]["status"] = {
                "observedGeneration": cluster.objects[SOURCE]["metadata"]["generation"],
                "conditions": [{"type": "NotReady", "status": "True", "message": "400"}],
            }
    assert step.is_done
    assert step.left == ("replication slot shop_storefront",)


def test_after_the_deadline_what_is_left_is_named() -> None:
    step = Cluster().take(DEADLINE_S + 1)
    assert step.is_done
    assert "replication slot shop_storefront" in step.left
    assert "KafkaConnector storefront-profiles" in step.left


def test_every_prefix_resumes_to_the_same_end() -> None:
    def end_of(cluster: Cluster) -> list[tuple[str, str]]:
        finish(cluster)
        return sorted(cluster.objects)

    end = end_of(Cluster())
    for steps in range(1, 12):
        cluster = Cluster()
        for _ in range(steps):
            cluster.take()
            cluster.obey()
        assert end_of(cluster) == end
