"""What a pipeline says of connectors that fail, from what the real Strimzi writes, look after look."""

from typing import Any

import pytest
from clickstream_operator.kube.connector_state import LOOK, next_look, refusal
from clickstream_operator.kube.times import epoch_s, stamp
from clickstream_operator.lifecycle.connector_failures import STEADY_S, Failure, failures, remembered

NOW_S = epoch_s("2026-11-28T12:00:00Z")
TRACE = "ConnectException: gave up\n\tat A\nCaused by: PSQLException: FATAL: no such role s3cret\n\tat B"
NAME = "storefront-profiles"


def connector(
    *tasks: str, restarts: int = 0, last_s: float = NOW_S, trace: str = "", **more: Any
) -> dict[str, Any]:
    """Return a KafkaConnector as Strimzi leaves it."""
    said: list[dict[str, Any]] = [{"id": i, "state": state} for i, state in enumerate(tasks)]
    for task in said:
        if task["state"] == "FAILED" and trace:
            task["trace"] = trace
    status: dict[str, Any] = {
        "observedGeneration": 1,
        "conditions": [{"type": "Ready", "status": "True"}],
        "connectorStatus": {"connector": {"state": "RUNNING"}, "tasks": said},
    }
    if restarts:
        status["autoRestart"] = {"count": restarts, "lastRestartTimestamp": stamp(last_s)}
    return {
        "metadata": {"name": NAME, "generation": 1},
        "spec": {"state": "running"},
        "status": status | more,
    }


def after(known: tuple[Failure, ...], live: dict[str, Any], at_s: float = NOW_S) -> tuple[Failure, ...]:
    found = failures(known, {NAME: live}, at_s, lambda text: text.replace("s3cret", "***"))
    return remembered(
        {"connectorFailures": [failure.document() for failure in found]}
    )  # as from look to look


def test_connector_that_runs_or_starts_for_the_first_time_has_not_failed() -> None:
    for live in (connector("RUNNING"), connector(), connector("UNASSIGNED"), {**connector(), "status": {}}):
        assert after((), live) == ()


def test_failed_task_is_told_with_its_causes_and_without_secrets() -> None:
    (found,) = after((), connector("RUNNING", "FAILED", trace=TRACE))
    assert (found.part, found.since, found.restarts) == ("task 1", "2026-11-28T12:00:00Z", 0)
    assert found.cause == "ConnectException: gave up; Caused by: PSQLException: FATAL: no such role ***"


def test_task_that_strimzi_restarts_over_and_over_fails_all_the_while() -> None:
    """Strimzi restarts in the pass in which it sees the failure, and writes RESTARTING without a trace."""
    known = after((), connector("FAILED", trace=TRACE))
    course = [
        ("RESTARTING", 1),
        ("RUNNING", 1),
        ("FAILED", 1),
        ("RESTARTING", 2),
        ("UNASSIGNED", 2),
        ("RUNNING", 2),
    ]
    for number, (state, restarts) in enumerate(course):
        at_s = NOW_S + 10 * number
        known = after(known, connector(state, restarts=restarts, last_s=at_s - 5), at_s)
        assert [(f.since, f.restarts) for f in known] == [("2026-11-28T12:00:00Z", restarts)], state
        assert "no such role" in known[0].cause
    last_s = NOW_S + 10 * len(course)
    assert after(known, connector("RUNNING", restarts=2, last_s=last_s), last_s + STEADY_S - 1) == known
    assert after(known, connector("RUNNING", restarts=2, last_s=last_s), last_s + STEADY_S) == ()


def test_failure_that_was_never_seen_itself_is_told_by_the_restarts() -> None:
    (found,) = after((), connector("RESTARTING", restarts=3))
    assert (found.part, found.since, found.restarts, found.cause) == ("task 0", stamp(NOW_S), 3, "")


def test_row_without_its_key_is_still_known_while_the_task_restarts() -> None:
    trace = "E: x\nThis topic cannot accept message without key in partition 3.\nCaused by: E: y"
    known = after((), connector("FAILED", trace=trace))
    assert known[0].has_no_key
    assert after(known, connector("RESTARTING", restarts=1))[0].has_no_key


def test_connector_that_is_stopped_on_purpose_has_not_failed() -> None:
    live = connector(restarts=1)
    live["spec"]["state"] = "stopped"
    live["status"]["connectorStatus"]["connector"]["state"] = "STOPPED"
    assert after((), live) == ()


def looks(live: dict[str, Any], seconds: int, since: int = 0) -> list[int]:
    """Return at which seconds Strimzi is asked to look at a connector that stays as it is."""
    asked = []
    for second in range(since, seconds):
        mark, again_s = next_look(live, NOW_S + second)
        if mark:
            asked.append(second)
            live["metadata"]["annotations"] = {LOOK: mark}
        assert mark or again_s is None or again_s > 0
    return asked


def test_strimzi_is_asked_to_look_at_what_has_not_settled_with_growing_pauses() -> None:
    assert looks(connector(), 599) == [0, 5, 15, 35, 75, 135]
    assert looks(connector(), 900) == [0, 5, 15, 35, 75, 135, 735, 740, 750, 770, 810, 870]


def test_strimzi_is_asked_from_the_beginning_about_a_spec_that_changed() -> None:
    live = connector()
    assert looks(live, 100) == [0, 5, 15, 35, 75]
    live["metadata"]["generation"] = 2
    assert [second - 100 for second in looks(live, 120, since=100)] == [0, 5, 15]


@pytest.mark.parametrize("state", ["running", "stopped", "paused"])
def test_strimzi_is_not_asked_about_what_is_as_it_shall_be(state: str) -> None:
    said = {"running": "RUNNING", "stopped": "STOPPED", "paused": "PAUSED"}[state]
    live = connector(*[said] * (state != "stopped"))
    live["spec"]["state"] = state
    live["status"]["connectorStatus"]["connector"]["state"] = said
    assert looks(live, 300) == []
    live["metadata"]["generation"] = 2  # changed: the status is about what was before
    assert looks(live, 4) == [0]


@pytest.mark.parametrize("said", ["", "a/b", "²/1/1", "9" * 5_000 + "/1/1", "99999999999/1/1", "-1/0/1"])
def test_annotation_that_is_none_of_ours_is_replaced(said: str) -> None:
    live = connector("UNASSIGNED")
    live["metadata"]["annotations"] = {LOOK: said}
    assert next_look(live, NOW_S) == (f"{int(NOW_S)}/0/1", 5)


@pytest.mark.parametrize(
    "status",
    [
        {"connectorStatus": None, "conditions": None},
        {"connectorStatus": {"connector": None, "tasks": None}},
        {"autoRestart": {"count": 3, "lastRestartTimestamp": "yesterday"}},
        {"autoRestart": {"count": 3, "lastRestartTimestamp": None}},
    ],
)
def test_status_with_less_than_strimzi_writes_is_no_failure(status: dict[str, Any]) -> None:
    live = connector("RUNNING", **status)
    assert after((), live) == ()
    assert refusal(live) == ""
    next_look(live, NOW_S)
