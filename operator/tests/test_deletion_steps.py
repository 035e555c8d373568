"""Taking a pipeline down: each step follows from what is left, and every wait ends."""

import copy
from typing import Any

from clickstream_operator.deletion import DEADLINE_S, Take, next_step
from clickstream_operator.manifests.names import INTERNAL_LABEL
from clickstream_operator.observed import Observed
from test_manifests_golden import everything, example

PIPELINE = example("storefront")
UID = "00000000-0000-0000-0000-000000000000"


class Cluster:
    """The pipeline's objects, changed as the API server and Strimzi would."""

    def __init__(self, settle_s: float = 0) -> None:
        self.settle_s = settle_s
        self.objects = {(w.kind.kind, w.name): copy.deepcopy(w.document) for w in everything(PIPELINE)}
        for document in self.objects.values():
            document["metadata"]["generation"] = 1
        self.obey()

    def obey(self) -> None:
        """Let Strimzi do what the connectors' specs say."""
        for (kind, _), document in self.objects.items():
            if kind == "KafkaConnector":
                state = {"running": "RUNNING", "stopped": "STOPPED"}[document["spec"]["state"]]
                generation = document["metadata"]["generation"]
                connector = {"connector": {"state": state}}
                document["status"] = {"observedGeneration": generation, "connectorStatus": connector}
                document["metadata"].get("annotations", {}).pop("strimzi.io/connector-offsets", None)

    def take(self, elapsed_s: float = 1) -> Take:
        """Take one step and return it."""
        seen = Observed(children=self.objects, strimzi_version="v1")
        step = next_step(PIPELINE, UID, seen, elapsed_s, self.settle_s)
        if step.apply:
            key = (step.apply.kind.kind, step.apply.name)
            generation = self.objects[key]["metadata"]["generation"] + 1
            status = self.objects[key].get("status", {})
            self.objects[key] = copy.deepcopy(step.apply.document) | {"status": status}
            self.objects[key]["metadata"]["generation"] = generation
        if step.annotate:
            kind, name, annotations = step.annotate
            self.objects[(kind.kind, name)]["metadata"].setdefault("annotations", {}).update(annotations)
        if step.delete:
            del self.objects[(step.delete[0].kind, step.delete[1])]
        return step


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
    assert sorted(left) == ["dead-letters", "enriched-clicks", "user-clicks", "user-metrics", "user-profiles"]
    assert all(
        cluster.objects[("KafkaTopic", n)]["metadata"]["labels"][INTERNAL_LABEL] == "false" for n in left
    )
    assert done[-1] == "everything is gone"


def test_source_is_stopped_only_once_it_knows_that_it_drops_its_slot() -> None:
    cluster = Cluster()
    cluster.take()
    cluster.take()
    assert cluster.take().doing == "waiting for storefront-profiles to take the order to drop its slot"
    cluster.obey()
    assert cluster.take().doing == "stopping storefront-profiles"


def test_source_gets_time_to_take_the_order_whatever_its_state_says() -> None:
    cluster = Cluster(settle_s=15)
    cluster.take(1)
    cluster.take(2)
    cluster.obey()
    assert cluster.take(16).doing == "waiting for storefront-profiles to take the order to drop its slot"
    assert cluster.take(17).doing == "stopping storefront-profiles"


def test_connect_that_is_away_holds_nothing_for_ever() -> None:
    cluster = Cluster()
    for elapsed_s in range(0, DEADLINE_S, 10):
        cluster.take(elapsed_s)
    assert ("KafkaConnector", "storefront-profiles") not in cluster.objects


def test_after_the_deadline_what_is_left_is_named() -> None:
    step = Cluster().take(DEADLINE_S + 1)
    assert step.is_done
    assert "replication slot shop_storefront" in step.left
    assert "KafkaConnector storefront-profiles" in step.left


def test_every_prefix_resumes_to_the_same_end() -> None:
    def finish(cluster: Cluster) -> list[Any]:
        for _ in range(60):
            step = cluster.take()
            cluster.obey()
            if step.is_done:
                return sorted(cluster.objects)
        raise AssertionError("no end")

    end = finish(Cluster())
    for steps in range(1, 12):
        cluster = Cluster()
        for _ in range(steps):
            cluster.take()
            cluster.obey()
        assert finish(cluster) == end
