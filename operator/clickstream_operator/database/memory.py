"""What is remembered of a source between looks, in the pipeline's status, and the gaps that it shows. Pure.

A gap: rows changed while no replication slot kept the log for the connector, so that these changes never
arrive. The connector does not notice: it creates a missing slot again and goes on from there. So the slot,
the server and the table are recognised from look to look.
"""

from dataclasses import dataclass, replace
from typing import Any

from clickstream_operator.database.facts import Facts, Look, shown
from clickstream_operator.kube.times import epoch_s

_LOST = "lost"


@dataclass(frozen=True, slots=True)
class Gap:
    """Changes that were not read. It stays until the table is read again."""

    reason: str  # SlotLost, SlotRecreated, SourceChanged
    since: str  # when it was seen, RFC 3339
    message: str


# Every reason of a gap; docs/reference/conditions.md has one row for each.
GAPS = ("SlotLost", "SlotRecreated", "SourceChanged")


@dataclass(frozen=True, slots=True)
class SourceMemory:
    """Empty until a connector has been seen with its slot."""

    server: str = ""
    table: int = 0  # oid
    slot: str = ""  # its name, once it was seen
    gap: Gap | None = None
    findings: tuple[str, ...] = ()  # reasons, so that each is news once
    resnapshot: str = ""  # the annotation's value that was acted on last
    phase: str = ""  # of that: Waiting, Stopping, Reading, Closing, Complete
    since: str = ""  # when that phase began
    since_s: float = 0.0
    is_slot_left: bool = False  # the pipeline is being deleted, its source is gone, its slot may not be

    def document(self) -> dict[str, Any]:
        """Return it as the status has it."""
        found: dict[str, Any] = {}
        if self.slot:
            found = {"server": self.server, "table": str(self.table), "slot": self.slot}
        if self.is_slot_left:
            found["slotLeft"] = True
        if self.findings:
            found["findings"] = list(self.findings)
        if self.gap:
            found["gap"] = {"reason": self.gap.reason, "since": self.gap.since, "message": self.gap.message}
        if self.resnapshot:
            found["resnapshot"] = {"value": self.resnapshot, "phase": self.phase, "since": self.since}
        return found


def remembered(document: dict[str, Any]) -> SourceMemory:
    """Return what a status says."""
    gap, again = document.get("gap"), document.get("resnapshot") or {}
    since = again.get("since", "")
    return SourceMemory(
        server=document.get("server", ""),
        table=int(document.get("table") or 0),
        slot=document.get("slot", ""),
        gap=Gap(gap["reason"], gap["since"], gap["message"]) if gap else None,
        findings=tuple(document.get("findings") or ()),
        resnapshot=again.get("value", ""),
        phase=again.get("phase", ""),
        since=since,
        since_s=epoch_s(since) if since else 0.0,
        is_slot_left=bool(document.get("slotLeft")),
    )


def after_look(memory: SourceMemory, look: Look, slot: str, has_run: bool, now: str) -> SourceMemory:
    """Return the memory with what a look adds. `has_run`: the source connector is there."""
    facts = look.facts
    if facts is None or not has_run or look.begun_s < memory.since_s:
        return memory
    if memory.slot and memory.gap is None and (found := _gap(memory, look, facts, slot)):
        memory = replace(memory, gap=Gap(found[0], now, found[1]))
    if facts.slot is None or facts.table is None or facts.slot.wal_status == _LOST:
        return memory
    return replace(memory, server=facts.server or memory.server, table=facts.table.oid, slot=slot)


def _gap(memory: SourceMemory, look: Look, facts: Facts, slot: str) -> tuple[str, str] | None:
    """Return reason and message of a gap that this look shows."""
    before = look.before
    read = shown(before.slot.confirmed if before and before.slot else 0)
    server_changed = bool(memory.server and facts.server and memory.server != facts.server)
    is_kept = bool(facts.slot and facts.slot.is_synced)
    if server_changed and not is_kept:
        return "SourceChanged", (
            f"Another server answers ({facts.server}, before: {memory.server}), whose replication slot "
            f"{slot} is not the one that was read up to {read}."
        )
    if facts.slot is None:
        return "SlotLost", (
            f"The replication slot {slot} is gone. It was read up to {read}, and the server's log is at "
            f"{shown(facts.log_end)}: what changes until the connector has made a new one is not read."
        )
    if facts.slot.wal_status == _LOST:
        return "SlotLost", (
            f"The server has given up the log that the replication slot {slot} needs "
            f"(max_slot_wal_keep_size): changes after {shown(facts.slot.confirmed)} are not read. Drop it, "
            f"so that the connector can make a new one: SELECT pg_drop_replication_slot('{slot}');"
        )
    if facts.table and memory.table and facts.table.oid != memory.table:
        return "SourceChanged", (
            f"The table {facts.table.schema}.{facts.table.name} was dropped and created again, or "
            "renamed: rows that only the earlier one had are still joined, and those of the new one come as "
            "they change."
        )
    if before is None or server_changed:
        return None
    if _is_another_slot(before, facts):
        return "SlotRecreated", (
            f"The replication slot {slot} was dropped and created again: changes between {read} and "
            f"{shown(facts.slot.confirmed)} were not read."
        )
    if _is_restored(before, facts):
        return "SourceChanged", (
            f"The server's log ends at {shown(facts.log_end)}, before {read}, which was read already: it was "
            "restored from a backup, and rows are as they were then."
        )
    return None


def carried(old: Look, is_gap_known: bool) -> Facts | None:
    """Return what the next look is compared with: a break that nobody has taken note of yet stays one.

    So does a slot that was gone for one look: the next may find another of its name.
    """
    before, now = old.before, old.facts
    if not before or not now or is_gap_known:
        return now or before
    is_gone = before.slot is not None and now.slot is None
    return before if is_gone or _is_another_slot(before, now) or _is_restored(before, now) else now


def _is_restored(before: Facts, now: Facts) -> bool:
    read = before.slot.confirmed if before.slot else 0
    return before.server == now.server and now.log_end < read


def _is_another_slot(before: Facts, now: Facts) -> bool:
    """Tell whether a slot of the same name is another: it has decoded less than before.

    A server that crashed has lost all counts: then those of the database have gone back, too.
    """
    old, new = before.slot, now.slot
    if old is None or new is None or old.transactions is None or new.transactions is None:
        return False
    return new.transactions < old.transactions and now.commits >= before.commits
