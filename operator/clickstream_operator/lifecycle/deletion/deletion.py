"""How a pipeline with `deletionPolicy: Delete` is taken down. Pure: the next step follows from what is left.

1. The sinks go. 2. The source drops its slot and goes (source_end.py). 3. While that takes its time, the
pods and their volumes go, also those of pods that were scaled away before. 4. The internal topics go. 5. The
finalizer goes.

Each wait has an end: a Connect that is away must not hold a namespace forever. What was then left
behind is named.
"""

import datetime
from collections.abc import Collection, Iterator

from clickstream_operator.errors import InvalidSpec
from clickstream_operator.kube.kinds import BUILT_IN, CLAIM, DEPLOYMENT, Document, strimzi_kind
from clickstream_operator.lifecycle.deletion.source_end import SETTLE_S, STOP_S, SourceEnd
from clickstream_operator.lifecycle.deletion.take import Take, removal
from clickstream_operator.manifests import names
from clickstream_operator.manifests.chosen_connectors import connector_names
from clickstream_operator.observed import Observed
from clickstream_operator.spec.clickpipeline import ClickPipeline, parse

DEADLINE_S = 300


def next_step(
    pipeline: ClickPipeline,
    uid: str,
    observed: Observed,
    elapsed_s: float,
    *,
    failing: Collection[str] = (),
    settle_s: float = SETTLE_S,
) -> Take:
    """Return what to do now, `elapsed_s` after the deletion was asked for. `failing`: names of connectors."""
    own, memory = names.names_of(pipeline), observed.memory
    has_source = observed.child("KafkaConnector", own.profiles_connector) is not None
    has_slot = pipeline.has_table and (has_source or memory.slot or memory.is_slot_left)
    slot = (f"replication slot {pipeline.postgres.slot}",) if has_slot else ()
    if elapsed_s > DEADLINE_S:
        left = [
            f"{kind} {name}" for kind, name in observed.children if kind in ("KafkaConnector", "KafkaTopic")
        ]
        return Take("gave up after the deadline", is_done=True, left=(*slot, *sorted(left)))
    connectors = list(_connectors(pipeline, uid, observed, elapsed_s, failing, settle_s))
    pods = list(_pods(pipeline, observed))
    writers = (("StatefulSet", own.statefulset), ("Deployment", own.collector))
    is_used = connectors or any(observed.child(*writer) for writer in writers)
    # Topics last, when nobody uses them any more.
    steps: list[Take] = [*connectors, *pods, *(() if is_used else _topics(observed))]
    if not steps:
        return Take("everything is gone", is_done=True, left=slot)
    return next((step for step in steps if not step.waits), steps[0])


def _connectors(
    pipeline: ClickPipeline,
    uid: str,
    observed: Observed,
    elapsed_s: float,
    failing: Collection[str],
    settle_s: float,
) -> Iterator[Take]:
    if not observed.strimzi_version:
        return
    own, memory = names.names_of(pipeline), observed.memory
    kind = strimzi_kind("KafkaConnector", observed.strimzi_version)
    end = SourceEnd(pipeline, uid, kind, elapsed_s, settle_s)
    found = observed.connectors()
    others = [name for name in connector_names(pipeline) if name in found and name != own.profiles_connector]
    if others:
        yield from (removal(kind, found[name]) for name in others)
    elif not pipeline.has_table:
        if source := observed.child("KafkaConnector", own.profiles_connector):
            yield removal(kind, source)
    elif source := observed.child("KafkaConnector", own.profiles_connector):
        is_failing = own.profiles_connector in failing
        yield end.step(source, is_failing=is_failing, has_slot=bool(memory.slot))
    elif memory.slot and not memory.is_slot_left and elapsed_s < STOP_S:
        yield end.order()


def _pods(pipeline: ClickPipeline, observed: Observed) -> Iterator[Take]:
    if collector := observed.child("Deployment", names.names_of(pipeline).collector):
        yield removal(DEPLOYMENT, collector)
    if pods := observed.child("StatefulSet", names.names_of(pipeline).statefulset):
        yield removal(next(k for k in BUILT_IN if k.kind == "StatefulSet"), pods)
    for claim in observed.claims.values():
        if not claim["metadata"].get("deletionTimestamp"):  # a pod that is still leaving holds its own
            yield removal(CLAIM, claim)


def _topics(observed: Observed) -> Iterator[Take]:
    if not observed.strimzi_version:
        return
    kind = strimzi_kind("KafkaTopic", observed.strimzi_version)
    internal = [
        topic
        for (kind_name, _), topic in sorted(observed.children.items())
        if kind_name == "KafkaTopic" and topic["metadata"]["labels"].get(names.INTERNAL_LABEL) == "true"
    ]
    yield from (removal(kind, topic) for topic in internal if not topic["metadata"].get("deletionTimestamp"))
    if internal:
        yield Take(f"waiting for {len(internal)} internal topics to go")


def elapsed_s(document: Document, now: datetime.datetime) -> float:
    """Return the seconds since deletion was asked for."""
    asked = datetime.datetime.fromisoformat(document["metadata"]["deletionTimestamp"])
    return (now - asked).total_seconds()


def what_remains(document: Document) -> str:
    """Return what deletion leaves behind, as the policy asks, and how to remove it."""
    try:
        pipeline = parse(document)
    except InvalidSpec:
        return ""  # it made nothing
    if pipeline.spec.deletion_policy == "Delete":
        return ""
    own, slot = names.names_of(pipeline), ""
    if pipeline.has_table:
        postgres = pipeline.postgres
        slot = (
            f"Replication slot {postgres.slot} of database {postgres.database} "
            f"fills its disk until you run: SELECT pg_drop_replication_slot('{postgres.slot}'). "
        )
    kept = f"The topics and the volumes data-{own.statefulset}-* are kept."
    return f"deletionPolicy is Retain. {slot}{kept}"
