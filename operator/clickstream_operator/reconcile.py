"""One look at one pipeline: the whole of what the operator does, in one function to read.

It starts from what is, never from what happened, so it can be repeated, interrupted and started
anew at any point. An error of the user's becomes a condition; an error of the world's goes up to
the queue, which tries the key again.
"""

import dataclasses
import secrets
from dataclasses import dataclass
from typing import Protocol

from clickstream_operator.api import ApiFailure
from clickstream_operator.apply import Applier, utc_now
from clickstream_operator.autoscaling import autoscaling_of
from clickstream_operator.deletion import SETTLE_S, elapsed_s, next_step
from clickstream_operator.desired import desired_objects, may_assign, needed_names, peer_key, pods_to_run
from clickstream_operator.errors import InvalidSpec
from clickstream_operator.interventions import Interventions, Record
from clickstream_operator.manifests.names import names_of
from clickstream_operator.manifests.platform import Platform
from clickstream_operator.metrics import CONDITION
from clickstream_operator.observe import Observer
from clickstream_operator.observed import AssignmentState, Document, Observed
from clickstream_operator.plan import Step, plan
from clickstream_operator.rollout import Phase
from clickstream_operator.source.news import Shown, memory_of, warnings, with_memory
from clickstream_operator.source.resnapshot import is_under_way
from clickstream_operator.source.verdict import holds_source
from clickstream_operator.spec import ClickPipeline, parse
from clickstream_operator.status import (
    PAUSED,
    PLAN_ONLY,
    deleting_status,
    healthy_status,
    is_settled,
    mode_of,
    refused_status,
    transitions,
)
from clickstream_operator.store import Key
from clickstream_operator.templates import ROLLOUT_DEADLINE_S, plan_rollout
from clickstream_operator.twins import Twins
from clickstream_operator.window import window_changed

# A pipeline on its way is looked at again this soon: what its pods say is seen by no watch.
SOON_S = 3.0
DELETING_S = 1.0
# How often the lag is asked for while it decides the number of pods.
LAG_S = 10.0


class Companion(Protocol):
    """What else runs for each pipeline on the leader: the controller of the assignment."""

    def seen(self, pipeline: ClickPipeline, observed: Observed) -> AssignmentState:
        """Take notice of a pipeline that may run; return what is known of its assignment."""

    def forget(self, key: Key) -> None:
        """Stop what runs for a pipeline."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a look: a word for the metrics, and when to look again (None: at the next resync)."""

    result: str
    again_s: float | None = None


class Reconciler:
    """Used by the workers of the leader; a key is never looked at by two at once."""

    def __init__(
        self,
        observer: Observer,
        applier: Applier,
        platform: Platform,
        record: Record,
        companion: Companion | None = None,
        slot_settle_s: float = SETTLE_S,
        rollout_deadline_s: float = ROLLOUT_DEADLINE_S,
    ) -> None:
        self._observer = observer
        self._applier = applier
        self._platform = platform
        self._record = record
        self._companion = companion
        self._slot_settle_s = slot_settle_s
        self._rollout_deadline_s = rollout_deadline_s
        self._twins = Twins()
        self._shown = Shown()
        self._interventions = Interventions(applier, record)

    async def reconcile(self, key: Key) -> Outcome:
        """Make a pipeline so.

        1. Read it; it is gone: forget it. 2. It is being deleted: take it down. 3. Its spec is wrong,
        or its id or a name is taken: say so, change nothing. 4. Observe. 5. Render and plan.
        6. Apply and intervene, unless paused. 7. Write the status, and an Event for each transition.
        """
        document = await self._observer.pipeline(key)  # 1
        if document is None:
            return await self._forget(key)
        try:
            pipeline = parse(document)
        except InvalidSpec as invalid:
            if document["metadata"].get("deletionTimestamp"):
                return await self._let_go(document, ())
            return await self._refuse(document, "InvalidSpec", str(invalid))  # 3
        if document["metadata"].get("deletionTimestamp"):
            return await self._take_down(document, pipeline)  # 2
        self._twins.learn(key, pipeline, document)
        if twin := self._twins.older(key):  # 3
            message = f"spec.id {pipeline.id} belongs to the older pipeline {twin}: choose another id."
            return await self._refuse(document, "IdTaken", message)
        memory = memory_of(document)
        observed = await self._observer.observe(  # 4
            pipeline, wants_news=is_under_way(memory), is_gap_known=memory.gap is not None
        )
        if taken := _taken(pipeline, observed):  # 3
            message = f"{', '.join(taken)} exist and are not this pipeline's: rename them, or the pipeline."
            return await self._refuse(document, "NameTaken", message)
        clash = self._twins.clash(key)
        runs = observed.child("StatefulSet", names_of(pipeline).statefulset) is not None
        if self._companion and may_assign(pipeline, observed) and (runs or not clash):
            observed = dataclasses.replace(observed, assignment=self._companion.seen(pipeline, observed))
        if clash:  # 3
            return await self._refuse(document, "OutputTaken", clash)
        if changed := window_changed(pipeline, observed):  # 3; its controller goes on, for fail-over
            return await self._refuse(document, "WindowChanged", changed)
        observed = with_memory(pipeline, document, observed)
        self._shown.show(key, pipeline, observed)
        uid = document["metadata"]["uid"]
        replicas = pods_to_run(pipeline, observed)
        rollout = plan_rollout(pipeline, self._platform, observed, replicas, self._rollout_deadline_s)
        observed = dataclasses.replace(observed, rollout=rollout.next)
        observed = dataclasses.replace(observed, autoscaling=autoscaling_of(pipeline, observed, document))
        steps = plan(desired_objects(pipeline, uid, self._platform, observed, rollout), observed)  # 5
        if mode_of(document) in (PAUSED, PLAN_ONLY):
            return await self._finish(document, pipeline, observed, steps, applied=False)  # 7
        await self._applier.set_finalizer(document, pipeline.spec.deletion_policy == "Delete")  # 6
        if names_of(pipeline).peer_key not in observed.secrets:
            await self._applier.create_once(peer_key(pipeline, uid, secrets.token_urlsafe(32)))
            return Outcome("changed", 0)
        if steps:
            return await self._apply(document, steps)
        done = await self._interventions.take(document, pipeline, observed)
        if done.again_s is not None:
            return Outcome("changed", done.again_s)
        observed = dataclasses.replace(observed, claims_refused=done.refused)
        return await self._finish(document, pipeline, observed, steps, applied=True)  # 7

    def notice(self, document: Document) -> None:
        """Remember what a pipeline claims, before a younger one is looked at."""
        try:
            pipeline = parse(document)
        except InvalidSpec:
            return
        self._twins.learn(Key(pipeline.namespace, pipeline.name), pipeline, document)

    async def release(self, key: Key) -> None:
        """Let a pipeline of a namespace that goes away go at once: nobody will be there to do it later."""
        document = await self._observer.pipeline(key)
        if document and await self._observer.is_terminating(key.namespace):
            await self._let_go(document, ())

    async def _finish(
        self,
        document: Document,
        pipeline: ClickPipeline,
        observed: Observed,
        steps: list[Step],
        applied: bool,
    ) -> Outcome:
        pending = [] if applied else [str(step) for step in steps]
        status = healthy_status(pipeline, observed, document, pending)
        wrote = await self._write(document, status)
        if mode_of(document) == PLAN_ONLY and pending != (document.get("status", {}).get("plan") or []):
            shown = "; ".join(pending)[:1000] or "nothing would change"
            self._record(document, "Normal", "Planned", f"{len(pending)} changes: {shown}")
        under_way = observed.assignment is not None and bool(observed.assignment.undrained)
        under_way |= observed.rollout is not None and observed.rollout.phase in _ROLLING
        under_way |= is_under_way(observed.memory) or holds_source(pipeline, observed)
        unsettled = under_way or (
            not is_settled(status) and (observed.pods or observed.denied or not _has_secrets(status))
        )
        for reason, message in warnings(pipeline, document, observed) if wrote else ():
            self._record(document, "Warning", reason, message[:1000])
        if wrote and (message := _advice(status, document)):
            self._record(document, "Normal", "ScalingAdvised", message)
        again_s = SOON_S if unsettled else LAG_S if observed.autoscaling else None
        return Outcome("changed" if wrote else "unchanged", again_s)

    async def _apply(self, document: Document, steps: list[Step]) -> Outcome:
        for step in steps:
            try:
                await self._applier.apply(step.wanted)
            except ApiFailure as failure:
                if failure.code not in _REFUSALS:
                    raise
                if await self._observer.is_terminating(document["metadata"]["namespace"]):
                    return Outcome("unchanged")  # nothing can be made there, and soon nothing is left
                message = f"The API server refuses to {step}: {failure.message}"
                await self._write(document, refused_status(document, "ApplyRefused", message[:2000]))
                raise
        return Outcome("changed", 0)

    async def _refuse(self, document: Document, reason: str, message: str) -> Outcome:
        await self._write(document, refused_status(document, reason, message))
        return Outcome("refused")

    async def _write(self, document: Document, status: Document) -> bool:
        for condition in status["conditions"]:
            meta = document["metadata"]
            value = {"True": 1, "False": 0}.get(condition["status"], -1)
            CONDITION.labels(meta["namespace"], meta["name"], condition["type"]).set(value)
        changed = transitions(status, document)
        wrote = await self._applier.write_status(document, status)
        for transition in changed if wrote else ():
            kind = "Warning" if transition.is_warning else "Normal"
            message = f"{transition.type}: {transition.message}"[:1000]
            self._record(document, kind, transition.reason, message)
        return wrote

    async def _take_down(self, document: Document, pipeline: ClickPipeline) -> Outcome:
        if pipeline.spec.deletion_policy != "Delete" or await self._observer.is_terminating(
            pipeline.namespace
        ):
            return await self._let_go(document, ())
        if not self._applier.has_finalizer(document):
            return Outcome("unchanged")
        if self._companion:
            self._companion.forget(Key(pipeline.namespace, pipeline.name))
        observed = await self._observer.observe(pipeline, leaving=True)
        meta = document["metadata"]
        elapsed = elapsed_s(document, utc_now())
        take = next_step(pipeline, meta["uid"], observed, elapsed, self._slot_settle_s)
        if not take.is_done:
            await self._write(document, deleting_status(document, take.doing))
        if take.apply:
            await self._applier.apply(take.apply)
        elif take.annotate:
            kind, name, annotations = take.annotate
            await self._applier.annotate(kind, meta["namespace"], name, annotations)
        elif take.delete:
            await self._applier.delete(take.delete[0], meta["namespace"], take.delete[1])
        elif take.is_done:
            return await self._let_go(document, take.left)
        return Outcome("changed", DELETING_S)

    async def _let_go(self, document: Document, left: tuple[str, ...]) -> Outcome:
        if left:
            message = f"Not removed within the deadline, do it by hand: {', '.join(left)}."
            self._record(document, "Warning", "LeftBehind", message)
        await self._applier.set_finalizer(document, present=False)
        return Outcome("changed")

    async def _forget(self, key: Key) -> Outcome:
        self._twins.forget(key)
        self._shown.forget(key)
        self._observer.forget(key)
        if self._companion:
            self._companion.forget(key)
        for name in _CONDITIONS:
            try:
                CONDITION.remove(key.namespace, key.name, name)
            except KeyError:
                continue
        return Outcome("gone")


# Answers that waiting alone may not mend: they are said in the status, and tried again all the same.
_REFUSALS = (400, 403, 422)

_CONDITIONS = (
    *("Ready", "Reconciling", "Stalled", "Paused", "SecretsResolved", "TopicsReady", "TopicsFit"),
    *("ConnectorsReady", "ProcessorsReady", "ProfilesLoaded", "StateRestored", "IndexReady"),
    "SourceReady",
    *("VolumesResized", "RolledOut", "VolumesReachable"),
)

_ROLLING = (Phase.ROLLING, Phase.WAITING, Phase.STUCK, Phase.ROLLING_BACK)


def _taken(pipeline: ClickPipeline, observed: Observed) -> list[str]:
    """Return the needed names that others' objects have; shared topics may be others'."""
    taken = []
    for kind, name in needed_names(pipeline):
        internal = name.startswith(f"{pipeline.id}-")
        if (kind, name) in observed.foreign and (kind != "KafkaTopic" or internal):
            taken.append(f"{kind} {name}")
    return taken


def _advice(status: Document, document: Document) -> str:
    """Return an advice that is news."""
    now, before = (d.get("autoscaling", {}) for d in (status, document.get("status") or {}))
    if "advised" not in now or now["advised"] == before.get("advised"):
        return ""
    return f"{now['replicas']} -> {now['advised']} pods: {now['message']}"


def _has_secrets(status: Document) -> bool:
    return any(c["type"] == "SecretsResolved" and c["status"] == "True" for c in status["conditions"])
