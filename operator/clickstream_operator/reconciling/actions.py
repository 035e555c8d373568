"""What is done for a pipeline besides applying its objects, once these are as they shall be.

Pods that a roll-out is stuck on and lost volumes are removed, the number of pods follows the lag, volumes
grow. One step a look, each safe to repeat: what is left to do shows again at the next.
"""

from collections.abc import Callable
from dataclasses import dataclass

from clickstream_operator.kube.applier import Applier
from clickstream_operator.kube.connector_state import LOOK, next_look
from clickstream_operator.kube.kinds import CLAIM, POD, STATEFULSET, Document, strimzi_kind
from clickstream_operator.lifecycle.decided import Decided
from clickstream_operator.lifecycle.rollouts.rollout import RolloutPhase
from clickstream_operator.lifecycle.volumes import growth, must_grow
from clickstream_operator.manifests.names import names_of
from clickstream_operator.observed import Observed
from clickstream_operator.source.resnapshot import leftovers
from clickstream_operator.spec.clickpipeline import ClickPipeline

POD_GOES_S = 1.0

# (object, "Normal" or "Warning", reason, message)
Record = Callable[[Document, str, str, str], None]


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a look's step."""

    again_s: float | None = None  # when to look again; None: there was nothing to do
    refused: str = ""  # why volumes cannot grow


class Actions:
    """Used by the reconciler alone."""

    def __init__(self, applier: Applier, record: Record) -> None:
        self._applier = applier
        self._record = record

    async def take(
        self, document: Document, pipeline: ClickPipeline, observed: Observed, decided: Decided
    ) -> Done:
        """Take the first step that is due; the rest waits for the next look."""
        if await self._clear(document, pipeline, observed):
            return Done(POD_GOES_S)
        if decided.leftovers:
            await self._take_away(document, decided)
            return Done(0)
        if await self._remove(document, observed, decided) or await self._recreate(
            document, pipeline, decided
        ):
            return Done(POD_GOES_S)
        if await self._scale(document, pipeline, decided):
            return Done(0)
        statefulset = observed.child("StatefulSet", names_of(pipeline).statefulset)
        # A StatefulSet that is created again has forgotten what a roll-out remembers.
        at_rest = decided.rollout is not None and decided.rollout.phase in (
            RolloutPhase.DONE,
            RolloutPhase.STARTING,
        )
        if not at_rest or not must_grow(pipeline, statefulset):
            return Done()
        refused = await self._grow(pipeline, observed)
        return Done(refused=refused) if refused else Done(0)

    async def look_again(self, pipeline: ClickPipeline, observed: Observed) -> float | None:
        """Have Strimzi look at connectors that are not as they shall be; return when the next is due, s."""
        due = []
        for name, connector in sorted(observed.connectors().items()):
            mark, again_s = next_look(connector, observed.now_s)
            if mark and observed.strimzi_version:
                kind = strimzi_kind("KafkaConnector", observed.strimzi_version)
                await self._applier.annotate(kind, pipeline.namespace, name, {LOOK: mark})
            due += [] if again_s is None else [again_s]
        return min(due, default=None)

    async def _clear(self, document: Document, pipeline: ClickPipeline, observed: Observed) -> bool:
        """Remove a connector that has read the table again; tell whether there was one."""
        connectors = observed.connectors()
        names = leftovers(observed.memory, pipeline, connectors)
        gone = [name for name in names if not connectors[name]["metadata"].get("deletionTimestamp")]
        if not gone or not observed.strimzi_version:
            return False
        kind = strimzi_kind("KafkaConnector", observed.strimzi_version)
        await self._applier.delete(kind, pipeline.namespace, gone[0])
        self._record(document, "Normal", "Resnapshot", f"Removed {gone[0]}, which has read the table again.")
        return True

    async def _take_away(self, document: Document, decided: Decided) -> None:
        """Remove what the spec does not ask for any more: the collector, a way to it, sinks."""
        for kind, gone in decided.leftovers:
            await self._applier.remove(kind, gone)
            message = f"Removed {kind.kind} {gone['metadata']['name']}: the spec asks for it no more."
            if kind.kind == "KafkaConnector":
                self._record(document, "Normal", "SinkRemoved", message)
            else:
                self._record(document, "Normal", "CollectorRemoved", message)

    async def _remove(self, document: Document, observed: Observed, decided: Decided) -> bool:
        """Remove the pods that a roll-out is stuck on; tell whether there were any."""
        ordinals = decided.rollout.remove if decided.rollout else ()
        for ordinal in ordinals:
            pod = observed.pod_objects[ordinal]
            await self._applier.remove(POD, pod)
            message = f"Removed {pod['metadata']['name']}: it stood in the way of a roll-out."
            self._record(document, "Normal", "PodRemoved", message)
        return bool(ordinals)

    async def _recreate(self, document: Document, pipeline: ClickPipeline, decided: Decided) -> bool:
        """Delete claim and pod of a lost volume where the pipeline asks for that; tell whether there was one.

        The claim first: it stays until its pod is gone, and no new pod is made while it stays.
        """
        gone = [lost for lost in decided.lost if not lost.node]
        if not gone or not pipeline.spec.processors.storage.recreate_lost:
            return False
        await self._applier.delete(CLAIM, pipeline.namespace, gone[0].claim)
        await self._applier.remove(POD, gone[0].pod)
        message = f"Deleted {gone[0].claim} and {gone[0].name}: no node reaches the volume. It is rebuilt."
        self._record(document, "Warning", "VolumeRecreated", message)
        return True

    async def _scale(self, document: Document, pipeline: ClickPipeline, decided: Decided) -> bool:
        """Follow the advice where the pipeline asks for that; tell whether there was any."""
        policy, advised = pipeline.spec.processors.autoscale, decided.autoscaling.get("advised")
        if policy is None or policy.mode != "act" or advised is None:
            return False
        await self._applier.scale(document, advised)
        message = f"{pipeline.spec.processors.replicas} -> {advised} pods: {decided.autoscaling['message']}"
        self._record(document, "Normal", "Scaled", message)
        return True

    async def _grow(self, pipeline: ClickPipeline, observed: Observed) -> str:
        """Take the next step to larger volumes; return why it cannot be taken."""
        step = growth(pipeline, observed.claims)
        for claim in step.claims:
            if refused := await self._applier.grow(pipeline.namespace, claim, step.size):
                return f"{claim}: {refused}"
        if step.recreate:
            await self._applier.orphan(STATEFULSET, pipeline.namespace, names_of(pipeline).statefulset)
        return ""
