"""One look at one pipeline: the whole of what the operator does, in one function to read.

It starts from what is, never from what happened, so it can be repeated, interrupted and started
again at any point. An error of the user's becomes a condition; an error of the world's goes up to
the queue, which tries the key again.
"""

import dataclasses
import secrets
from collections.abc import Sequence
from typing import Protocol

from clickstream_operator.errors import InvalidSpec
from clickstream_operator.kube.api import ApiFailure
from clickstream_operator.kube.applier import Applier
from clickstream_operator.kube.kinds import Document
from clickstream_operator.kube.store import Key
from clickstream_operator.kube.times import utc_now
from clickstream_operator.lifecycle.connector_failures import failures_of
from clickstream_operator.lifecycle.decided import Deadlines, Decided, decide
from clickstream_operator.lifecycle.deletion.deletion import elapsed_s, next_step
from clickstream_operator.lifecycle.deletion.source_end import SETTLE_S
from clickstream_operator.lifecycle.desired import may_assign, needed_names, peer_key
from clickstream_operator.lifecycle.id_conflicts import IdConflicts
from clickstream_operator.lifecycle.plan import Step
from clickstream_operator.lifecycle.rollouts.rollout import RolloutPhase
from clickstream_operator.lifecycle.window_change import window_changed
from clickstream_operator.manifests.names import names_of
from clickstream_operator.manifests.platform import Platform
from clickstream_operator.metrics import CONDITION
from clickstream_operator.observed import AssignmentState, Observed
from clickstream_operator.reconciling.actions import Actions, Record
from clickstream_operator.reconciling.observe import Observer
from clickstream_operator.source.news import Shown, memory_of, warnings, with_memory
from clickstream_operator.source.resnapshot import is_under_way
from clickstream_operator.source.verdict import holds_source
from clickstream_operator.spec.clickpipeline import ClickPipeline, parse
from clickstream_operator.status.pipeline_status import (
    PLAN_ONLY,
    accepted_status,
    deleting_status,
    is_settled,
    mode_of,
    refused_status,
    transitions,
)
from clickstream_operator.workqueue.outcome import Outcome

# A pipeline on its way is looked at again this soon: what its pods say is seen by no watch.
SOON_S = 3.0
DELETING_S = 1.0  # while a deletion waits for something
NEXT_STEP_S = 0.1
# How often the lag is asked for while it decides the number of pods.
LAG_S = 10.0


class Companion(Protocol):
    """What else runs for each pipeline on the leader: the controller of the assignment."""

    def seen(self, pipeline: ClickPipeline, observed: Observed) -> AssignmentState:
        """Take notice of a pipeline that may run; return what is known of its assignment."""

    def forget(self, key: Key) -> None:
        """Stop what runs for a pipeline."""


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
        deadlines: Deadlines = Deadlines(),  # noqa: B008  # frozen
    ) -> None:
        self._observer = observer
        self._applier = applier
        self._platform = platform
        self._record = record
        self._companion = companion
        self._slot_settle_s = slot_settle_s
        self._deadlines = deadlines
        self._id_conflicts = IdConflicts()
        self._shown = Shown()
        self._shown_conditions: dict[Key, set[str]] = {}  # those that the metrics have
        self._actions = Actions(applier, record)

    async def reconcile(self, key: Key) -> Outcome:
        """Bring one pipeline to its desired state.

        1. Read it: one that is gone, being deleted, invalid or a namesake ends here. 2. Observe. 3. Refuse
        what takes others' names or outputs, or cannot be changed. 4. Decide. 5. Act, unless paused. 6. Tell:
        write the status, and an Event for each transition.
        """
        document = await self._observer.pipeline(key)  # 1
        if document is None:
            return await self._forget(key)
        try:
            return await self._reconcile(key, document)
        except (ApiFailure, TimeoutError):
            raise
        except Exception as error:  # a fault of the operator, or an object of a form that nobody foresaw
            message = f"The operator failed at this pipeline, its log says where: {type(error).__name__}."
            await self._refuse(document, "InternalError", message)
            raise

    async def _reconcile(self, key: Key, document: Document) -> Outcome:
        is_leaving = bool(document["metadata"].get("deletionTimestamp"))
        try:
            pipeline = parse(document)
        except InvalidSpec as invalid:
            if is_leaving:
                return await self._let_go(document, ())
            return await self._refuse(document, "InvalidSpec", str(invalid))
        if is_leaving:
            return await self._take_down(document, pipeline)
        self._id_conflicts.learn(key, pipeline, document)
        if twin := self._id_conflicts.older(key):
            message = f"spec.id {pipeline.id} belongs to the older pipeline {twin}: choose another id."
            return await self._refuse(document, "IdTaken", message)
        observed = await self._observe(document, pipeline)  # 2
        if taken := _taken(pipeline, observed):  # 3
            message = f"{', '.join(taken)} exist and are not this pipeline's: rename them, or the pipeline."
            return await self._refuse(document, "NameTaken", message)
        refusal = self._refusal(key, pipeline, observed)
        runs = observed.child("StatefulSet", names_of(pipeline).statefulset) is not None
        # Running pods keep their controller, whatever is refused or paused: it gives away a dead pod's tasks.
        if (
            self._companion
            and may_assign(pipeline, observed)
            and (runs or not (refusal or mode_of(document)))
        ):
            observed = dataclasses.replace(observed, assignment=self._companion.seen(pipeline, observed))
        if refusal:
            return await self._refuse(document, *refusal)
        self._shown.show(key, pipeline, observed)
        decided = decide(pipeline, document, self._platform, observed, self._deadlines)  # 4
        if mode_of(document):
            gone = [f"remove {kind.kind} {left['metadata']['name']}" for kind, left in decided.leftovers]
            pending = [*(str(step) for step in decided.steps), *gone]
            return await self._tell(document, pipeline, observed, decided, pending)  # 6
        return await self._act(document, pipeline, observed, decided)  # 5

    def notice(self, document: Document) -> None:
        """Remember what a pipeline claims, before a younger one is looked at."""
        try:
            pipeline = parse(document)
        except InvalidSpec:
            return
        self._id_conflicts.learn(Key(pipeline.namespace, pipeline.name), pipeline, document)

    async def release(self, key: Key) -> None:
        """Let a pipeline of a namespace that goes away go at once: nobody will be there to do it later."""
        document = await self._observer.pipeline(key)
        if document and await self._observer.is_terminating(key.namespace):
            await self._let_go(document, ())

    async def _observe(self, document: Document, pipeline: ClickPipeline) -> Observed:
        """Return what there is of a pipeline, with what is remembered of its source."""
        memory = memory_of(document)
        observed = await self._observer.observe(
            pipeline, wants_news=is_under_way(memory), is_gap_known=memory.gap is not None
        )
        return with_memory(pipeline, document, observed)

    def _refusal(self, key: Key, pipeline: ClickPipeline, observed: Observed) -> tuple[str, str] | None:
        """Return reason and message of what a running pipeline may not change to, or a new one may not be."""
        if clash := self._id_conflicts.clash(key):
            return "OutputTaken", clash
        if changed := window_changed(pipeline, observed):
            return "WindowChanged", changed
        return None

    async def _act(
        self, document: Document, pipeline: ClickPipeline, observed: Observed, decided: Decided
    ) -> Outcome:
        """Apply what differs; once nothing does, take one more step, or tell that all is as it shall be."""
        await self._applier.set_finalizer(document, pipeline.spec.deletion_policy == "Delete")
        if names_of(pipeline).peer_key not in observed.secrets:
            uid = document["metadata"]["uid"]
            await self._applier.create_once(peer_key(pipeline, uid, secrets.token_urlsafe(32)))
            return Outcome("changed", 0)
        if decided.steps:
            return await self._apply(document, decided.steps)
        done = await self._actions.take(document, pipeline, observed, decided)
        if done.again_s is not None:
            return Outcome("changed", done.again_s)
        decided = dataclasses.replace(decided, claims_refused=done.refused)
        outcome = await self._tell(document, pipeline, observed, decided)
        look_s = await self._actions.look_again(pipeline, observed)
        again_s = min((s for s in (outcome.again_s, look_s) if s is not None), default=None)
        return dataclasses.replace(outcome, again_s=again_s)

    async def _tell(
        self,
        document: Document,
        pipeline: ClickPipeline,
        observed: Observed,
        decided: Decided,
        pending: Sequence[str] = (),
    ) -> Outcome:
        """Write status and Events. `pending`: steps that are not taken, since the pipeline is paused."""
        status = accepted_status(pipeline, observed, decided, document, pending)
        wrote = await self._write(document, status)
        if mode_of(document) == PLAN_ONLY and pending != (document.get("status", {}).get("plan") or []):
            shown = "; ".join(pending)[:1000] or "nothing would change"
            self._record(document, "Normal", "Planned", f"{len(pending)} changes: {shown}")
        for reason, message in warnings(pipeline, document, observed) if wrote else ():
            self._record(document, "Warning", reason, message[:1000])
        if wrote and (message := _advice(status, document)):
            self._record(document, "Normal", "ScalingAdvised", message)
        under_way = observed.assignment is not None and bool(observed.assignment.undrained)
        under_way |= decided.rollout is not None and decided.rollout.phase in _ROLLING
        under_way |= is_under_way(observed.memory) or holds_source(pipeline, observed)
        unsettled = under_way or (
            not is_settled(status) and (observed.pods or observed.denied or not _has_secrets(status))
        )
        again_s = SOON_S if unsettled else LAG_S if decided.autoscaling else None
        return Outcome("changed" if wrote else "unchanged", again_s)

    async def _apply(self, document: Document, steps: Sequence[Step]) -> Outcome:
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
        key = Key(document["metadata"]["namespace"], document["metadata"]["name"])
        shown = self._shown_conditions.setdefault(key, set())
        for condition in status["conditions"]:
            value = {"True": 1, "False": 0}.get(condition["status"], -1)
            CONDITION.labels(key.namespace, key.name, condition["type"]).set(value)
            shown.add(condition["type"])
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
        observed = dataclasses.replace(observed, memory=memory_of(document))
        meta = document["metadata"]
        elapsed = elapsed_s(document, utc_now())
        failing = {failure.name for failure in failures_of(document, observed)}
        settle_s = self._slot_settle_s
        take = next_step(pipeline, meta["uid"], observed, elapsed, failing=failing, settle_s=settle_s)
        if not take.is_done:
            await self._write(document, deleting_status(document, take.doing, take.has_dropped))
        if take.apply:
            await self._applier.apply(take.apply)
        elif take.annotate:
            kind, name, annotations = take.annotate
            await self._applier.annotate(kind, meta["namespace"], name, annotations)
        elif take.delete:
            await self._applier.delete(take.delete[0], meta["namespace"], take.delete[1])
        elif take.is_done:
            return await self._let_go(document, take.left)
        else:
            await self._actions.look_again(pipeline, observed)
        return Outcome("changed", DELETING_S if take.waits else NEXT_STEP_S)

    async def _let_go(self, document: Document, left: tuple[str, ...]) -> Outcome:
        if left:
            message = f"Not removed, or not known to be; look, and do it by hand: {', '.join(left)}."
            self._record(document, "Warning", "LeftBehind", message)
        await self._applier.set_finalizer(document, present=False)
        return Outcome("changed")

    async def _forget(self, key: Key) -> Outcome:
        self._id_conflicts.forget(key)
        self._shown.forget(key)
        self._observer.forget(key)
        if self._companion:
            self._companion.forget(key)
        for condition in self._shown_conditions.pop(key, ()):
            CONDITION.remove(key.namespace, key.name, condition)
        return Outcome("gone")


# Answers that waiting alone may not mend: they are said in the status, and tried again all the same.
_REFUSALS = (400, 403, 422)

_ROLLING = (RolloutPhase.ROLLING, RolloutPhase.WAITING, RolloutPhase.STUCK, RolloutPhase.ROLLING_BACK)


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
