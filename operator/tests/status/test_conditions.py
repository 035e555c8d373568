"""Conditions and status: what is said, and that nothing is said twice."""

import copy
from dataclasses import replace
from typing import Any

import pytest
from clickstream_operator.condition import Truth
from clickstream_operator.kube.applier import with_times
from clickstream_operator.kube.kinds import Document
from clickstream_operator.lifecycle.decided import Decided
from clickstream_operator.lifecycle.rollouts.rollout import Next, RolloutMemory, RolloutPhase
from clickstream_operator.observed import TaskState
from clickstream_operator.reconciling.pods import read_state
from clickstream_operator.status.conditions import conditions_of, topics_are_ready
from clickstream_operator.status.pipeline_status import is_settled, transitions
from operator_support.storefront_seen import (
    CASES,
    DOCUMENT,
    PIPELINE,
    READY,
    accepted,
    condition,
    connector,
    observed,
    pod,
    pods,
    standing,
    status_of,
)


@pytest.mark.parametrize(("changes", "kind", "reason", "text"), CASES.values(), ids=CASES)
def test_condition_says_what_is_wrong(changes: dict[str, Any], kind: str, reason: str, text: str) -> None:
    found = condition(status_of(observed(**copy.deepcopy(changes))), kind)
    assert found["status"] != "True"
    assert found["reason"] == reason
    assert text in found["message"]


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
    later = with_times(accepted(observed(), again), again, "2027-01-01T00:00:00Z")
    assert later == first
    assert transitions(later, again) == []


def test_transition_time_moves_only_with_the_status() -> None:
    document = DOCUMENT | {"status": status_of(observed())}
    seen = observed(pods=pods("restoring"))
    now = with_times(accepted(seen, document), document, "2027-01-01T00:00:00Z")
    assert condition(now, "StateRestored")["lastTransitionTime"] == "2027-01-01T00:00:00Z"
    assert condition(now, "SecretsResolved")["lastTransitionTime"] == "2026-01-01T00:00:00Z"


def test_ceasing_to_be_ready_is_a_warning() -> None:
    document = DOCUMENT | {"status": status_of(observed())}
    seen = observed(children={("KafkaConnector", "storefront-search"): connector("FAILED")})
    news = {t.type: t for t in transitions(accepted(seen, document), document)}
    assert news["Ready"].is_warning
    assert news["ConnectorsReady"].reason == "Failed"


def test_one_ready_pod_of_connect_is_enough() -> None:
    workers = [pod("a", ready=False), pod("b", ready=True)]
    assert condition(status_of(observed(connect_pods=workers)), "ConnectorsReady")["status"] == "True"
    assert condition(status_of(observed(connect_pods=[])), "ConnectorsReady")["status"] == "True"


def test_failure_stays_said_while_strimzi_restarts_the_task() -> None:
    failed = observed(children={("KafkaConnector", "storefront-search"): connector("FAILED", trace="boom")})
    document = DOCUMENT | {"status": status_of(failed)}
    restarting = connector("RESTARTING")
    restarting["status"]["autoRestart"] = {"count": 1, "lastRestartTimestamp": "1970-01-01T00:00:00Z"}
    seen = observed(children={("KafkaConnector", "storefront-search"): restarting})
    said = condition(status_of(seen, document), "ConnectorsReady")
    assert said["reason"] == "Failed"
    assert "fails since 1970-01-01T00:00:00Z, restarted 1 time since: boom" in said["message"]
    assert condition(status_of(observed(), document), "ConnectorsReady")["status"] == "True"


def test_pipeline_that_ran_before_a_pause_is_degraded_after_it() -> None:
    ran = status_of(observed()) | {"phase": "Paused"}
    assert status_of(observed(pods={}), DOCUMENT | {"status": ran})["phase"] == "Degraded"
    new = status_of(observed(pods=pods("waiting"))) | {"phase": "Paused"}
    assert status_of(observed(pods={}), DOCUMENT | {"status": new})["phase"] == "Starting"


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
        (
            Next("b", 1, RolloutMemory("a"), RolloutPhase.ROLLING, pod=1),
            "False",
            "turn of pod storefront-processor-1.",
        ),
        (Next("b", 0, RolloutMemory("a"), RolloutPhase.ROLLING), "False", "replaced one by one."),
        (Next("b", 2, RolloutMemory("a"), RolloutPhase.WAITING, pod=1), "False", "every task caught up"),
        (
            Next("b", 0, RolloutMemory("a"), RolloutPhase.STUCK, pod=0),
            "False",
            "kubectl describe pod storefront-processor-0",
        ),
        (Next("a", 2, RolloutMemory("a", "b", "no image"), RolloutPhase.ROLLING_BACK), "False", "no image"),
        (
            Next("a", 0, RolloutMemory("a", "b", "no image"), RolloutPhase.ROLLED_BACK),
            "False",
            "clickstream.dev/failed-rollout-",
        ),
        (Next("a", 0, RolloutMemory("a"), RolloutPhase.DONE), "True", "Every pod"),
    ],
    ids=lambda value: str(value.phase) if isinstance(value, Next) else "",
)
def test_roll_out_is_said_with_what_to_do(step: Next, status: str, said: str) -> None:
    found = {c.type: c for c in conditions_of(PIPELINE, observed(), Decided(rollout=step))}["RolledOut"]
    assert found.truth == status
    assert said in found.message
    assert found.is_fatal is (step.phase is RolloutPhase.ROLLED_BACK)


def clicking(clicks_s: float, refused_s: float, **letters: int) -> Document:
    """Return the status where pod 0 says so of its clicks."""
    reasons = {name.replace("_", "-"): count for name, count in letters.items()}
    seen = replace(pods()[0], clicks_s=clicks_s, refused_s=refused_s, dead_lettered=reasons)
    return accepted(observed(pods={0: seen}))


@pytest.mark.parametrize(
    ("clicks_s", "refused_s", "letters", "reason"),
    [
        (100, 92, {"wrong_partition": 900, "null_key": 20}, "WrongPartition"),
        (100, 92, {"wrong_partition": 9, "key_mismatch": 800, "late": 100}, "WrongKey"),
        (100, 100, {"null_key": 800}, "WrongKey"),
        (100, 40, {"wrong_partition": 900}, "Taken"),  # corrected, or another producer is right
        (100, 92, {"wrong_partition": 400, "late": 500}, "Taken"),  # another trouble
        (1, 1, {"wrong_partition": 9}, "Taken"),  # somebody tries
        (100, 0, {}, "Taken"),
        (0, 0, {"wrong_partition": 900}, "NoClicks"),
    ],
)
def test_most_clicks_on_a_wrong_partition_are_said_with_both_cures(
    clicks_s: float, refused_s: float, letters: dict[str, int], reason: str
) -> None:
    status = clicking(clicks_s, refused_s, **letters)
    found, ready = condition(status, "ClicksTaken"), condition(status, "Ready")
    assert found["reason"] == reason
    wrong = reason.startswith("Wrong")
    assert (found["status"] == "False", ready["status"] == "False") == (wrong, wrong)
    if wrong:
        assert ready["reason"] == reason
        assert "partitioner=murmur2_random" in ready["message"]
        assert "topics.partitioner: any" in ready["message"]
        assert reason in [t.reason for t in transitions(status, DOCUMENT)]


def test_what_is_known_of_clicks_holds_while_none_comes() -> None:
    wrong = clicking(100, 92, wrong_partition=900)
    seen = observed(pods={0: replace(pods()[0], dead_lettered={"wrong-partition": 900})})
    later = accepted(seen, DOCUMENT | {"status": wrong})
    assert condition(later, "ClicksTaken") == condition(wrong, "ClicksTaken")
    assert condition(later, "Ready")["status"] == "False"


def test_options_of_topics_that_do_not_fit_are_a_condition_and_no_part_of_ready() -> None:
    finding = (
        "topic enriched-clicks: message.timestamp.after.max.ms is 3600000, needed is 7200000 or more: ..."
    )
    told = {0: replace(pods()[0], topic_findings=(finding,))}
    status = accepted(observed(pods=told))
    by_type = {c["type"]: c for c in status["conditions"]}
    assert (by_type["TopicsFit"]["status"], by_type["TopicsFit"]["reason"]) == ("False", "OptionsDiffer")
    assert by_type["TopicsFit"]["message"] == finding
    assert by_type["Ready"]["status"] == "True"
    assert [t.reason for t in transitions(status, DOCUMENT) if t.type == "TopicsFit"] == ["OptionsDiffer"]
    fits = accepted(observed())
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
    found = {c.type: c for c in conditions_of(PIPELINE, observed(pods=standing(29_000)), Decided())}
    assert found["StateRestored"].reason == "Restored"


def test_a_lag_that_a_pod_does_not_know_is_unknown_and_not_none() -> None:
    found = pods()
    found[0].tasks["clicks-3"] = TaskState(0, "owner", "restoring", None)  # type: ignore[index]
    assert accepted(observed(pods=found))["lag"] == "unknown"
    assert accepted(observed())["lag"] == "<1s"


@pytest.mark.parametrize(
    ("task", "lag_ms"),
    [({"lag_ms": 7}, 7), ({"lag_ms": 0}, 0), ({}, None), ({"lag_ms": None}, None)],
    ids=["known", "nothing waits", "left out", "null"],
)
def test_a_lag_that_a_pod_leaves_out_is_not_zero(task: dict[str, Any], lag_ms: int | None) -> None:
    answer = {"tasks": {"clicks-0": {"role": "owner", "phase": "restoring", **task}}}
    assert read_state(0, answer).tasks["clicks-0"].lag_ms == lag_ms


def test_tasks_that_do_not_wait_for_the_snapshot_do_not_say_that_it_is_complete() -> None:
    starting = {f"clicks-{n}": TaskState(0, "owner", "restoring") for n in range(12)}
    others = {f"arrivals-{n}": TaskState(0, "owner", "running") for n in range(12)}
    seen = observed(pods={0: replace(pods()[0], tasks=starting | others)})
    assert condition(status_of(seen), "ProfilesLoaded")["reason"] == "Restoring"


def test_what_a_pod_says_of_its_clicks_is_read_and_may_be_missing() -> None:
    answer = {"rates": {"clicks": 7.5, "dead_lettered": 2}, "dead_lettered": {"wrong-partition": 3}}
    seen = read_state(0, answer)
    assert (seen.clicks_s, seen.refused_s, seen.dead_lettered) == (7.5, 2.0, {"wrong-partition": 3})
    assert (read_state(0, {}).clicks_s, read_state(0, {}).dead_lettered) == (0.0, {})
