"""One step of a reconcile: what this look adds to what is remembered of the source, and what it tells."""

from dataclasses import replace

from clickstream_operator.database.memory import SourceMemory, after_look, remembered
from clickstream_operator.kube.kinds import Document
from clickstream_operator.kube.store import Key
from clickstream_operator.kube.times import stamp
from clickstream_operator.manifests.names import names_of
from clickstream_operator.metrics import SOURCE_FINDINGS
from clickstream_operator.observed import Observed
from clickstream_operator.source.resnapshot import RESNAPSHOT, progress
from clickstream_operator.source.verdict import found
from clickstream_operator.spec.clickpipeline import ClickPipeline


def memory_of(document: Document) -> SourceMemory:
    """Return what a pipeline's status remembers."""
    return remembered((document.get("status") or {}).get("source") or {})


def with_memory(pipeline: ClickPipeline, document: Document, observed: Observed) -> Observed:
    """Return what was observed with what is remembered, this look included."""
    memory, now = memory_of(document), stamp(observed.now_s)
    connector = observed.child("KafkaConnector", names_of(pipeline).profiles_connector)
    if observed.source:
        slot = str(pipeline.postgres.slot)
        memory = after_look(memory, observed.source, slot, connector is not None, now)
    annotations = document["metadata"].get("annotations") or {}
    asked = annotations.get(RESNAPSHOT, "") if pipeline.has_table else ""
    memory = progress(memory, pipeline, asked, observed.connectors(), observed.source, now)
    if observed.source and not observed.source.is_pending and not observed.source.problem:
        reasons = dict.fromkeys(finding.reason for finding in found(pipeline, observed))
        memory = replace(memory, findings=tuple(reasons))
    return replace(observed, memory=memory)


def warnings(pipeline: ClickPipeline, document: Document, observed: Observed) -> list[tuple[str, str]]:
    """Return reason and message of each finding that was not there at the look before."""
    known = memory_of(document).findings
    return [(f.reason, str(f)) for f in found(pipeline, observed) if f.reason not in known]


_NOTHING = {("None", "gap"), ("None", "refuse")}  # there at 0: nothing found differs from nobody looked


class Shown:
    """Which findings the metrics show of each pipeline, so that what is fixed is taken back."""

    def __init__(self) -> None:
        self._series: dict[Key, set[tuple[str, str]]] = {}

    def show(self, key: Key, pipeline: ClickPipeline, observed: Observed) -> None:
        """Make the metrics say what is found now."""
        now = {(finding.reason, str(finding.severity)) for finding in found(pipeline, observed)}
        if observed.memory.gap:
            now.add((observed.memory.gap.reason, "gap"))
        for reason, severity in self._series.get(key, set()) - now - _NOTHING:
            SOURCE_FINDINGS.remove(key.namespace, key.name, reason, severity)
        for reason, severity in now:
            SOURCE_FINDINGS.labels(key.namespace, key.name, reason, severity).set(1)
        for reason, severity in _NOTHING:
            SOURCE_FINDINGS.labels(key.namespace, key.name, reason, severity).set(0)
        self._series[key] = now | _NOTHING

    def forget(self, key: Key) -> None:
        """Take back all of a pipeline that is gone."""
        for reason, severity in self._series.pop(key, set()):
            SOURCE_FINDINGS.remove(key.namespace, key.name, reason, severity)
