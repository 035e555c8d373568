"""What the looks at a source mean for its pipeline: the condition SourceReady, and whether to begin. Pure."""

from typing import TYPE_CHECKING

from clickstream_operator.condition import Condition, Truth, met, unmet
from clickstream_operator.manifests.names import names_of
from clickstream_operator.source.finding import Finding, Severity
from clickstream_operator.source.findings import findings_of
from clickstream_operator.source.resnapshot import RESNAPSHOT, ResnapshotPhase, is_under_way, reader_name
from clickstream_operator.source.wanted import wanted_of
from clickstream_operator.spec.clickpipeline import ClickPipeline

if TYPE_CHECKING:
    from clickstream_operator.observed import Observed

SOURCE_READY = "SourceReady"
LOOKING = "Looking"
# A source connector that is not there yet waits for the first look, but not forever.
FIRST_LOOK_S = 30.0
_LONGEST = 8000
_DOING = {
    ResnapshotPhase.WAITING: "waiting for a look at the database that shows the source's replication slot",
    ResnapshotPhase.STOPPING: "the source connector is being stopped",
    ResnapshotPhase.READING: "a second connector reads the table, see KafkaConnector {reader}",
    ResnapshotPhase.CLOSING: "the second connector, {reader}, is being stopped",
}


def found(pipeline: ClickPipeline, observed: "Observed") -> list[Finding]:
    """Return what is wrong, as the last look that got an answer shows it."""
    facts = observed.source and (observed.source.facts or observed.source.before)
    if not facts:
        return []
    problems = findings_of(wanted_of(pipeline), facts, _has_run(pipeline, observed))
    return [f for f in problems if f.reason != "ReaderSlotLeft" or not is_under_way(observed.memory)]


def holds_source(pipeline: ClickPipeline, observed: "Observed") -> bool:
    """Tell whether a source connector that is not there yet has to wait."""
    look = observed.source
    if look is None or _has_run(pipeline, observed):
        return False
    if look.is_pending:
        return observed.now_s - look.asked_s < FIRST_LOOK_S
    return any(finding.severity is Severity.REFUSE for finding in found(pipeline, observed))


def source_ready(pipeline: ClickPipeline, observed: "Observed") -> Condition:
    """Tell whether the table can be read, as it is and to the last change."""
    if not pipeline.has_table:
        return _without_table(pipeline)
    look, memory = observed.source, observed.memory
    problems = found(pipeline, observed)
    refused = [finding for finding in problems if finding.severity is Severity.REFUSE]
    if is_under_way(memory):
        doing = _DOING[ResnapshotPhase(memory.phase)].format(reader=reader_name(pipeline, memory.resnapshot))
        message = f"The profile table is read again, as {RESNAPSHOT}={memory.resnapshot} asks: {doing}."
        return unmet(SOURCE_READY, "Resnapshot", message)
    if memory.gap:
        message = f"{memory.gap.message} {_cure(pipeline)}"
        return Condition(SOURCE_READY, Truth.FALSE, memory.gap.reason, _listed([message, *map(str, refused)]))
    if refused:
        message = _listed([str(finding) for finding in problems])
        is_fatal = not _has_run(pipeline, observed)
        return Condition(SOURCE_READY, Truth.FALSE, refused[0].reason, message, is_fatal)
    if look is None:
        return _unknown("NotLookedAt", "This operator does not look at source databases.")
    if look.is_pending:
        return _unknown(LOOKING, "The database is being looked at for the first time.")
    if look.problem:
        said = observed.redact(look.problem)
        return _unknown(
            "NotReached", f"The database could not be looked at, so nothing of it is known: {said}."
        )
    if problems:
        return met(SOURCE_READY, "FitsWithWarnings", _listed([str(finding) for finding in problems]))
    return met(SOURCE_READY, "Fits", "Table, publication and replication slot are as they must be.")


def _without_table(pipeline: ClickPipeline) -> Condition:
    topic = pipeline.spec.topics.profiles
    if pipeline.source_connector:
        connector = names_of(pipeline).profiles_connector
        return met(SOURCE_READY, "Connector", f"{connector} fills {topic}; ConnectorsReady tells of it.")
    if pipeline.spec.source:
        return met(SOURCE_READY, "Topic", f"Somebody else fills {topic}.")
    return met(SOURCE_READY, "NoSource", "There is no source: clicks go on without profiles.")


def _unknown(reason: str, message: str) -> Condition:
    """Return a condition that stops nothing: a database may be out of the operator's reach on purpose."""
    return Condition(SOURCE_READY, Truth.UNKNOWN, reason, message, is_needed=False)


def _cure(pipeline: ClickPipeline) -> str:
    return (
        f"Have the table read again: kubectl -n {pipeline.namespace} annotate clickpipeline {pipeline.name} "
        f'--overwrite {RESNAPSHOT}="$(date +%s)". Rows that were deleted in between stay joined: '
        "docs/reference/conditions.md says how to remove them."
    )


def _listed(messages: list[str]) -> str:
    if len(messages) == 1:
        return messages[0][:_LONGEST]
    return "\n".join(f"{number}. {message}" for number, message in enumerate(messages, 1))[:_LONGEST]


def _has_run(pipeline: ClickPipeline, observed: "Observed") -> bool:
    """Tell whether the slot is the pipeline's own: its connector is there, or was seen with it.

    One that somebody deletes is made again at once: the last look still shows the slot as that one read it.
    """
    if not pipeline.has_table:
        return False
    is_there = observed.child("KafkaConnector", names_of(pipeline).profiles_connector) is not None
    return is_there or observed.memory.slot == pipeline.postgres.slot
