"""What is told of an erasure follows from its receipt, bounded, and names no user."""

import json
from typing import Any

import pytest
from clickstream_operator.operations.operation import Phase, read_last_word
from clickstream_operator.operations.pods.receipt import read_receipt
from operator_support.operation_documents import (
    ALICE_HASH,
    RECEIPT,
    condition_of,
    decided,
    ended,
    erasure_document,
    job_condition,
    made_objects,
    operation_of,
    pod,
    replay_document,
    told,
    with_job,
)

GONE = erasure_document()
STARTED = told(GONE, decided(GONE))


def done(receipt: Any, **spec: Any) -> dict[str, Any]:
    document = erasure_document(**spec)
    objects = with_job(document, **job_condition("Complete"))
    decision = decided(document, objects=objects, pods=[pod(phase="Succeeded", **ended(receipt))])
    return dict(told(document, decision)["status"])


def test_receipt_of_the_end_is_the_status() -> None:
    status = done(RECEIPT)
    assert (status["phase"], status["userCount"], status["users"]) == ("Complete", 1, [ALICE_HASH])
    assert status["goneAt"] == "2027-01-22T06:40:00Z"
    assert status["places"] == [
        {
            "name": "shop.storefront-changelog",
            "kind": "changelog",
            "found": 6,
            "left": 0,
            "until": "2027-01-22T06:40:00Z",
            "note": "deleted",
        },
        {"name": "pods", "kind": "pods", "found": 2, "left": 0},
        {"name": "user-clicks", "kind": "expires", "until": "2027-01-22T06:40:00Z"},
    ]
    (complete,) = [each for each in status["conditions"] if each["type"] == "Complete"]
    assert (complete["status"], complete["reason"]) == ("True", "Erased")
    assert "2027-01-22T06:40:00Z" in complete["message"]
    assert status["completionTime"]


def test_what_is_still_there_and_what_is_not_known_is_said() -> None:
    places = [
        {"name": "user-profiles", "kind": "profile", "found": 1, "left": 1},
        {"name": "kept-for-ever", "kind": "expires", "until_ms": None},
    ]
    status = done({**RECEIPT, "places": places, "message": "there is no controller"})
    (complete,) = [each for each in status["conditions"] if each["type"] == "Complete"]
    assert "1 profiles are still there" in complete["message"]
    assert "No time is known of kept-for-ever" in complete["message"]
    assert "there is no controller" in complete["message"]
    assert status["message"] == "there is no controller"


def test_dry_run_says_what_there_is_and_that_nothing_was_erased() -> None:
    places = [{**place, "left": place.get("found")} for place in RECEIPT["places"]]
    status = done({**RECEIPT, "places": places, "gone_ms": None}, dryRun=True)
    (complete,) = [each for each in status["conditions"] if each["type"] == "Complete"]
    assert (complete["status"], complete["reason"]) == ("True", "DryRun")
    assert complete["message"].startswith("6 records and documents have something of 1 users. Nothing was")
    assert "goneAt" not in status
    assert [place.get("left") for place in status["places"]] == [6, 2, None]


def test_pod_that_ended_before_its_end_completes_nothing() -> None:
    status = done({**RECEIPT, "phase": "waiting"})
    assert status["phase"] == "Failed"


@pytest.mark.parametrize(
    ("phase", "shown", "reason"),
    [
        ("surveying", Phase.SURVEYING, "Running"),
        ("erasing", Phase.ERASING, "Running"),
        ("waiting", Phase.SETTLING, "Settling"),
        ("verifying", Phase.VERIFYING, "Running"),
        ("done", Phase.VERIFYING, "Running"),
        ("failed", Phase.ERASING, "Running"),
    ],
)
def test_progress_of_the_pod_is_told(phase: str, shown: Phase, reason: str) -> None:
    answer = read_receipt({**RECEIPT, "phase": phase, "message": "3 tasks have not come so far"})
    decision = decided(STARTED, objects=with_job(GONE), pods=[pod()], progress=answer)
    assert (decision.phase, condition_of(decision, "Complete")[1]) == (shown, reason)
    assert ("3 tasks" in condition_of(decision, "Complete")[2]) == (phase == "waiting")
    silent = decided(told(STARTED, decision), objects=with_job(GONE), pods=[pod()])
    assert (silent.phase, told(told(STARTED, decision), silent)["status"]["users"]) == (shown, [ALICE_HASH])


def test_last_word_with_fewer_hashes_takes_none_away() -> None:
    users = [f"{number:064x}" for number in range(150)]
    answer = read_receipt({**RECEIPT, "phase": "verifying", "users": users, "count": 150})
    seen = {"objects": with_job(GONE), "pods": [pod()]}
    before = told(STARTED, decided(STARTED, progress=answer, **seen))
    assert before["status"]["users"] == users[:100]
    last = pod(phase="Succeeded", **ended({**RECEIPT, "users": users[:9], "count": 150}))
    objects = with_job(GONE, **job_condition("Complete"))
    status = told(before, decided(before, objects=objects, pods=[last]))["status"]
    assert (status["userCount"], status["users"]) == (150, users[:100])


def test_pod_that_waits_for_the_secret_of_users_names_it() -> None:
    document = erasure_document(usersSecret={"name": "leavers", "key": "all"})
    started = told(document, decided(document))
    decision = decided(started, objects=with_job(document), pods=[pod(phase="Pending")])
    assert "the key all of the Secret leavers" in condition_of(decision, "Complete")[2]


@pytest.mark.parametrize("answer", [{}, [], None, "done", {"phase": "reading"}, {"phase": ["done"]}])
def test_what_is_no_receipt_is_refused(answer: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        read_receipt(answer)


@pytest.mark.parametrize(
    "odd",
    [
        {"users": ["alice123", 3, None, "A" * 64, ALICE_HASH + "0"], "count": -1},
        {"places": ["x", None, {"kind": "other"}, {"name": "p" * 9_999, "kind": "pods", "found": "1"}] * 99},
        {"places": [{"kind": "index", "until_ms": 10**400, "left": -5, "note": "\ud800" * 999}]},
        {"gone_ms": 2**60, "message": "m" * 99_999},
        {"gone_ms": "soon", "places": {}, "users": {}},
    ],
)
def test_odd_parts_are_bounded(odd: dict[str, Any]) -> None:
    receipt = read_receipt({"phase": "done", **odd})
    assert (receipt.users, receipt.count, receipt.gone_ms) == ((), 0, None)
    assert len(receipt.places) <= 50
    assert len(receipt.message) <= 1000
    assert len(json.dumps(receipt.fields({}))) < 30_000
    json.dumps(receipt.fields({}), ensure_ascii=False).encode()


def test_lines_of_a_pod_without_a_receipt_are_not_shown() -> None:
    failure = job_condition("Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    dead = pod(phase="Failed", **ended("Traceback: KeyError: 'alice123'", 1))
    decision = decided(STARTED, objects=with_job(GONE, **failure), pods=[dead])
    status = told(STARTED, decision)["status"]
    assert status["phase"] == "Failed"
    assert "alice123" not in str(status)


def test_no_user_gets_into_the_status_whatever_the_pod_says() -> None:
    leaky = {
        **RECEIPT,
        "message": "alice123 is still there",
        "users": ["alice123"],
        "places": [{"name": "alice123", "kind": "index", "note": "of alice123"}],
    }
    hidden = {"redact": lambda text: text.replace("alice123", "[redacted]")}
    for phase in ("surveying", "erasing", "waiting", "verifying"):
        seen = {"objects": with_job(GONE, failed=1), "pods": [pod(**ended(leaky)), pod()], **hidden}
        decision = decided(STARTED, progress=read_receipt({**leaky, "phase": phase}), **seen)
        assert "alice123" not in str(told(STARTED, decision)["status"])
    for ending in ("Complete", "Failed"):
        seen = {"objects": with_job(GONE, **job_condition(ending)), "pods": [pod(**ended(leaky))], **hidden}
        assert "alice123" not in str(told(STARTED, decided(STARTED, **seen))["status"])


@pytest.mark.parametrize("text", ["", "Killed", '{"phase": "done"', "[" * 100_000, "3"])
def test_last_word_that_is_no_receipt_is_none(text: str) -> None:
    assert read_last_word(operation_of(GONE), text) is None


def test_an_erasure_and_a_replay_of_a_pipeline_wait_for_each_other() -> None:
    replay, young = replay_document(), erasure_document(made=5)
    waits = decided(young, others=[replay, young])
    assert condition_of(waits, "Accepted")[:2] == ("False", "AnotherRuns")
    assert "ClickReplay fix" in condition_of(waits, "Accepted")[2]
    runs = told(young, decided(young))
    assert "ClickErasure gone" in condition_of(decided(replay, others=[replay, runs]), "Accepted")[2]


def test_an_erasure_and_a_replay_of_one_name_and_second_have_an_order() -> None:
    replay, erasure = replay_document("same", "uid-a"), erasure_document("same", "uid-b")
    others = [replay, erasure]
    started = [bool(decided(each, others=others).create) for each in others]
    assert started == [False, True]


def test_objects_are_made_in_an_order_in_which_the_job_finds_them() -> None:
    created = [each.kind.kind for each in decided(GONE).create]
    assert created == ["ConfigMap", "Secret", "NetworkPolicy", "Job"]
    found = made_objects(GONE)
    del found["Secret", "gone-erasure"]
    assert [each.kind.kind for each in decided(STARTED, objects=found).create] == ["Secret"]
