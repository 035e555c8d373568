"""What is done for a replay follows from what is seen, and its status from that."""

from typing import Any

import pytest
from clickstream_operator.operations.decide import RUNNING_S
from clickstream_operator.operations.operation import Phase
from clickstream_operator.operations.pods.report import read_report
from operator_support.operation_documents import (
    NOW_S,
    REPORT,
    condition_of,
    decided,
    ended,
    job_condition,
    made_objects,
    pod,
    ready_pipeline,
    replay_document,
    told,
    with_job,
)

FIX = replay_document()
STARTED = told(FIX, decided(FIX))


def test_replay_of_a_ready_pipeline_is_taken_on_and_gets_its_objects() -> None:
    decision = decided(FIX)
    assert [each.kind.kind for each in decision.create] == ["ConfigMap", "NetworkPolicy", "Job"]
    assert decision.phase == Phase.STARTING
    assert condition_of(decision, "Accepted")[:2] == ("True", "Accepted")
    assert STARTED["status"]["startTime"] == "2027-01-15T08:00:00Z"


def test_only_missing_objects_are_made_again() -> None:
    found = made_objects(FIX)
    del found["NetworkPolicy", "fix-replay"]
    decision = decided(STARTED, objects=found)
    assert [each.kind.kind for each in decision.create] == ["NetworkPolicy"]


def test_lost_job_is_made_again_even_while_another_replay_waits() -> None:
    decision = decided(STARTED, others=[STARTED, replay_document("older", "uid-older", made=0)])
    assert [each.kind.kind for each in decision.create] == ["ConfigMap", "NetworkPolicy", "Job"]


@pytest.mark.parametrize(
    ("pipeline", "reason"),
    [
        (None, "PipelineNotFound"),
        (ready_pipeline(ProcessorsReady="False"), "PipelineNotReady"),
        (ready_pipeline(TopicsReady="Unknown"), "PipelineNotReady"),
        (ready_pipeline() | {"status": {}}, "PipelineNotReady"),
        (ready_pipeline() | {"spec": {}}, "PipelineNotReady"),
    ],
)
def test_replay_waits_for_its_pipeline(pipeline: dict[str, object] | None, reason: str) -> None:
    decision = decided(FIX, pipeline=pipeline)
    assert not decision.create
    assert condition_of(decision, "Accepted")[:2] == ("False", reason)
    assert condition_of(decision, "Complete")[:2] == ("False", "Waiting")
    assert decision.phase == Phase.WAITING
    assert decision.again_s is not None
    assert "startTime" not in told(FIX, decision)["status"]


def test_pipeline_that_is_being_deleted_gets_no_replay() -> None:
    pipeline = ready_pipeline()
    pipeline["metadata"]["deletionTimestamp"] = "2026-11-30T12:00:00Z"
    assert condition_of(decided(FIX, pipeline=pipeline), "Accepted")[1] == "PipelineNotReady"


def test_search_that_is_away_holds_no_replay_back() -> None:
    assert decided(FIX, pipeline=ready_pipeline(ConnectorsReady="False", Ready="False")).create


def test_replays_of_a_pipeline_go_one_after_the_other_the_oldest_first() -> None:
    young = replay_document("a-young-one", "uid-young", made=5)
    assert decided(FIX, others=[FIX, young]).create
    waits = decided(young, others=[FIX, young])
    assert condition_of(waits, "Accepted")[:2] == ("False", "AnotherRuns")
    assert "fix" in condition_of(waits, "Accepted")[2]


def test_replay_that_runs_is_before_an_older_one() -> None:
    older = replay_document("older", "uid-older", made=0)
    running = told(young := replay_document("young", "uid-young", made=5), decided(young))
    assert "young" in condition_of(decided(older, others=[older, running]), "Accepted")[2]


def test_replays_of_one_second_have_an_order_by_name() -> None:
    a, b = replay_document("a", "uid-a"), replay_document("b", "uid-b")
    assert decided(a, others=[a, b]).create
    assert not decided(b, others=[a, b]).create


def test_replays_that_ended_or_leave_or_are_of_another_pipeline_hold_nothing() -> None:
    young = replay_document("young", "uid-young", made=5)
    done = told(FIX, decided(FIX, objects=with_job(FIX, **job_condition("Complete"))))
    leaves = replay_document("leaves", "uid-leaves")
    leaves["metadata"]["deletionTimestamp"] = "2026-11-30T12:00:00Z"
    other = replay_document("other", "uid-other")
    other["spec"]["pipeline"] = "fraud"
    assert decided(young, others=[done, leaves, other, young]).create


def test_objects_of_a_namesake_are_not_taken() -> None:
    decision = decided(FIX, objects=made_objects(replay_document(uid="an-earlier-one")))
    assert not decision.create
    assert condition_of(decision, "Accepted")[1] == "NameTaken"
    assert "Job fix-replay" in condition_of(decision, "Accepted")[2]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"where": "letter.reason"}, "spec.where"),
        ({"where": "letter.nothing == 1"}, "spec.where"),
        ({"set": {"timestamp": "int(click.timestamp"}}, "spec.set.timestamp"),
        ({"set": {"timestamp": "profile.country"}}, "spec.set.timestamp"),
    ],
)
def test_expression_that_cannot_run_ends_the_replay_before_a_job_is_made(
    spec: dict[str, Any], words: str
) -> None:
    document = replay_document(**spec)
    decision = decided(document, pipeline=None)
    assert not decision.create
    truth, reason, message = condition_of(decision, "Failed")
    assert (truth, reason) == ("True", "InvalidExpression")
    assert message.startswith(words)
    status = told(document, decision)["status"]
    assert status["phase"] == "Failed"
    assert status["completionTime"]


def test_sound_expressions_run() -> None:
    where, corrections = 'letter.detail.contains("timestamp")', {"timestamp": "int(click.timestamp)"}
    assert decided(replay_document(where=where, set=corrections)).create


def test_progress_of_the_pod_is_told() -> None:
    answer = {**REPORT, "phase": "reading", "scanned": 4}
    decision = decided(STARTED, objects=with_job(FIX), pods=[pod()], progress=read_report(answer))
    status = told(STARTED, decision)["status"]
    assert (status["phase"], status["progress"]) == ("Reading", "40 %")
    assert (status["matched"], status["replayed"], status["failedAgain"], status["skipped"]) == (4, 3, 1, 1)
    assert decision.again_s == RUNNING_S


def test_replay_settles_when_all_is_sent() -> None:
    answer = read_report({**REPORT, "phase": "waiting"})
    decision = decided(STARTED, objects=with_job(FIX), pods=[pod()], progress=answer)
    assert (decision.phase, condition_of(decision, "Complete")[1]) == (Phase.SETTLING, "Settling")


def test_numbers_stay_while_the_pod_does_not_answer() -> None:
    answer = read_report({**REPORT, "phase": "reading", "scanned": 4})
    before = told(STARTED, decided(STARTED, objects=with_job(FIX), pods=[pod()], progress=answer))
    after = told(before, decided(before, objects=with_job(FIX), pods=[pod()]))
    assert (after["status"]["phase"], after["status"]["replayed"]) == ("Reading", 3)


def test_pod_that_does_not_start_is_told_with_its_reason() -> None:
    waiting = {"reason": "ImagePullBackOff", "message": "no such image"}
    stuck = pod(phase="Pending", waiting=waiting)
    truth, reason, message = condition_of(decided(STARTED, objects=with_job(FIX), pods=[stuck]), "Complete")
    assert (truth, reason) == ("False", "PodWaits")
    assert "ImagePullBackOff: no such image" in message


def test_tries_that_failed_are_told_with_their_last_words() -> None:
    dead = pod(
        "fix-replay-0", "Failed", made=0, **ended({**REPORT, "phase": "failed", "message": "no Kafka"})
    )
    objects = with_job(FIX, failed=2)
    answer = read_report({**REPORT, "phase": "reading"})
    decision = decided(STARTED, objects=objects, pods=[dead, pod()], progress=answer)
    assert "2 of 7 tries failed. The last one said: no Kafka" in condition_of(decision, "Complete")[2]


def complete(report: object, **spec: Any) -> dict[str, object]:
    document = replay_document(**spec)
    started = told(document, decided(document))
    decision = decided(
        started,
        objects=with_job(document, **job_condition("Complete")),
        pods=[pod(phase="Succeeded", **ended(report))],
    )
    return dict(told(started, decision, NOW_S + 60)["status"])


def message_of(status: dict[str, object], kind: str) -> tuple[str, str, str]:
    conditions = status["conditions"]
    assert isinstance(conditions, list)
    (found,) = [each for each in conditions if each["type"] == kind]
    return found["status"], found["reason"], found["message"]


def test_report_of_the_end_is_told() -> None:
    status = complete(REPORT)
    assert (status["phase"], status["progress"]) == ("Complete", "100 %")
    assert status["completionTime"] == "2027-01-15T08:01:00Z"
    assert status["byReason"] == {"mistyped-field": {"matched": 4, "replayed": 3, "failedAgain": 1}}
    assert status["skippedBy"] == {"no value": 1}
    assert status["first"] == REPORT["first"]
    truth, reason, message = message_of(status, "Complete")
    assert (truth, reason) == ("True", "Replayed")
    assert message.startswith("3 of 4 letters were sent once more, 1 of them failed again, 1 were skipped")


def test_dry_run_says_that_nothing_was_sent() -> None:
    assert message_of(complete({**REPORT, "replayed": 0}, dryRun=True), "Complete")[1] == "DryRun"


def test_pod_that_ended_before_its_end_completes_nothing() -> None:
    status = complete({**REPORT, "phase": "reading", "scanned": 3})
    assert status["phase"] == "Failed"
    assert message_of(status, "Failed")[:2] == ("True", "Interrupted")
    assert message_of(status, "Complete")[0] == "False"


def test_lost_report_is_said() -> None:
    assert message_of(complete("Killed."), "Complete")[:2] == ("True", "ReportLost")


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ({**REPORT, "phase": "failed", "message": "the user may not write user-clicks"}, "may not write"),
        ("Traceback: something odd", "something odd"),
    ],
)
def test_failed_job_is_told_with_the_pods_words(word: object, said: str) -> None:
    failure = job_condition("Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    dead = pod(phase="Failed", **ended(word, 1))
    decision = decided(STARTED, objects=with_job(FIX, **failure), pods=[dead])
    truth, reason, message = condition_of(decision, "Failed")
    assert (truth, reason, said in message) == ("True", "JobFailed", True)


def test_replay_that_took_too_long_is_said_to() -> None:
    failure = job_condition("Failed", "DeadlineExceeded", "Job was active longer than specified deadline")
    decision = decided(STARTED, objects=with_job(FIX, **failure))
    assert condition_of(decision, "Failed")[1] == "DeadlineExceeded"


def test_no_secret_gets_into_the_status() -> None:
    leaky = {
        **REPORT,
        "message": "login with hunter2hunter2 failed",
        "skipped_by": {"hunter2hunter2": 1},
        "first": [{"place": "p", "reason": "late", "value": "hunter2hunter2"}],
    }
    hidden = {"redact": lambda text: text.replace("hunter2hunter2", "[redacted]")}
    for phase in ("reading", "waiting"):
        seen = {"objects": with_job(FIX, failed=1), "pods": [pod(**ended(leaky)), pod()], **hidden}
        decision = decided(STARTED, progress=read_report({**leaky, "phase": phase}), **seen)
        assert "hunter2" not in str(told(STARTED, decision))
    for ending in ("Complete", "Failed"):
        seen = {"objects": with_job(FIX, **job_condition(ending)), "pods": [pod(**ended(leaky))], **hidden}
        assert "hunter2" not in str(told(STARTED, decided(STARTED, **seen)))
    waits = pod(phase="Pending", waiting={"reason": "Error", "message": "hunter2hunter2"})
    decision = decided(STARTED, objects=with_job(FIX), pods=[waits], **hidden)
    assert "hunter2" not in str(told(STARTED, decision))
