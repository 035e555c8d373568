"""ClickReplays and ClickErasures, and what a pipeline, a Job and its pods look like to a look at one."""

import hashlib
import json
from typing import Any

from clickstream_operator.operations import job as jobs
from clickstream_operator.operations.decide import Decision, decide
from clickstream_operator.operations.erasure import parse_erasure
from clickstream_operator.operations.operation import Operation
from clickstream_operator.operations.replay import parse_replay
from clickstream_operator.operations.seen import Seen
from clickstream_operator.operations.status import status_of
from clickstream_operator.spec.clickpipeline import parse

from operator_support.documents import reference
from operator_support.example_pipelines import PLATFORM

NOW_S = 1_800_000_000.0
REPORT: dict[str, Any] = {
    "phase": "done",
    "scanned": 10,
    "total": 10,
    "matched": 4,
    "replayed": 3,
    "failed_again": 1,
    "skipped": 1,
    "by_reason": {"mistyped-field": {"matched": 4, "replayed": 3, "failed_again": 1}},
    "skipped_by": {"no value": 1},
    "first": [{"place": "user-clicks-0-7", "reason": "mistyped-field", "value": '{"user_id": "alice"}'}],
    "message": "",
}


ALICE_HASH = hashlib.sha256(b"alice123").hexdigest()
GONE_MS = 1_800_600_000_000
RECEIPT: dict[str, Any] = {
    "phase": "done",
    "users": [ALICE_HASH],
    "count": 1,
    "gone_ms": GONE_MS,
    "message": "",
    "places": [
        {
            "name": "shop.storefront-changelog",
            "kind": "changelog",
            "found": 6,
            "left": 0,
            "until_ms": GONE_MS,
            "note": "deleted",
        },
        {"name": "pods", "kind": "pods", "found": 2, "left": 0, "until_ms": None, "note": ""},
        {
            "name": "user-clicks",
            "kind": "expires",
            "found": None,
            "left": None,
            "until_ms": GONE_MS,
            "note": "",
        },
    ],
}


def erasure_document(name: str = "gone", uid: str = "uid-gone", made: int = 0, **spec: Any) -> dict[str, Any]:
    """Return a ClickErasure of alice123 in storefront, unless the spec says other users."""
    users = {} if "usersSecret" in spec else {"users": ["alice123"]}
    document = replay_document(name, uid, made, **{**users, **spec})
    return {**document, "kind": "ClickErasure"}


def operation_of(document: dict[str, Any]) -> Operation:
    """Return the value of a document of either kind."""
    return parse_replay(document) if document["kind"] == "ClickReplay" else parse_erasure(document)


def replay_document(name: str = "fix", uid: str = "uid-fix", made: int = 0, **spec: Any) -> dict[str, Any]:
    """Return a ClickReplay of storefront in namespace shop, made at this second."""
    return {
        "apiVersion": "clickstream.dev/v1alpha1",
        "kind": "ClickReplay",
        "metadata": {
            "name": name,
            "namespace": "shop",
            "uid": uid,
            "generation": 1,
            "creationTimestamp": f"2026-11-30T12:00:{made:02}Z",
        },
        "spec": {"pipeline": "storefront", **spec},
    }


def ready_pipeline(**truths: str) -> dict[str, Any]:
    """Return the reference pipeline with what a replay needs True, unless said otherwise."""
    document: dict[str, Any] = reference()
    found = {"TopicsReady": "True", "ProcessorsReady": "True", **truths}
    document["status"] = {
        "conditions": [
            {"type": kind, "status": truth, "reason": "AReason", "message": "Words."}
            for kind, truth in found.items()
        ]
    }
    return document


def made_objects(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the objects of an operation as they are once they are made."""
    operation = operation_of(document)
    wanted = jobs.objects(operation, parse(ready_pipeline()), PLATFORM)
    return {(each.kind.kind, each.name): each.document for each in wanted}


def with_job(document: dict[str, Any], **status: Any) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the objects, the Job with a status."""
    found = made_objects(document)
    name = jobs.object_name(operation_of(document))
    found["Job", name] = {**found["Job", name], "status": status}
    return found


def job_condition(kind: str, reason: str = "", message: str = "") -> dict[str, Any]:
    """Return the conditions of a Job that has ended."""
    return {"conditions": [{"type": kind, "status": "True", "reason": reason, "message": message}]}


def pod(
    name: str = "fix-replay-1", phase: str = "Running", made: int = 1, **container: Any
) -> dict[str, Any]:
    """Return a pod of a Job; `container`: the state of its container."""
    return {
        "metadata": {"name": name, "creationTimestamp": f"2026-11-30T12:01:{made:02}Z"},
        "status": {
            "phase": phase,
            "podIP": "10.0.0.7",
            "containerStatuses": [{"name": "replay", "state": container}] if container else [],
        },
    }


def ended(report: Any, code: int = 0) -> dict[str, Any]:
    """Return the state of a container that left a report, or plain words."""
    text = report if isinstance(report, str) else json.dumps(report)
    return {"terminated": {"exitCode": code, "reason": "Error" if code else "Completed", "message": text}}


def decided(document: dict[str, Any], **seen: Any) -> Decision:
    """Return what is decided for an operation on a pipeline that is ready, unless told otherwise."""
    found = {"pipeline": ready_pipeline(), **seen}
    return decide(operation_of(document), document, PLATFORM, Seen(NOW_S, **found))


def told(document: dict[str, Any], decision: Decision, now_s: float = NOW_S) -> dict[str, Any]:
    """Return the document with the status of a decision."""
    told = operation_of(document).TOLD
    return {**document, "status": status_of(document, decision, now_s, told)}


def condition_of(decision: Decision, kind: str) -> tuple[str, str, str]:
    """Return truth, reason and message of a condition."""
    (found,) = [each for each in decision.conditions if each.type == kind]
    return found.truth.value, found.reason, found.message
