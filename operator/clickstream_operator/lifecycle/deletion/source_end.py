"""How the source of a deleted pipeline ends: it drops its slot, forgets its offsets, and goes. Pure.

It is told to drop its slot when it stops, is stopped, its offsets are reset, so that a later pipeline of that
id starts with a snapshot, and it is removed. Only the connector drops the slot: one that somebody else has
deleted is made again for it. One that did not run when it was stopped may have left its slot.
"""

from dataclasses import dataclass, replace

from clickstream_operator.kube.connector_state import (
    STRIMZI_OFFSETS,
    connector_status,
    is_in,
    is_settled,
    refusal,
)
from clickstream_operator.kube.kinds import Document, Kind, Wanted
from clickstream_operator.lifecycle.deletion.take import Take, removal
from clickstream_operator.lifecycle.desired import finished
from clickstream_operator.manifests import connectors
from clickstream_operator.spec.clickpipeline import API_GROUP, ClickPipeline

# The source gets this long to take the order to drop its slot, and then to stop.
_DROP_S, STOP_S = 120, 180
_REFUSED_S = 30  # a source that Connect has refused for so long was never there
# Connect says RUNNING of a task that is about to be replaced by one with the new options; a task that
# is stopped before it has opened its stream drops nothing.
SETTLE_S = 15.0
DROP_ORDERED = f"{API_GROUP}/slot-drop-ordered"
OFFSETS_RESET = f"{API_GROUP}/offsets-reset"
SLOT_LEFT = f"{API_GROUP}/slot-left"  # the source did not run when it was told to stop


@dataclass(frozen=True, slots=True)
class SourceEnd:
    """One look at it, `elapsed_s` after the deletion was asked for."""

    pipeline: ClickPipeline
    uid: str
    kind: Kind
    elapsed_s: float
    settle_s: float = SETTLE_S

    def step(self, source: Document, *, is_failing: bool, has_slot: bool) -> Take:
        """Return the next step. `has_slot`: the status remembers that it had one."""
        name, meta, is_late = source["metadata"]["name"], source["metadata"], self.elapsed_s >= STOP_S
        if meta.get("deletionTimestamp"):
            return Take(f"waiting for {name} to stop")
        annotations: dict[str, str] = meta.get("annotations", {})
        ordered_at = annotations.get(DROP_ORDERED)
        if ordered_at is None:
            return self.order()
        if source["spec"].get("state") == "running":
            waited_s = self.elapsed_s - float(ordered_at)
            if refusal(source) and not connector_status(source) and waited_s >= _REFUSED_S:
                return replace(removal(self.kind, source), has_dropped=not has_slot)
            took = waited_s >= self.settle_s and (is_failing or is_settled(source))
            if not took and self.elapsed_s < _DROP_S:
                return Take(f"waiting for {name} to take the order to drop its slot")
            left = {SLOT_LEFT: "true"} if is_failing or not took else {}
            return Take(f"stopping {name}", apply=self._source("stopped", {DROP_ORDERED: ordered_at, **left}))
        has_stopped = is_in(source, "STOPPED")
        if not has_stopped and not is_late:
            return Take(f"waiting for {name} to stop and drop its slot")
        if OFFSETS_RESET not in annotations and has_stopped:
            marks = {STRIMZI_OFFSETS: "reset", OFFSETS_RESET: "true"}
            return Take(f"resetting the offsets of {name}", annotate=(self.kind, name, marks))
        if STRIMZI_OFFSETS in annotations and not is_late:
            return Take(f"waiting for the offsets of {name} to be reset")
        return replace(removal(self.kind, source), has_dropped=has_stopped and SLOT_LEFT not in annotations)

    def order(self) -> Take:
        """Tell the source to drop its slot when it stops; one that is not there is made, to do so."""
        order = self._source("running", {DROP_ORDERED: str(int(self.elapsed_s))})
        return Take(f"telling {order.name} to drop its slot", apply=order)

    def _source(self, state: str, annotations: dict[str, str]) -> Wanted:
        """Return the source that drops its slot, in a state."""
        reference = connectors.cluster_references(self.pipeline)
        source = connectors.profiles_connector(self.pipeline, reference, drop_slot=True)
        document = source.manifest(self.pipeline, self.kind.api_version)
        document["spec"]["state"] = state
        document["metadata"]["annotations"] = annotations
        return finished(Wanted(self.kind, document), self.pipeline, self.uid)
