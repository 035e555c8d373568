"""How the profile table is read again on demand. Pure: the next step follows from what is there.

1. The source connector is stopped. 2. Its offsets are reset, by Strimzi. 3. It runs, finds no offset, takes a
snapshot and goes on from there; its replication slot is kept. The mark on the KafkaConnector says for which
value of the annotation that was ordered, so a killed operator's successor orders it no second time.

The connector opens its slot's stream after the snapshot, so a slot that is read means that it is complete.
"""

from dataclasses import replace
from enum import StrEnum
from typing import Any

from clickstream_operator.connector_state import STRIMZI_OFFSETS, is_in
from clickstream_operator.source.facts import Look
from clickstream_operator.source.memory import Memory
from clickstream_operator.times import epoch_s

RESNAPSHOT = "clickstream.dev/resnapshot"  # on the ClickPipeline: do it; on the KafkaConnector: ordered


class Phase(StrEnum):
    """How far it is."""

    STOPPING = "Stopping"
    RESETTING = "Resetting"
    READING = "Reading"
    COMPLETE = "Complete"


def progress(
    memory: Memory, wanted: str, connector: dict[str, Any] | None, look: Look | None, now: str
) -> Memory:
    """Return the memory with the phase that what is there shows. `wanted`: the annotation's value."""
    if not wanted and memory.phase in (Phase.STOPPING, Phase.RESETTING):
        return replace(memory, resnapshot="", phase="", since="", since_s=0.0)  # taken back
    if not wanted and memory.phase != Phase.READING:
        return memory
    value = wanted or memory.resnapshot
    if value == memory.resnapshot and memory.phase == Phase.COMPLETE:
        return memory
    phase = _phase(value, connector)
    if (value, phase) != (memory.resnapshot, memory.phase):
        return replace(memory, resnapshot=value, phase=phase, since=now, since_s=epoch_s(now))
    slot = look.facts.slot if look and look.facts else None
    if phase is Phase.READING and look and look.begun_s > memory.since_s and slot and slot.is_active:
        return replace(memory, phase=Phase.COMPLETE, since=now, since_s=epoch_s(now), gap=None)
    return memory


def is_under_way(memory: Memory) -> bool:
    """Tell whether it has been asked for and is not complete."""
    return bool(memory.resnapshot) and memory.phase != Phase.COMPLETE


def must_stop(memory: Memory) -> bool:
    """Tell whether the source connector shall be stopped now."""
    return memory.phase in (Phase.STOPPING, Phase.RESETTING)


def marks(memory: Memory, connector: dict[str, Any] | None) -> dict[str, str]:
    """Return the annotation that the source connector shall have: a new one needs no second snapshot."""
    mark = _mark(connector) if connector else memory.resnapshot
    return {RESNAPSHOT: mark} if mark else {}


def reset_order(memory: Memory, connector: dict[str, Any] | None) -> dict[str, str]:
    """Return the annotations that have the offsets of a stopped connector reset, {} when that is not due."""
    if connector is None or memory.phase != Phase.STOPPING or not is_in(connector, "STOPPED"):
        return {}
    return {STRIMZI_OFFSETS: "reset", RESNAPSHOT: memory.resnapshot}


def _phase(value: str, connector: dict[str, Any] | None) -> Phase:
    if connector is None or _mark(connector) == value:
        annotations = (connector or {}).get("metadata", {}).get("annotations") or {}
        return Phase.RESETTING if STRIMZI_OFFSETS in annotations else Phase.READING
    return Phase.STOPPING


def _mark(connector: dict[str, Any]) -> str:
    return str((connector["metadata"].get("annotations") or {}).get(RESNAPSHOT, ""))
