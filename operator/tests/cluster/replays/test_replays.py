"""Replays from apply to their end, with the real API server, Job controller and garbage collector."""

import time
from typing import Any

import pytest
from clickstream_local.testing.eventually import eventually
from operator_support.cluster.controlplane import Refused
from operator_support.cluster.operations import Replay
from operator_support.cluster.world import PASSWORD, OperatorProcess, World, path_of, secret
from operator_support.operation_documents import REPORT

READING = {**REPORT, "phase": "reading", "scanned": 4, "replayed": 2, "failed_again": 0}
SETTLING = {**REPORT, "phase": "waiting", "failed_again": 0}
DONE = REPORT


@pytest.fixture
def ready(world: World, shop: str) -> str:
    """Return a namespace with a ready pipeline storefront."""
    world.create(shop)
    world.wait_ready(shop)
    return shop


def reasons(world: World, shop: str, name: str = "fix") -> list[str]:
    found = [event for event in world.events(shop) if event["involvedObject"]["name"] == name]
    return [str(event["reason"]) for event in found]


def test_replay_runs_from_its_job_to_its_report(world: World, operator: OperatorProcess, ready: str) -> None:
    labels = '{outcome="replayed"}'
    letters = operator.metric("clickstream_operator_replayed_letters_total", labels)
    replay = Replay(world, ready).create(reasons=["mistyped-field"])
    replay.wait_for("Complete", "Starting")
    pod = replay.run_pod()
    replay.answers(READING)
    replay.wait_for("Complete", "Running")
    assert (replay.status["phase"], replay.status["progress"]) == ("Reading", "40 %")
    phases = f'{{kind="ClickReplay",namespace="{ready}",phase="Reading"}}'
    eventually(
        lambda: operator.metric("clickstream_operator_operations", phases) == 1, "the phase is a metric"
    )
    replay.answers(SETTLING)
    replay.wait_for("Complete", "Settling")
    replay.end_pod(pod, DONE)
    replay.wait_for("Complete", "Replayed")
    status = replay.status
    assert (status["phase"], status["progress"], status["observedGeneration"]) == ("Complete", "100 %", 1)
    assert (status["matched"], status["replayed"], status["failedAgain"], status["skipped"]) == (4, 3, 1, 1)
    assert status["byReason"]["mistyped-field"] == {"matched": 4, "replayed": 3, "failedAgain": 1}
    assert status["first"] == REPORT["first"]
    assert status["startTime"] <= status["completionTime"]
    assert replay.condition("Accepted")["status"] == "True"
    assert replay.condition("Failed")["status"] == "False"
    eventually(lambda: {"ReplayStarted", "ReplayComplete"} <= {*reasons(world, ready)}, "both Events")
    assert len(reasons(world, ready)) == 2
    assert operator.metric("clickstream_operator_replayed_letters_total", labels) == letters + 3
    line = world.plane.kubectl("get", "crp", "-n", ready).splitlines()[1].split()
    assert line[:7] == ["fix", "storefront", "3", "4", "100", "%", "True"]
    world.plane.kubectl("wait", "clickreplay/fix", "-n", ready, "--for=condition=Complete", "--timeout=60s")


def test_deleted_replay_takes_its_objects_along(world: World, ready: str) -> None:
    replay = Replay(world, ready).create()
    replay.run_pod()
    paths = [
        replay.job_path,
        f"/api/v1/namespaces/{ready}/configmaps/fix-replay",
        f"/apis/networking.k8s.io/v1/namespaces/{ready}/networkpolicies/fix-replay",
    ]
    assert all(world.plane.get(path) for path in paths)
    replay.delete()
    eventually(lambda: not any(world.plane.get(path) for path in paths), "its objects go")
    eventually(lambda: replay.pods() == [], "its pods go")


def test_replays_of_a_pipeline_run_one_after_the_other(world: World, ready: str) -> None:
    first = Replay(world, ready, "first").create()
    pod = first.run_pod()
    second = Replay(world, ready, "second").create()
    waits = second.wait_for("Accepted", "AnotherRuns")
    assert "first" in waits["message"]
    assert second.job() is None
    first.end_pod(pod, DONE)
    first.wait_for("Complete", "Replayed")
    second.run_pod()
    assert second.condition("Accepted")["status"] == "True"


def test_replay_waits_for_its_pipeline_and_starts_once_it_is_ready(world: World, shop: str) -> None:
    replay = Replay(world, shop).create()
    assert "storefront" in replay.wait_for("Accepted", "PipelineNotFound")["message"]
    world.standins.switch_off("topics")
    world.create(shop)
    assert "TopicsReady" in replay.wait_for("Accepted", "PipelineNotReady")["message"]
    assert replay.job() is None
    world.standins.topics = True
    replay.run_pod()
    assert replay.condition("Accepted")["reason"] == "Accepted"


@pytest.mark.parametrize("spec", [{"where": "letter.nothing"}, {"set": {"timestamp": "int(click.timestamp"}}])
def test_expression_that_cannot_run_makes_no_job(world: World, ready: str, spec: dict[str, object]) -> None:
    replay = Replay(world, ready).create(**spec)
    failed = replay.wait_for("Failed", "InvalidExpression")
    assert failed["status"] == "True"
    assert f"spec.{next(iter(spec))}" in failed["message"]
    assert replay.job() is None
    eventually(lambda: "ReplayFailed" in reasons(world, ready), "the Event")


def test_job_that_failed_is_told_with_its_message(world: World, ready: str) -> None:
    replay = Replay(world, ready).create()
    pod = replay.run_pod()
    world.plane.merge(replay.job_path, {"spec": {"backoffLimit": 0}})  # or ten minutes of tries
    replay.end_pod(pod, {**REPORT, "phase": "failed", "message": f"may not write, {PASSWORD}"}, code=1)
    failed = replay.wait_for("Failed", "JobFailed")
    assert "may not write" in failed["message"]
    assert replay.condition("Complete")["status"] == "False"
    assert replay.status["phase"] == "Failed"
    assert replay.status["replayed"] == 3


def test_failed_try_is_told_and_the_next_goes_on(world: World, ready: str) -> None:
    replay = Replay(world, ready).create()
    replay.end_pod(replay.run_pod(), "no broker answers", code=1)
    eventually(lambda: "1 of 7 tries failed" in replay.condition("Complete")["message"], "the try is told")
    assert "no broker answers" in replay.condition("Complete")["message"]
    replay.end_pod(replay.run_pod(), DONE)
    replay.wait_for("Complete", "Replayed")


def test_pod_that_cannot_start_is_told(world: World, ready: str) -> None:
    replay = Replay(world, ready).create()
    replay.make_pod_wait("ImagePullBackOff", "no such image")
    assert "no such image" in replay.wait_for("Complete", "PodWaits")["message"]


def test_what_answers_in_the_pods_place_does_no_harm(world: World, ready: str) -> None:
    replay = Replay(world, ready).create()
    pod = replay.run_pod()
    odd: list[Any] = [
        [],
        {"phase": "reading", "first": [3] * 99, "total": -1},
        {"phase": "x" * 999_999},
        None,
    ]
    told = {**READING, "first": [{"place": "\ud800", "value": "v" * 5000}], "matched": 99}
    replay.answers(lambda: odd.pop() if odd else told)
    eventually(lambda: replay.status.get("matched") == 99, "the last answer is told")
    assert len(replay.status["first"][0]["value"]) == 200
    replay.end_pod(pod, DONE)
    replay.wait_for("Complete", "Replayed")


def test_progress_that_changes_always_is_not_asked_for_always(world: World, ready: str) -> None:
    replay = Replay(world, ready).create()
    pod = replay.run_pod()
    asked: list[float] = []

    def answer() -> dict[str, object]:
        asked.append(time.monotonic())
        return {**READING, "scanned": 0, "matched": len(asked)}

    replay.answers(answer)
    eventually(lambda: len(asked) >= 8, "it is asked for")
    # Each 3 s, and once in a resync of 4 s; what the operator writes itself is no reason to ask again.
    assert len(asked) <= 4 + 0.6 * (asked[-1] - asked[0])
    replay.end_pod(pod, DONE)
    replay.wait_for("Complete", "Replayed")


def test_secrets_of_the_pod_are_not_told(world: World, shop: str) -> None:
    kafka = {
        "bootstrapServers": "events-kafka-bootstrap:9092",
        "cluster": "events",
        "authentication": {"type": "scram-sha-512", "user": "storefront"},
    }
    password = secret(shop, "storefront", password=PASSWORD)
    world.plane.request("POST", f"/api/v1/namespaces/{shop}/secrets", password)
    world.create(shop, kafka=kafka)
    world.wait_ready(shop)
    replay = Replay(world, shop).create()
    pod = replay.run_pod()
    leaky = {**DONE, "first": [{"place": "p", "reason": "late", "value": PASSWORD}]}
    replay.answers({**leaky, "phase": "reading", "message": PASSWORD})
    replay.wait_for("Complete", "Running")
    assert PASSWORD not in str(replay.status)
    replay.end_pod(pod, leaky)
    replay.wait_for("Complete", "Replayed")
    assert PASSWORD not in f"{replay.status} {world.events(shop)}"
    assert replay.status["first"][0]["value"] == "[redacted]"


def test_replay_that_ended_goes_when_its_time_is_over(world: World, ready: str) -> None:
    short = Replay(world, ready, "short").create(ttlAfterFinished="1s")
    short.end_pod(short.run_pod(), DONE)
    eventually(short.is_gone, "it is deleted")
    eventually(lambda: short.job() is None, "and its Job")
    long = Replay(world, ready, "long").create()
    long.end_pod(long.run_pod(), DONE)
    long.wait_for("Complete", "Replayed")


def test_spec_cannot_be_changed(world: World, ready: str) -> None:
    replay = Replay(world, ready).create()
    with pytest.raises(Refused, match="runs once"):
        world.plane.merge(replay.path, {"spec": {"limit": 3}})


def test_lost_job_is_made_again(world: World, ready: str) -> None:
    replay = Replay(world, ready).create()
    replay.run_pod()
    lost = replay.job()["metadata"]["uid"]
    world.plane.request("DELETE", replay.job_path, {"propagationPolicy": "Background"})
    eventually(lambda: (replay.job() or {}).get("metadata", {}).get("uid", lost) != lost, "another Job")


def test_objects_of_others_are_not_touched(world: World, ready: str) -> None:
    path = f"/api/v1/namespaces/{ready}/configmaps"
    meta = {"name": "fix-replay", "namespace": ready}
    world.plane.request("POST", path, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta})
    replay = Replay(world, ready).create()
    assert "ConfigMap fix-replay" in replay.wait_for("Accepted", "NameTaken")["message"]
    world.plane.request("DELETE", f"{path}/fix-replay")
    replay.run_pod()


def test_refusal_of_the_api_server_is_told_until_it_is_over(world: World, ready: str) -> None:
    group = "/apis/admissionregistration.k8s.io/v1"
    rule = {"apiGroups": ["batch"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["jobs"]}
    policy = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "no-jobs"},
        "spec": {
            "matchConstraints": {"resourceRules": [rule]},
            "validations": [{"expression": "false", "message": "no Jobs here"}],
        },
    }
    namespaces = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": ready}}}
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "no-jobs"},
        "spec": {"policyName": "no-jobs", "validationActions": ["Deny"], "matchResources": namespaces},
    }
    world.plane.request("POST", f"{group}/validatingadmissionpolicies", policy)
    world.plane.request("POST", f"{group}/validatingadmissionpolicybindings", binding)
    try:
        eventually(lambda: is_denied(world, ready), "the policy is in force")
        replay = Replay(world, ready).create()
        assert "no Jobs here" in replay.wait_for("Complete", "ApplyRefused")["message"]
        assert replay.condition("Accepted")["status"] == "True"
    finally:
        world.plane.request("DELETE", f"{group}/validatingadmissionpolicybindings/no-jobs")
        world.plane.request("DELETE", f"{group}/validatingadmissionpolicies/no-jobs")
    replay.end_pod(replay.run_pod(), DONE)
    replay.wait_for("Complete", "Replayed")


def is_denied(world: World, shop: str) -> bool:
    container = {"name": "c", "image": "registry.test/nothing:1"}
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "probe", "namespace": shop},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [container]}}},
    }
    try:
        world.plane.request("POST", f"/apis/batch/v1/namespaces/{shop}/jobs?dryRun=All", job)
    except Refused as refused:
        return "no Jobs here" in refused.message
    return False


def test_pipeline_is_not_disturbed_by_a_replay_and_its_end(world: World, ready: str) -> None:
    replay = Replay(world, ready).create()
    replay.end_pod(replay.run_pod(), DONE)
    replay.wait_for("Complete", "Replayed")
    replay.delete()
    eventually(replay.is_gone)
    assert world.is_ready(ready)
    world.plane.request("DELETE", path_of(ready))
    eventually(lambda: world.pipeline(ready) is None)
