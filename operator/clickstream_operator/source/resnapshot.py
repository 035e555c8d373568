"""How the profile table is read again on demand. Pure: the next step follows from what is there.

1. The source connector is stopped; its offsets and its replication slot stay. 2. A second connector, with a
slot of its own, takes a snapshot. 3. It is stopped, which drops its slot, and removed. 4. The source goes
on where it stood: what changed meanwhile, deletions too, comes after the snapshot, in order.

Not by resetting the source connector's offsets: it would go on at its snapshot, and rows deleted between its
stop and that would stay. A connector streams from its slot only once its snapshot is complete; so that shows.
"""

import hashlib
from dataclasses import replace
from enum import StrEnum
from typing import Any

from clickstream_operator.database.facts import Facts, Look
from clickstream_operator.database.memory import SourceMemory
from clickstream_operator.database.quoting import reader_slot
from clickstream_operator.kube.connector_state import is_in
from clickstream_operator.kube.times import epoch_s
from clickstream_operator.manifests.connectors import Connector, Reference, profiles_connector
from clickstream_operator.manifests.names import names_of
from clickstream_operator.spec.clickpipeline import ClickPipeline

RESNAPSHOT = "clickstream.dev/resnapshot"  # the annotation on the ClickPipeline; each new value asks once
_LOST = "lost"
_DROP_S = 60.0

Children = dict[str, dict[str, Any]]  # KafkaConnectors by name


class ResnapshotPhase(StrEnum):
    """How far it is."""

    WAITING = "Waiting"  # for the source connector to have a slot: what it streams later must be kept
    STOPPING = "Stopping"
    READING = "Reading"
    CLOSING = "Closing"
    COMPLETE = "Complete"


def reader(pipeline: ClickPipeline, reference: Reference, value: str) -> Connector:
    """Return the second connector. Each value's has a name of its own, and so no offsets."""
    source = profiles_connector(pipeline, reference, drop_slot=True)
    config = {**source.config, "slot.name": reader_slot(str(pipeline.postgres.slot))}
    return Connector(reader_name(pipeline, value), source.plugin, source.tasks_max, config)


def reader_name(pipeline: ClickPipeline, value: str) -> str:
    """Return the second connector's name."""
    return f"{names_of(pipeline).profiles_connector}-{hashlib.sha256(value.encode()).hexdigest()[:8]}"


def progress(
    memory: SourceMemory,
    pipeline: ClickPipeline,
    wanted: str,
    connectors: Children,
    look: Look | None,
    now: str,
) -> SourceMemory:
    """Return the memory with the phase that what is there shows. `wanted`: the annotation's value."""
    if not wanted:  # taken back, or never asked for
        return (
            replace(memory, resnapshot="", phase="", since="", since_s=0.0)
            if is_under_way(memory)
            else memory
        )
    source = connectors.get(names_of(pipeline).profiles_connector)
    if wanted != memory.resnapshot:
        # A source that is not there yet takes its first snapshot, which serves.
        return _at(
            memory, ResnapshotPhase.COMPLETE if source is None else ResnapshotPhase.WAITING, now, wanted
        )
    facts = look.facts if look and look.begun_s > memory.since_s else None
    phase = memory.phase
    if phase == ResnapshotPhase.WAITING and facts and facts.slot and facts.slot.wal_status != _LOST:
        return _at(memory, ResnapshotPhase.STOPPING, now)
    if phase == ResnapshotPhase.STOPPING and source and is_in(source, "STOPPED"):
        return _at(memory, ResnapshotPhase.READING, now)
    if (
        phase == ResnapshotPhase.READING
        and facts
        and look
        and _is_streamed(facts)
        and _is_streamed(look.before)
    ):
        return _at(memory, ResnapshotPhase.CLOSING, now)
    second = connectors.get(reader_name(pipeline, wanted))
    has_stopped = second is None or is_in(second, "STOPPED")
    # One that was killed drops nothing: its slot is told as a finding, and the source goes on.
    has_dropped = facts and (facts.reader_slot is None or epoch_s(now) - memory.since_s > _DROP_S)
    if phase == ResnapshotPhase.CLOSING and has_stopped and has_dropped:
        return replace(_at(memory, ResnapshotPhase.COMPLETE, now), gap=None)
    return memory


def is_under_way(memory: SourceMemory) -> bool:
    """Tell whether it has been asked for and is not complete."""
    return bool(memory.resnapshot) and memory.phase != ResnapshotPhase.COMPLETE


def source_stands(memory: SourceMemory) -> bool:
    """Tell whether the source connector shall be stopped now."""
    return memory.phase in (ResnapshotPhase.STOPPING, ResnapshotPhase.READING, ResnapshotPhase.CLOSING)


def reader_state(memory: SourceMemory) -> str:
    """Return the state that the second connector shall be in; empty: it shall not be there."""
    return {ResnapshotPhase.READING: "running", ResnapshotPhase.CLOSING: "stopped"}.get(_phase(memory), "")


def leftovers(memory: SourceMemory, pipeline: ClickPipeline, connectors: Children) -> list[str]:
    """Return the second connectors that have served."""
    wanted = reader_name(pipeline, memory.resnapshot) if reader_state(memory) else ""
    prefix = f"{names_of(pipeline).profiles_connector}-"
    return [name for name in connectors if name.startswith(prefix) and name != wanted]


def _is_streamed(facts: Facts | None) -> bool:
    """Tell whether the second slot is read; while it is being made it is active, too, without a position.

    Asked of two looks: a slot is let go a moment after it has got its position.
    """
    slot = facts.reader_slot if facts else None
    return slot is not None and slot.is_active and slot.confirmed > 0


def _phase(memory: SourceMemory) -> ResnapshotPhase:
    return ResnapshotPhase(memory.phase) if memory.phase else ResnapshotPhase.COMPLETE


def _at(memory: SourceMemory, phase: ResnapshotPhase, now: str, value: str = "") -> SourceMemory:
    value = value or memory.resnapshot
    return replace(memory, resnapshot=value, phase=phase, since=now, since_s=epoch_s(now))
