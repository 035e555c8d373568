"""Conditions and status: what is said, and that nothing is said twice."""

import copy
from dataclasses import replace
from typing import Any

import pytest
from clickstream_operator.condition import Truth
from clickstream_operator.conditions import conditions_of, topics_are_ready
from clickstream_operator.manifests.names import topic_object
from clickstream_operator.manifests.topics import topic_specs
from clickstream_operator.observed import Observed, PodState, SecretState, TaskState
from clickstream_operator.pods import read_state
from clickstream_operator.rollout import Memory, Next, Phase
from clickstream_operator.status import healthy_status, is_settled, transitions, with_times
from test_manifests_golden import example

PIPELINE = example("storefront")
DOCUMENT: dict[str, Any] = {"metadata": {"generation": 3, "name": "storefront", "namespace": "shop"}}
READY = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}, "metadata": {}}


def connector(*states: str, trace: str = "") -> dict[str, Any]:
    tasks = [{"id": i, "state": state, "trace": trace} for i, state in enumerate(states)]
    return {
        "metadata": {},
        "status": {"connectorStatus": {"connector": {"state": "RUNNING"}, "tasks": tasks}},
    }


def pods(phase: str = "running", index: bool = True, partitions: int = 12) -> dict[int, PodState]:
    tasks = {
        f"clicks-{p}": TaskState(0, "owner", phase, lag_ms=5, detail="disk on fire")
        for p in range(partitions)
    }
    return {0: PodState(0, index, "no route to search", tasks)}


def standing(standing_ms: int) -> dict[int, PodState]:
    """One task's clicks have waited for so long."""
    found = pods()
    detail = f"no commit for {standing_ms // 1_000} s: Broker: Topic authorization failed"
    found[0].tasks["clicks-3"] = TaskState(0, "owner", "running", 31_000, detail, standing_ms)  # type: ignore[index]
    return found


def observed(**changes: Any) -> Observed:
    children: dict[tuple[str, str], Any] = {
        ("KafkaTopic", topic_object(t.name)): READY for t in topic_specs(PIPELINE)
    }
    children |= {
        ("KafkaConnector", "storefront-profiles"): connector("RUNNING"),
        ("KafkaConnector", "storefront-search"): connector("RUNNING", "RUNNING"),
        ("StatefulSet", "storefront-processor"): {
            "metadata": {"generation": 1},
            "spec": {"replicas": 3},
            "status": {"observedGeneration": 1, "replicas": 3, "readyReplicas": 3, "updatedReplicas": 3},
        },
    }
    parts: dict[str, Any] = {
        "children": children | changes.pop("children", {}),
        "connect": {"metadata": {"annotations": {"strimzi.io/use-connector-resources": "true"}}},
        "strimzi_version": "v1",
        "secrets": {"postgres-credentials": SecretState(frozenset({"username", "password"}), "x")},
        "pods": pods(),
    }
    return Observed(**(parts | changes))


CASES: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "a Secret is missing": ({"secrets": {}}, "SecretsResolved", "Missing", "postgres-credentials"),
    "a key is missing": (
        {"secrets": {"postgres-credentials": SecretState(frozenset({"username"}), "x")}},
        "SecretsResolved",
        "Missing",
        "postgres-credentials key password",
    ),
    "Connect may not read": (
        {"denied": ("postgres-credentials",)},
        "SecretsResolved",
        "ConnectMayNotRead",
        "kind: RoleBinding",
    ),
    "Strimzi is not there": ({"strimzi_version": None}, "ConnectorsReady", "StrimziMissing", "strimzi.io"),
    "Connect is not there": ({"connect": None}, "ConnectorsReady", "ConnectMissing", "events-connect"),
    "one task of two failed": (
        {"children": {("KafkaConnector", "storefront-search"): connector("RUNNING", "FAILED", trace="boom")}},
        "ConnectorsReady",
        "Failed",
        "task 1 failed: boom",
    ),
    "a connector without tasks": (
        {"children": {("KafkaConnector", "storefront-search"): connector()}},
        "ConnectorsReady",
        "Starting",
        "its tasks",
    ),
    "the snapshot runs": ({"pods": pods("waiting")}, "ProfilesLoaded", "Snapshot", "12 tasks hold"),
    "a task runs and commits nothing": (
        {"pods": standing(31_000)},
        "StateRestored",
        "NoCommits",
        "1 of 12 tasks; clicks-3 on pod 0: Broker: Topic authorization failed",
    ),
    "tasks restore": ({"pods": pods("restoring")}, "StateRestored", "Restoring", "12 of 12"),
    "a task without owner": ({"pods": pods(partitions=11)}, "StateRestored", "Unowned", "1 of 12"),
    "a task stopped": ({"pods": pods("stopped")}, "StateRestored", "TaskStopped", "disk on fire"),
    "no index template": ({"pods": pods(index=False)}, "IndexReady", "NoTemplate", "no route to search"),
    "no pod answers": ({"pods": {}}, "IndexReady", "NoPodAnswers", "once a processor pod answers"),
}


@pytest.mark.parametrize(("changes", "kind", "reason", "text"), CASES.values(), ids=CASES)
def test_condition_says_what_is_wrong(changes: dict[str, Any], kind: str, reason: str, text: str) -> None:
    found = {c.type: c for c in conditions_of(PIPELINE, observed(**copy.deepcopy(changes)))}
    assert found[kind].truth is not Truth.TRUE
    assert found[kind].reason == reason
    assert text in found[kind].message


def status_of(seen: Observed, document: dict[str, Any] = DOCUMENT) -> dict[str, Any]:
    return with_times(healthy_status(PIPELINE, seen, document, []), document, "2026-01-01T00:00:00Z")


def condition(status: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(c for c in status["conditions"] if c["type"] == kind)


def test_ready_only_when_every_part_is() -> None:
    assert condition(status_of(observed()), "Ready")["status"] == "True"
    for changes, *_ in CASES.values():
        assert condition(status_of(observed(**copy.deepcopy(changes))), "Ready")["status"] == "False"


def test_ready_of_strimzi_is_not_believed_over_a_failed_task() -> None:
    lying = connector("FAILED") | {}
    lying["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
    seen = observed(children={("KafkaConnector", "storefront-profiles"): lying})
    assert condition(status_of(seen), "ConnectorsReady")["reason"] == "Failed"


def test_condition_about_an_older_spec_is_not_believed() -> None:
    old = {"metadata": {"generation": 2}, "status": {**READY["status"], "observedGeneration": 1}}
    seen = observed(children={("KafkaTopic", "user-clicks"): old})
    assert condition(status_of(seen), "TopicsReady")["status"] == "False"


def test_same_sight_gives_the_same_status_and_no_event() -> None:
    first = status_of(observed())
    again = DOCUMENT | {"status": first}
    later = with_times(healthy_status(PIPELINE, observed(), again, []), again, "2027-01-01T00:00:00Z")
    assert later == first
    assert transitions(later, again) == []


def test_transition_time_moves_only_with_the_status() -> None:
    document = DOCUMENT | {"status": status_of(observed())}
    seen = observed(pods=pods("restoring"))
    now = with_times(healthy_status(PIPELINE, seen, document, []), document, "2027-01-01T00:00:00Z")
    assert condition(now, "StateRestored")["lastTransitionTime"] == "2027-01-01T00:00:00Z"
    assert condition(now, "SecretsResolved")["lastTransitionTime"] == "2026-01-01T00:00:00Z"


def test_ceasing_to_be_ready_is_a_warning() -> None:
    document = DOCUMENT | {"status": status_of(observed())}
    seen = observed(children={("KafkaConnector", "storefront-search"): connector("FAILED")})
    news = {t.type: t for t in transitions(healthy_status(PIPELINE, seen, document, []), document)}
    assert news["Ready"].is_warning
    assert news["ConnectorsReady"].reason == "Failed"


def test_degraded_is_said_only_after_it_ran() -> None:
    seen = observed(pods={})
    assert status_of(seen)["phase"] == "Starting"
    ran = DOCUMENT | {"status": {"phase": "Running", "conditions": []}}
    assert status_of(seen, ran)["phase"] == "Degraded"


def test_fatal_condition_is_settled_until_somebody_acts() -> None:
    assert is_settled(status_of(observed(pods=pods("stopped"))))
    assert not is_settled(status_of(observed(pods=pods("restoring"))))


@pytest.mark.parametrize(
    ("step", "status", "said"),
    [
        (Next("b", 1, Memory("a"), Phase.ROLLING, pod=1), "False", "turn of pod storefront-processor-1."),
        (Next("b", 0, Memory("a"), Phase.ROLLING), "False", "replaced one by one."),
        (Next("b", 2, Memory("a"), Phase.WAITING, pod=1), "False", "every task caught up"),
        (
            Next("b", 0, Memory("a"), Phase.STUCK, pod=0),
            "False",
            "kubectl describe pod storefront-processor-0",
        ),
        (Next("a", 2, Memory("a", "b", "no image"), Phase.ROLLING_BACK), "False", "no image"),
        (
            Next("a", 0, Memory("a", "b", "no image"), Phase.ROLLED_BACK),
            "False",
            "clickstream.dev/failed-rollout-",
        ),
        (Next("a", 0, Memory("a"), Phase.DONE), "True", "Every pod"),
    ],
    ids=lambda value: str(value.phase) if isinstance(value, Next) else "",
)
def test_roll_out_is_said_with_what_to_do(step: Next, status: str, said: str) -> None:
    found = {c.type: c for c in conditions_of(PIPELINE, observed(rollout=step))}["RolledOut"]
    assert found.truth == status
    assert said in found.message
    assert found.is_fatal is (step.phase is Phase.ROLLED_BACK)


def test_options_of_topics_that_do_not_fit_are_a_condition_and_no_part_of_ready() -> None:
    finding = (
        "topic enriched-clicks: message.timestamp.after.max.ms is 3600000, needed is 7200000 or more: ..."
    )
    told = {0: replace(pods()[0], topic_findings=(finding,))}
    status = healthy_status(PIPELINE, observed(pods=told), DOCUMENT, [])
    by_type = {c["type"]: c for c in status["conditions"]}
    assert (by_type["TopicsFit"]["status"], by_type["TopicsFit"]["reason"]) == ("False", "OptionsDiffer")
    assert by_type["TopicsFit"]["message"] == finding
    assert by_type["Ready"]["status"] == "True"
    assert [t.reason for t in transitions(status, DOCUMENT) if t.type == "TopicsFit"] == ["OptionsDiffer"]
    fits = healthy_status(PIPELINE, observed(), DOCUMENT, [])
    assert next(c for c in fits["conditions"] if c["type"] == "TopicsFit")["status"] == "True"


@pytest.mark.parametrize(
    ("field", "partitions", "fits"),
    [("metrics", 24, True), ("metrics", 4, False), ("clicks", 24, False), ("clicks", 4, False)],
)
def test_foreign_output_may_have_more_partitions_and_not_fewer(
    field: str, partitions: int, fits: bool
) -> None:
    name = getattr(PIPELINE.spec.topics, field)
    foreign = {("KafkaTopic", name): {**READY, "spec": {"partitions": partitions}}}
    found = topics_are_ready(PIPELINE, observed(foreign=foreign))
    assert (found.truth is Truth.TRUE) == fits
    assert fits or (found.reason == "PartitionsDiffer" and f"KafkaTopic {name} " in found.message)


def test_a_commit_that_only_takes_its_time_is_well() -> None:
    found = {c.type: c for c in conditions_of(PIPELINE, observed(pods=standing(29_000)))}
    assert found["StateRestored"].reason == "Restored"


def test_a_lag_that_a_pod_does_not_know_is_unknown_and_not_none() -> None:
    found = pods()
    found[0].tasks["clicks-3"] = TaskState(0, "owner", "restoring", None)  # type: ignore[index]
    assert healthy_status(PIPELINE, observed(pods=found), DOCUMENT, [])["lag"] == "unknown"
    assert healthy_status(PIPELINE, observed(), DOCUMENT, [])["lag"] == "<1s"


@pytest.mark.parametrize(
    ("task", "lag_ms"),
    [({"lag_ms": 7}, 7), ({"lag_ms": 0}, 0), ({}, None), ({"lag_ms": None}, None)],
    ids=["known", "nothing waits", "left out", "null"],
)
def test_a_lag_that_a_pod_leaves_out_is_not_zero(task: dict[str, Any], lag_ms: int | None) -> None:
    answer = {"tasks": {"clicks-0": {"role": "owner", "phase": "restoring", **task}}}
    assert read_state(0, answer).tasks["clicks-0"].lag_ms == lag_ms
