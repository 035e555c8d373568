"""Erasures from apply to their receipt, with the real API server, Job controller and garbage collector."""

import base64
import json
from typing import Any

import pytest
from clickstream_local.testing.eventually import eventually
from operator_support.cluster.operations import Erasure, Replay
from operator_support.cluster.world import OperatorProcess, World
from operator_support.operation_documents import ALICE_HASH, RECEIPT, REPORT

USER = "alice123"


@pytest.fixture
def ready(world: World, shop: str) -> str:
    """Return a namespace with a ready pipeline storefront."""
    world.create(shop)
    world.wait_ready(shop)
    return shop


def reasons(world: World, shop: str, name: str = "gone") -> list[str]:
    found = [event for event in world.events(shop) if event["involvedObject"]["name"] == name]
    return [str(event["reason"]) for event in found]


def wait_for_phase(erasure: Erasure, phase: str) -> None:
    eventually(lambda: erasure.status["phase"] == phase, f"the phase is {phase}")


def at(phase: str, message: str = "") -> dict[str, Any]:
    """Return the receipt of a phase before the end."""
    return {**RECEIPT, "phase": phase, "message": message, "places": RECEIPT["places"][:1]}


def test_erasure_runs_from_its_job_to_its_receipt(
    world: World, operator: OperatorProcess, ready: str
) -> None:
    erasure = Erasure(world, ready).create()
    erasure.wait_for("Complete", "Starting")
    pod = erasure.run_pod()
    for phase, shown in (("surveying", "Surveying"), ("erasing", "Erasing"), ("verifying", "Verifying")):
        erasure.answers(at(phase))
        wait_for_phase(erasure, shown)
    erasure.answers(at("waiting", "3 tasks have not come so far"))
    assert "3 tasks" in erasure.wait_for("Complete", "Settling")["message"]
    series = f'{{kind="ClickErasure",namespace="{ready}",phase="Settling"}}'
    eventually(lambda: operator.metric("clickstream_operator_operations", series) == 1, "it is a metric")
    erasure.end_pod(pod, RECEIPT)
    erasure.wait_for("Complete", "Erased")
    status = erasure.status
    assert (status["phase"], status["observedGeneration"]) == ("Complete", 1)
    assert (status["userCount"], status["users"]) == (1, [ALICE_HASH])
    assert [(each["kind"], each.get("left")) for each in status["places"]] == [
        ("changelog", 0),
        ("pods", 0),
        ("expires", None),
    ]
    assert status["goneAt"] == "2027-01-22T06:40:00Z"
    assert status["startTime"] <= status["completionTime"]
    assert erasure.condition("Failed")["status"] == "False"
    eventually(lambda: {"ErasureStarted", "ErasureComplete"} <= {*reasons(world, ready)}, "both Events")
    assert len(reasons(world, ready)) == 2
    # The operator hears of its own status by a watch.
    eventually(
        lambda: operator.metric("clickstream_operator_operations", series) == 0, "it has left the phase"
    )
    head, line = (text.split() for text in world.plane.kubectl("get", "cer", "-n", ready).splitlines()[:2])
    assert head == ["NAME", "PIPELINE", "USERS", "PHASE", "COMPLETE", "GONE", "AGE"]
    assert line[:6] == ["gone", "storefront", "1", "Complete", "True", "2027-01-22T06:40:00Z"]
    wait = ("wait", "clickerasure/gone", "-n", ready, "--for=condition=Complete", "--timeout=60s")
    world.plane.kubectl(*wait)


def test_no_user_of_an_erasure_is_in_the_clear_but_in_its_spec_and_secret(
    world: World, operator: OperatorProcess, ready: str
) -> None:
    erasure = Erasure(world, ready).create()
    pod = erasure.run_pod()
    path = f"/api/v1/namespaces/{ready}/secrets/gone-erasure"
    secret = world.plane.get(path)
    assert json.loads(base64.b64decode(secret["data"]["erasure.json"]))["users"] == [USER]
    leaky = {
        **RECEIPT,
        "message": f"{USER} has 3 documents",
        "users": [USER, ALICE_HASH],
        "places": [{"name": f"of-{USER}", "kind": "index", "note": USER, "found": 3, "left": 3}],
    }
    erasure.answers({**leaky, "phase": "erasing"})
    eventually(lambda: erasure.status.get("places"), "the answer is told")
    erasure.end_pod(pod, f"KeyError: {USER}", code=1)
    eventually(lambda: "1 of 7 tries failed" in erasure.condition("Complete")["message"], "the try is told")
    erasure.end_pod(erasure.run_pod(), leaky)
    erasure.wait_for("Complete", "Erased")
    job, config = erasure.job(), world.plane.get(f"/api/v1/namespaces/{ready}/configmaps/gone-erasure")
    for told in (erasure.status, world.events(ready), job, config, operator.log.read_text()):
        assert USER not in str(told)
    assert erasure.status["users"] == [ALICE_HASH]


def test_erasure_of_a_secret_mounts_it_and_keeps_no_copy(world: World, ready: str) -> None:
    meta = {"name": "leavers", "namespace": ready}
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"all": f"{USER}\n"}}
    world.plane.request("POST", f"/api/v1/namespaces/{ready}/secrets", body)
    erasure = Erasure(world, ready).create(usersSecret={"name": "leavers", "key": "all"})
    pod = erasure.run_pod()
    (mounted,) = [p for p in erasure.pods() if p["metadata"]["name"] == pod]
    (files,) = [each for each in mounted["spec"]["volumes"] if each["name"] == "files"]
    assert files["projected"]["sources"][1]["secret"]["name"] == "leavers"
    assert world.plane.get(f"/api/v1/namespaces/{ready}/secrets/gone-erasure") is None
    erasure.end_pod(pod, RECEIPT)
    erasure.wait_for("Complete", "Erased")
    erasure.delete()
    eventually(erasure.is_gone)
    assert world.plane.get(f"/api/v1/namespaces/{ready}/secrets/leavers")


def test_deleted_erasure_takes_its_objects_along(world: World, ready: str) -> None:
    erasure = Erasure(world, ready).create()
    erasure.run_pod()
    paths = [
        erasure.job_path,
        f"/api/v1/namespaces/{ready}/configmaps/gone-erasure",
        f"/api/v1/namespaces/{ready}/secrets/gone-erasure",
        f"/apis/networking.k8s.io/v1/namespaces/{ready}/networkpolicies/gone-erasure",
    ]
    assert all(world.plane.get(path) for path in paths)
    erasure.delete()
    eventually(lambda: not any(world.plane.get(path) for path in paths), "its objects go")
    eventually(lambda: erasure.pods() == [], "its pods go")


def test_erasures_and_replays_of_a_pipeline_run_one_after_the_other(world: World, ready: str) -> None:
    replay = Replay(world, ready, "first").create()
    pod = replay.run_pod()
    erasure = Erasure(world, ready, "second").create()
    assert "ClickReplay first" in erasure.wait_for("Accepted", "AnotherRuns")["message"]
    third = Replay(world, ready, "third").create()
    third.wait_for("Accepted", "AnotherRuns")
    assert erasure.job() is None
    replay.end_pod(pod, REPORT)
    pod = erasure.run_pod()
    eventually(
        lambda: "ClickErasure second" in third.condition("Accepted").get("message", ""), "the next one waits"
    )
    assert third.job() is None
    erasure.end_pod(pod, RECEIPT)
    erasure.wait_for("Complete", "Erased")
    third.run_pod()


def test_erasure_whose_job_failed_is_told_with_its_message(
    world: World, operator: OperatorProcess, ready: str
) -> None:
    erasure = Erasure(world, ready).create()
    pod = erasure.run_pod()
    world.plane.merge(erasure.job_path, {"spec": {"backoffLimit": 0}})  # or ten minutes of tries
    word = {**at("failed"), "message": "the search engine answers with status 403"}
    erasure.end_pod(pod, word, code=1)
    failed = erasure.wait_for("Failed", "JobFailed")
    assert "status 403" in failed["message"]
    assert "does all of it once more" in failed["message"]
    assert erasure.status["message"] == "the search engine answers with status 403"
    eventually(lambda: "ErasureFailed" in reasons(world, ready), "the Event")
    series = f'{{kind="ClickErasure",namespace="{ready}",phase="Failed"}}'
    eventually(lambda: operator.metric("clickstream_operator_operations", series) == 1, "it is a metric")
    erasure.delete()
    eventually(lambda: operator.metric("clickstream_operator_operations", series) == 0, "it is none any more")


def test_job_of_an_erasure_that_somebody_deletes_is_made_again(world: World, ready: str) -> None:
    erasure = Erasure(world, ready).create()
    erasure.run_pod()
    erasure.answers(at("erasing"))
    wait_for_phase(erasure, "Erasing")
    lost = erasure.job()["metadata"]["uid"]
    world.plane.request("DELETE", erasure.job_path, {"propagationPolicy": "Background"})
    eventually(lambda: (erasure.job() or {}).get("metadata", {}).get("uid", lost) != lost, "another Job")
    eventually(lambda: len(erasure.pods()) == 1, "the pod of the first is gone")
    erasure.end_pod(erasure.run_pod(), RECEIPT)
    erasure.wait_for("Complete", "Erased")


def test_erasure_that_ended_goes_with_its_secret_when_its_time_is_over(world: World, ready: str) -> None:
    erasure = Erasure(world, ready, "short").create(ttlAfterFinished="1s")
    erasure.end_pod(erasure.run_pod(), RECEIPT)
    eventually(erasure.is_gone, "it is deleted")
    path = f"/api/v1/namespaces/{ready}/secrets/short-erasure"
    eventually(lambda: world.plane.get(path) is None, "and its Secret")
