"""Evidence against expectation: each check is a line of the smoke's table. Pure."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from clickstream_local.smoke.model import Expected


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at: what, what was found, and whether it is as it must be."""

    what: str
    found: str
    held: bool


@dataclass(slots=True)
class Evidence:
    """What was found in topics and index."""

    enriched: list[tuple[str, dict[str, Any], int]] = field(default_factory=list)  # key, record, record time
    dead: list[tuple[int, int, str]] = field(default_factory=list)  # partition, offset, reason
    strange_dead: int = 0  # dead letters without the pipeline's headers: the sink's
    windows: dict[tuple[str, int], int] = field(default_factory=dict)  # user, window start -> last count
    indexed: list[tuple[str, str, int]] = field(default_factory=list)  # id, index, event time


@dataclass(frozen=True, slots=True)
class Totals:
    """The figures of the last line."""

    duplicates: int
    missing: int


def compare(expected: Expected, evidence: Evidence, index: str) -> tuple[list[Check], Totals]:
    """Return a check for each output, and how many records are there twice or not at all."""
    topic = Counter(record.get("event_id", "?") for _, record, _ in evidence.enriched)
    documents = Counter(identity for identity, _, _ in evidence.indexed)
    dead = Counter((partition, offset) for partition, offset, _ in evidence.dead)
    wanted, wanted_dead = Counter(list(expected.enriched)), Counter(list(expected.dead))
    checks = [
        _once("enriched clicks, exactly once", wanted, topic),
        _contents(expected, evidence),
        _once("dead letters, exactly once", wanted_dead, dead),
        _reasons(expected, evidence),
        _counts(expected.windows, evidence.windows),
        _once("documents in the index, exactly once", wanted, documents),
        _days(evidence, index),
    ]
    pairs: list[tuple[Counter[Any], Counter[Any]]] = [
        (wanted, topic),
        (wanted_dead, dead),
        (wanted, documents),
    ]
    return checks, Totals(
        duplicates=sum((found - want).total() for want, found in pairs),
        missing=sum((want - found).total() for want, found in pairs),
    )


def _once(what: str, wanted: Counter[Any], found: Counter[Any]) -> Check:
    missing, extra = wanted - found, found - wanted
    text = f"{found.total():,} of {wanted.total():,}"
    if missing:
        text += f"; {missing.total():,} missing, as {next(iter(missing))}"
    if extra:
        text += f"; {extra.total():,} too many, as {next(iter(extra))}"
    return Check(what, text, not missing and not extra)


def _contents(expected: Expected, evidence: Evidence) -> Check:
    """Fields, key and time of each enriched record; the profile in it is the one of its moment."""
    wrong = [
        (record, want)
        for key, record, time_ms in evidence.enriched
        if (want := expected.enriched.get(str(record.get("event_id")))) is not None
        and (record != want or key != want["user_id"] or time_ms != want["timestamp"])
    ]
    text = f"{len(evidence.enriched) - len(wrong):,} right" + (
        f"; {len(wrong):,} wrong, as {wrong[0]}" if wrong else ""
    )
    return Check("fields, key and time of enriched clicks", text, not wrong)


def _reasons(expected: Expected, evidence: Evidence) -> Check:
    wrong = [(p, o, reason) for p, o, reason in evidence.dead if expected.dead.get((p, o), reason) != reason]
    reasons = Counter(reason for _, _, reason in evidence.dead)
    text = ", ".join(f"{reason} {count:,}" for reason, count in sorted(reasons.items()))
    text += f"; {len(wrong):,} wrong, as {wrong[0]}" if wrong else ""
    text += f"; {evidence.strange_dead:,} not from the processor" if evidence.strange_dead else ""
    return Check("reasons of dead letters", text, not wrong and not evidence.strange_dead)


def _counts(wanted: Mapping[tuple[str, int], int], found: Mapping[tuple[str, int], int]) -> Check:
    wrong = [key for key in wanted.keys() | found.keys() if wanted.get(key, 0) != found.get(key, 0)]
    text = f"{len(found):,} windows, {sum(found.values()):,} clicks"
    if wrong:
        text += f"; {len(wrong):,} wrong, as {wrong[0]}: {found.get(wrong[0])}, not {wanted.get(wrong[0])}"
    return Check("counts per user and window", text, not wrong)


def _days(evidence: Evidence, index: str) -> Check:
    wrong = [
        (identity, name)
        for identity, name, event_ms in evidence.indexed
        if name != f"{index}-{datetime.fromtimestamp(event_ms / 1000, UTC):%Y.%m.%d}"
    ]
    days = ", ".join(sorted({name for _, name, _ in evidence.indexed}))
    return Check("daily index by event time", days + (f"; wrong: {wrong[0]}" if wrong else ""), not wrong)
