"""What a replay says of itself, as JSON: while it runs, and as its last word. Pure."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from clickstream_processor.jobs.word import LONGEST_MESSAGE, LONGEST_WORD
from clickstream_processor.replaying.progress import Progress

Phase = Literal["reading", "waiting", "done", "failed"]
FIRST = 20  # letters that are shown
SHOWN = 150  # characters of a value


class Example(msgspec.Struct, frozen=True):
    """One of the first letters, as it is sent. `place`: where its click first arrived."""

    place: str
    reason: str
    value: str


class OfReason(msgspec.Struct):
    """Letters of one reason. `failed_again`: those that became letters once more."""

    matched: int = 0
    replayed: int = 0
    failed_again: int = 0


class Report(msgspec.Struct):
    """The whole. `scanned`, `total`: offsets of the dead-letter topic."""

    phase: Phase
    scanned: int = 0
    total: int = 0
    matched: int = 0
    replayed: int = 0
    failed_again: int = 0
    skipped: int = 0
    by_reason: dict[str, OfReason] = {}
    skipped_by: dict[str, int] = {}
    first: list[Example] = []
    message: str = ""

    def encode(self) -> bytes:
        """Return it as JSON."""
        return msgspec.json.encode(self)

    def last_word(self) -> bytes:
        """Return it as JSON of at most 4,096 bytes, with as many of the first letters as have room."""
        short = msgspec.structs.replace(self, first=list(self.first), message=self.message[:LONGEST_MESSAGE])
        while len(word := short.encode()) > LONGEST_WORD:
            if short.first:
                short.first.pop()
            elif short.by_reason:
                short.by_reason = {}
            else:
                short.message = short.message[: len(short.message) // 2]
        return word


def report_of(
    phase: Phase,
    parts: Mapping[int, Progress],
    next_offsets: Mapping[int, int],
    failed_again: Mapping[str, int],
    first: list[Example],
    message: str,
    *,
    dry_run: bool = False,
) -> Report:
    """Return the report. `parts` and `next_offsets` by partition, `failed_again` by first reason.

    `dry_run`: what the parts count as replayed would be, and is not.
    """
    report = Report(phase, message=message, first=first, by_reason={}, skipped_by={})
    for partition, part in parts.items():
        report.total += part.end - part.start
        report.scanned += max(0, min(next_offsets.get(partition, part.start), part.end) - part.start)
        for reason, tally in part.reasons.items():
            row = report.by_reason.setdefault(reason, OfReason())
            row.matched += tally.matched
            report.matched += tally.matched
            if not dry_run:
                row.replayed += tally.replayed
                report.replayed += tally.replayed
        for why, count in part.skipped.items():
            report.skipped_by[why] = report.skipped_by.get(why, 0) + count
            report.skipped += count
    for reason, count in failed_again.items():
        report.by_reason.setdefault(reason, OfReason()).failed_again += count
        report.failed_again += count
    return report


def example_of(place: str, reason: str, value: bytes) -> Example:
    """Return one of the first letters as people see it."""
    return Example(place, reason, value.decode(errors="replace")[:SHOWN])
