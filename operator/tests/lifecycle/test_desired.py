"""What shall be, as far as the start has come, and how many pods while tasks are handed over."""

from typing import Any

import pytest
from clickstream_operator.lifecycle.desired import desired_objects, pods_to_run
from clickstream_operator.manifests.names import topic_object
from clickstream_operator.manifests.topics import topic_specs
from clickstream_operator.observed import AssignmentState, Observed, PodState, SecretState
from clickstream_operator.spec.clickpipeline import parse
from operator_support.documents import changed, reference
from operator_support.example_pipelines import PLATFORM

PIPELINE = parse(reference())
SECRETS = {"postgres-credentials": SecretState(frozenset({"username", "password"}), "x")}
READY = {"metadata": {}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}
TOPICS: dict[tuple[str, str], Any] = {
    ("KafkaTopic", topic_object(t.name)): READY for t in topic_specs(PIPELINE)
}
INDEX = {0: PodState(0, index_ready=True, index_detail="", tasks={})}


def names_of(observed: Observed) -> set[str]:
    return {w.name for w in desired_objects(PIPELINE, "uid", PLATFORM, observed)}


def test_nothing_of_strimzi_is_asked_for_without_it() -> None:
    kinds = {w.kind.kind for w in desired_objects(PIPELINE, "uid", PLATFORM, Observed(secrets=SECRETS))}
    assert not kinds & {"KafkaTopic", "KafkaConnector", "StatefulSet"}


def test_pods_and_source_come_after_the_topics() -> None:
    waiting = names_of(Observed(strimzi_version="v1", secrets=SECRETS))
    assert not waiting & {"storefront-profiles", "storefront-search"}
    there = names_of(Observed(strimzi_version="v1", secrets=SECRETS, children=TOPICS))
    assert "storefront-profiles" in there
    assert "storefront-search" not in there


def test_sink_comes_after_the_index_template() -> None:
    observed = Observed(strimzi_version="v1", secrets=SECRETS, children=TOPICS, pods=INDEX)
    assert "storefront-search" in names_of(observed)


def test_what_exists_stays_when_a_secret_vanishes() -> None:
    connector: dict[str, Any] = {"metadata": {}, "spec": {}}
    children = {**TOPICS, ("KafkaConnector", "storefront-profiles"): connector}
    assert "storefront-profiles" in names_of(Observed(strimzi_version="v1", children=children))


def test_connector_does_not_start_when_connect_may_not_read_its_secret() -> None:
    observed = Observed(
        strimzi_version="v1", secrets=SECRETS, children=TOPICS, denied=("postgres-credentials",)
    )
    assert "storefront-profiles" not in names_of(observed)


def test_topics_have_no_owner_and_the_rest_has() -> None:
    observed = Observed(strimzi_version="v1", secrets=SECRETS, children=TOPICS, pods=INDEX)
    found = desired_objects(PIPELINE, "uid", PLATFORM, observed)
    assert {wanted.kind.kind for wanted in found} > {"KafkaTopic", "StatefulSet"}
    for wanted in found:
        has_owner = "ownerReferences" in wanted.document["metadata"]
        assert has_owner is (wanted.kind.kind != "KafkaTopic"), wanted.name


def running(replicas: int) -> dict[tuple[str, str], Any]:
    return {("StatefulSet", "storefront-processor"): {"metadata": {}, "spec": {"replicas": replicas}}}


@pytest.mark.parametrize(
    ("live", "assignment", "pods"),
    [
        (5, AssignmentState(term=3, replicas=3, undrained=frozenset({3, 4})), 5),
        (5, AssignmentState(term=3, replicas=3, undrained=frozenset({3})), 4),
        (5, AssignmentState(term=3, replicas=3), 3),
        (5, AssignmentState(term=3, replicas=5), 5),
        (5, AssignmentState(term=0), 5),
        (5, AssignmentState(term=3, replicas=3, kafka="no broker answers"), 5),
        (5, None, 3),
        (2, AssignmentState(term=3, replicas=3), 3),
    ],
    ids=[
        "both leavers hold tasks",
        "the last one is empty",
        "all are empty",
        "the controller has yet to plan for fewer",
        "the controller has not taken office",
        "Kafka is away",
        "no controller here",
        "scaling out",
    ],
)
def test_pods_are_removed_only_once_they_hold_nothing(
    live: int, assignment: AssignmentState | None, pods: int
) -> None:
    assert pods_to_run(PIPELINE, Observed(children=running(live), assignment=assignment)) == pods


def test_pods_of_another_number_change_nothing_but_the_number() -> None:
    more = parse(changed({"processors.replicas": 5}))
    observed = Observed(strimzi_version="v1", secrets=SECRETS, children=TOPICS)

    def template(pipeline: Any) -> Any:
        wanted = desired_objects(pipeline, "uid", PLATFORM, observed)
        return next(w.document["spec"]["template"] for w in wanted if w.kind.kind == "StatefulSet")

    assert template(more) == template(PIPELINE)
