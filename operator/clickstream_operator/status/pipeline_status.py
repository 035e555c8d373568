"""The status of a pipeline: conditions, a phase in one word, what autoscalers need. Pure.

The status is compared before it is written, and nothing in it moves while nothing happens, so a
pipeline at rest is never written to.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clickstream_operator.condition import Condition, Truth
from clickstream_operator.database.memory import GAPS, SourceMemory
from clickstream_operator.kube.kinds import Document
from clickstream_operator.lifecycle.decided import Decided
from clickstream_operator.manifests.names import names_of, selector
from clickstream_operator.observed import Observed
from clickstream_operator.source.verdict import LOOKING
from clickstream_operator.spec.clickpipeline import API_GROUP, ClickPipeline
from clickstream_operator.status.conditions import conditions_of, lag, topics_fit
from clickstream_operator.status.pod_conditions import NO_CLICKS

PAUSED = f"{API_GROUP}/paused"
PLAN_ONLY = f"{API_GROUP}/plan-only"


@dataclass(frozen=True, slots=True)
class Transition:
    """A condition that changed: it becomes an Event."""

    type: str
    reason: str
    message: str
    is_warning: bool


def accepted_status(
    pipeline: ClickPipeline,
    observed: Observed,
    decided: Decided,
    document: Document,
    pending: Sequence[str] = (),
) -> Document:
    """Return the status of a pipeline whose spec is sound. `pending`: steps not taken (paused, plan only)."""
    parts = [_known_before(part, document) for part in conditions_of(pipeline, observed, decided)]
    mode = mode_of(document)
    conditions = [*_summary(parts), *parts, topics_fit(observed), _paused(mode)]
    live = (observed.child("StatefulSet", names_of(pipeline).statefulset) or {}).get("status", {})
    wanted, ready = pipeline.spec.processors.replicas, live.get("readyReplicas", 0)
    status: Document = {
        "observedGeneration": document["metadata"]["generation"],
        "phase": _phase(conditions, document),
        "readiness": f"{ready}/{wanted}",
        "replicas": live.get("replicas", 0),
        "readyReplicas": ready,
        "selector": ",".join(f"{k}={v}" for k, v in selector(pipeline).items()),
        "endpoints": _endpoints(pipeline),
    }
    if behind := lag(observed):
        status["lag"] = behind
    if decided.autoscaling:
        status["autoscaling"] = decided.autoscaling
    if decided.failures:
        status["connectorFailures"] = [failure.document() for failure in decided.failures]
    if source := observed.memory.document():
        status["source"] = source
    if mode == PLAN_ONLY:
        status["plan"] = list(pending)[:100]
    return status | {"conditions": _stamped(conditions, document)}


def _endpoints(pipeline: ClickPipeline) -> dict[str, str]:
    own, inside = names_of(pipeline), f"{pipeline.namespace}.svc"
    collector = {"collector": f"http://{own.collector}.{inside}"} if pipeline.spec.collector else {}
    return {"query": f"http://{own.query_service}.{inside}"} | collector


def refused_status(document: Document, reason: str, message: str) -> Document:
    """Return the status of a pipeline that is not acted on: its spec is wrong, its id or a name is taken."""
    conditions = [
        Condition("Ready", Truth.FALSE, reason, message[:8000]),
        Condition("Reconciling", Truth.FALSE, reason, "Nothing is changed until this is fixed."),
        Condition("Stalled", Truth.TRUE, reason, message[:8000]),
    ]
    return _kept(document) | {
        "observedGeneration": document["metadata"]["generation"],
        "phase": "Stalled",
        "conditions": _stamped(conditions, document),
    }


def deleting_status(document: Document, doing: str, has_dropped: bool | None) -> Document:
    """Return the status while a pipeline is being taken down.

    `doing`: what is done, or waited for. `has_dropped`: the source is gone, and has dropped its slot or not.
    """
    message = f"The pipeline is being deleted: {doing}."
    conditions = [
        Condition("Ready", Truth.FALSE, "Deleting", message),
        Condition("Reconciling", Truth.TRUE, "Deleting", message),
        Condition("Stalled", Truth.FALSE, "Deleting", "Nothing needs a hand."),
    ]
    status = _kept(document) | {
        "observedGeneration": document["metadata"]["generation"],
        "phase": "Deleting",
        "conditions": _stamped(conditions, document),
    }
    if has_dropped is not None:
        status["source"] = SourceMemory(is_slot_left=not has_dropped).document()
    return status


def _kept(document: Document) -> Document:
    """Return what the scale subresource reads, and what is remembered, as it was."""
    names = ("replicas", "readyReplicas", "selector", "source", "connectorFailures")
    return {k: v for k, v in document.get("status", {}).items() if k in names}


def mode_of(document: Document) -> str:
    """Return PAUSED, PLAN_ONLY or nothing, as the annotations say."""
    annotations: Mapping[str, str] = document["metadata"].get("annotations") or {}
    return next((mode for mode in (PAUSED, PLAN_ONLY) if annotations.get(mode) == "true"), "")


# Reasons that somebody should hear of even if the condition was not true before.
_FAILURES: tuple[str, ...] = (
    "Failed",
    "NotReady",
    "TopicFailed",
    "PluginMissing",
    "ConnectMissing",
    "ConnectAway",
    "ConnectNotManaged",
    "Missing",
)
_FAILURES += ("Refused", "RollingBack", "RolledBack", "Stuck", "VolumeLost", "NodeSilent", "KeyColumnGone")
_FAILURES += (
    "ConnectMayNotRead",
    "StrimziMissing",
    "PartitionsDiffer",
    "TaskStopped",
    "NoTemplate",
    "OptionsDiffer",
    "SettingsRefused",
    "WrongPartition",
    "WrongKey",
    "NoImage",
    "NoGatewayApi",
)
_FAILURES += GAPS  # what is found in a source is told finding by finding


def transitions(status: Document, document: Document) -> list[Transition]:
    """Return what became true, what ceased to be, and what fails in a new way: news for the Events.

    What is only being waited for is no news, nor are the summaries' changing reasons.
    """
    before = {c["type"]: c for c in document.get("status", {}).get("conditions", [])}
    changed = []
    for now in status["conditions"]:
        old, kind, truth = before.get(now["type"], {}), now["type"], now["status"]
        is_good = truth == ("False" if kind in ("Stalled", "Paused") else "True")
        same = old.get("status") == truth
        if kind == "Reconciling" or truth == "Unknown" or (is_good and (same or not old)):
            continue
        was_good = bool(old) and not same and old.get("status") != "Unknown"
        begins_to_fail = now["reason"] in _FAILURES and old.get("reason") != now["reason"] and kind != "Ready"
        if not (is_good or was_good or begins_to_fail or (kind in ("Stalled", "Paused") and not same)):
            continue
        is_warning = not is_good and kind != "Paused" and now["reason"] != "Deleting"
        changed.append(Transition(kind, now["reason"], now["message"], is_warning))
    return changed


def is_settled(status: Document) -> bool:
    """Tell whether only a change or the next resync can bring news."""
    by_type = {c["type"]: c["status"] for c in status["conditions"]}
    return "True" in (by_type["Ready"], by_type["Stalled"])


def _known_before(condition: Condition, document: Document) -> Condition:
    """Return what was known before, while a new operator has not looked at the source, or no click comes."""
    if condition.reason not in (LOOKING, NO_CLICKS):
        return condition
    status = document.get("status") or {}
    before = {c["type"]: c for c in status.get("conditions", [])}
    old, stalled = before.get(condition.type), before.get("Stalled", {})
    if old is None or old.get("observedGeneration") != document["metadata"]["generation"]:
        return condition
    return Condition(
        condition.type,
        Truth(old["status"]),
        old["reason"],
        old["message"],
        is_fatal=stalled.get("status") == "True" and stalled.get("reason") == old["reason"],
        is_needed=old["status"] != Truth.UNKNOWN,
    )


def _summary(parts: Sequence[Condition]) -> list[Condition]:
    wrong = [c for c in parts if c.truth is not Truth.TRUE and c.is_needed]
    fatal = [c for c in wrong if c.is_fatal]
    if not wrong:
        return [
            Condition("Ready", Truth.TRUE, "Running", "Clicks flow from end to end."),
            Condition("Reconciling", Truth.FALSE, "Done", "Nothing is left to do."),
            Condition("Stalled", Truth.FALSE, "NotStalled", "Nothing needs a hand."),
        ]
    first = (fatal or wrong)[0]
    message = f"{first.type}: {first.message}"
    stalled = Condition("Stalled", Truth.FALSE, "NotStalled", "Nothing needs a hand.")
    reconciling = Condition("Reconciling", Truth.TRUE, first.reason, message)
    if fatal:
        stalled = Condition("Stalled", Truth.TRUE, first.reason, message)
        reconciling = Condition("Reconciling", Truth.FALSE, first.reason, "Waiting for somebody to act.")
    return [Condition("Ready", Truth.FALSE, first.reason, message), reconciling, stalled]


def _paused(mode: str) -> Condition:
    if mode == PAUSED:
        how = f"Changes are not acted on until the annotation {PAUSED} is removed."
        return Condition("Paused", Truth.TRUE, "Annotation", how)
    if mode == PLAN_ONLY:
        how = f"Changes are only shown in status.plan until the annotation {PLAN_ONLY} is removed."
        return Condition("Paused", Truth.TRUE, "PlanOnly", how)
    return Condition("Paused", Truth.FALSE, "NotPaused", "Changes are acted on.")


def _phase(conditions: Sequence[Condition], document: Document) -> str:
    truths = {c.type: c.truth for c in conditions}
    if truths["Stalled"] is Truth.TRUE:
        return "Stalled"
    if truths["Paused"] is Truth.TRUE:
        return "Paused"
    if truths["Ready"] is Truth.TRUE:
        return "Running"
    status = document.get("status", {})
    before, loaded = status.get("phase", ""), ("ProfilesLoaded", "True")
    has_run = any((c["type"], c["status"]) == loaded for c in status.get("conditions", []))
    return "Degraded" if before in ("Running", "Degraded") or (before == "Paused" and has_run) else "Starting"


def _stamped(conditions: Sequence[Condition], document: Document) -> list[dict[str, Any]]:
    """Return the conditions as the API has them, without the time, which apply sets on a transition."""
    return [
        {
            "type": c.type,
            "status": str(c.truth),
            "observedGeneration": document["metadata"]["generation"],
            "reason": c.reason,
            "message": c.message,
        }
        for c in conditions
    ]
