"""How a pipeline with `deletionPolicy: Delete` is taken down. Pure: the next step follows from what is left.

1. The sink goes. 2. The source is told to drop its replication slot when it stops, is stopped, its
offsets are reset, so that a later pipeline of that id starts with a snapshot, and it goes. 3. The
pods and their volumes go, also those of pods that were scaled away before. 4. The internal topics go.
5. The finalizer goes.

Each wait has an end: a Connect that is away must not hold a namespace for ever. What was then left
behind is named.
"""

import datetime
from dataclasses import dataclass, field

from clickstream_operator.connector_state import STRIMZI_OFFSETS, is_in
from clickstream_operator.desired import Wanted, finished
from clickstream_operator.kinds import BUILT_IN, CLAIM, Kind, strimzi_kind
from clickstream_operator.manifests import connectors, names
from clickstream_operator.observed import Document, Observed
from clickstream_operator.spec import API_GROUP, ClickPipeline

DEADLINE_S = 300
# The source gets this long to take the order to drop its slot, and then to stop.
_DROP_S, _STOP_S = 120, 180
# Connect says RUNNING of a task that is about to be replaced by one with the new options; a task that
# is stopped before it has opened its stream drops nothing.
SETTLE_S = 15.0
DROP_ORDERED = f"{API_GROUP}/slot-drop-ordered"
OFFSETS_RESET = f"{API_GROUP}/offsets-reset"


@dataclass(frozen=True, slots=True)
class Take:
    """One step. Exactly one of the first three is set, or none: wait."""

    doing: str
    apply: Wanted | None = None
    annotate: tuple[Kind, str, dict[str, str]] | None = None
    delete: tuple[Kind, str] | None = None
    is_done: bool = False
    left: tuple[str, ...] = field(default=())  # what remains, for the Event


def next_step(
    pipeline: ClickPipeline, uid: str, observed: Observed, elapsed_s: float, settle_s: float = SETTLE_S
) -> Take:
    """Return what to do now, `elapsed_s` after the deletion was asked for."""
    slot = f"replication slot {pipeline.spec.source.postgres.slot}"
    if elapsed_s > DEADLINE_S:
        left = [
            f"{kind} {name}" for kind, name in observed.children if kind in ("KafkaConnector", "KafkaTopic")
        ]
        return Take("gave up after the deadline", is_done=True, left=(slot, *sorted(left)))
    own = names.names_of(pipeline)
    if observed.strimzi_version:
        kind = strimzi_kind("KafkaConnector", observed.strimzi_version)
        if sink := observed.child("KafkaConnector", own.search_connector):
            return _removal(kind, sink)
        if source := observed.child("KafkaConnector", own.profiles_connector):
            return _source_step(pipeline, uid, kind, source, elapsed_s, settle_s)
    if pods := observed.child("StatefulSet", own.statefulset):
        return _removal(next(k for k in BUILT_IN if k.kind == "StatefulSet"), pods)
    for claim in observed.claims.values():
        if not claim["metadata"].get("deletionTimestamp"):  # a pod that is still leaving holds its own
            return _removal(CLAIM, claim)
    if observed.strimzi_version:
        kind = strimzi_kind("KafkaTopic", observed.strimzi_version)
        internal = [
            topic
            for (kind_name, _), topic in sorted(observed.children.items())
            if kind_name == "KafkaTopic" and topic["metadata"]["labels"].get(names.INTERNAL_LABEL) == "true"
        ]
        for topic in internal:
            if not topic["metadata"].get("deletionTimestamp"):
                return _removal(kind, topic)
        if internal:
            return Take(f"waiting for {len(internal)} internal topics to go")
    return Take("everything is gone", is_done=True)


def _source_step(
    pipeline: ClickPipeline, uid: str, kind: Kind, source: Document, elapsed_s: float, settle_s: float
) -> Take:
    name, meta = source["metadata"]["name"], source["metadata"]
    if meta.get("deletionTimestamp"):
        return Take(f"waiting for {name} to stop")
    annotations: dict[str, str] = meta.get("annotations", {})
    ordered_at = annotations.get(DROP_ORDERED)
    if ordered_at is None:
        order = _source(pipeline, uid, kind, "running", str(int(elapsed_s)))
        return Take(f"telling {name} to drop its slot", apply=order)
    if source["spec"].get("state") == "running":
        took = is_in(source, "RUNNING", "FAILED") and elapsed_s - float(ordered_at) >= settle_s
        if not took and elapsed_s < _DROP_S:
            return Take(f"waiting for {name} to take the order to drop its slot")
        return Take(f"stopping {name}", apply=_source(pipeline, uid, kind, "stopped", ordered_at))
    if not is_in(source, "STOPPED") and elapsed_s < _STOP_S:
        return Take(f"waiting for {name} to stop and drop its slot")
    if OFFSETS_RESET not in annotations and is_in(source, "STOPPED"):
        marks = {STRIMZI_OFFSETS: "reset", OFFSETS_RESET: "true"}
        return Take(f"resetting the offsets of {name}", annotate=(kind, name, marks))
    if STRIMZI_OFFSETS in annotations and elapsed_s < _STOP_S:
        return Take(f"waiting for the offsets of {name} to be reset")
    return _removal(kind, source)


def _source(pipeline: ClickPipeline, uid: str, kind: Kind, state: str, ordered_at: str) -> Wanted:
    """Return the source that drops its slot, in a state. `ordered_at`: seconds after the deletion."""
    reference = connectors.cluster_references(pipeline)
    document = connectors.profiles_connector(pipeline, reference, drop_slot=True).manifest(
        pipeline, kind.api_version
    )
    document["spec"]["state"] = state
    document["metadata"]["annotations"] = {DROP_ORDERED: ordered_at}
    return finished(Wanted(kind, document), pipeline, uid)


def _removal(kind: Kind, document: Document) -> Take:
    name = document["metadata"]["name"]
    if document["metadata"].get("deletionTimestamp"):
        return Take(f"waiting for {kind.kind} {name} to go")
    return Take(f"removing {kind.kind} {name}", delete=(kind, name))


def elapsed_s(document: Document, now: datetime.datetime) -> float:
    """Return the seconds since deletion was asked for."""
    asked = datetime.datetime.fromisoformat(document["metadata"]["deletionTimestamp"])
    return (now - asked).total_seconds()
