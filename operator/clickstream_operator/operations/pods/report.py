"""What a replay's pod says of itself: its report, bounded. Pure.

The pod serves it while it runs, and leaves it as its last word.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from clickstream_operator.condition import Condition, met, unmet
from clickstream_operator.kube.kinds import Document
from clickstream_operator.operations.operation import Phase
from clickstream_operator.operations.pods.bounds import (
    LONGEST_MESSAGE,
    count_in,
    entries_in,
    field_of,
    list_in,
    text_in,
)

MAX_FIRST = 20
COUNTS = ("total", "scanned", "matched", "replayed", "failedAgain", "skipped")
TOLD = (*COUNTS, "progress", "byReason", "skippedBy", "first")


@dataclass(frozen=True, slots=True)
class Tally:
    """Numbers of letters of one reason."""

    matched: int = 0
    replayed: int = 0
    failed_again: int = 0


@dataclass(frozen=True, slots=True)
class Sample:
    """One letter as it is sent."""

    place: str
    reason: str
    value: str


@dataclass(frozen=True, slots=True)
class Report:
    """How far a replay is."""

    phase: str  # reading, waiting, done, failed
    scanned: int = 0
    total: int = 0
    matched: int = 0
    replayed: int = 0
    failed_again: int = 0
    skipped: int = 0
    by_reason: Mapping[str, Tally] = field(default_factory=dict)
    skipped_by: Mapping[str, int] = field(default_factory=dict)
    first: tuple[Sample, ...] = ()
    message: str = ""
    dry_run: bool = False  # as its author wrote

    def redacted(self, redact: Callable[[str], str]) -> "Report":
        """Return the report without secrets."""
        first = tuple(
            Sample(redact(each.place), redact(each.reason), redact(each.value)) for each in self.first
        )
        return replace(
            self,
            by_reason={redact(why): tally for why, tally in self.by_reason.items()},
            skipped_by={redact(why): count for why, count in self.skipped_by.items()},
            first=first,
            message=redact(self.message),
        )

    def under_way(self, tries: str) -> tuple[Phase, Condition]:
        """Return the phase and Complete while it runs."""
        if self.phase in ("waiting", "done"):
            message = f"{self.replayed} letters were sent. Waits until the pods have processed them.{tries}"
            return Phase.SETTLING, unmet("Complete", "Settling", message)
        message = f"Reads dead letters: {self.matched} match, {self.replayed} were sent.{tries}"
        return Phase.READING, unmet("Complete", "Running", message)

    def completed(self) -> Condition:
        """Return Complete when it is done."""
        if self.dry_run:
            message = (
                f"{self.matched} letters match, {self.skipped} of them cannot be replayed. Nothing was sent: "
                "status.first has the first as they would be."
            )
            return met("Complete", "DryRun", message)
        message = (
            f"{self.replayed} of {self.matched} letters were sent once more, {self.failed_again} of them "
            f"failed again, {self.skipped} were skipped."
        )
        return met("Complete", "Replayed", message)

    def cut_off(self) -> str:
        """Return what to say where the pod was ended before it was done."""
        return (
            f"The pod was ended before all was done: {self.replayed} letters were sent, and stay sent. "
            "Make a new replay that selects the others."
        )

    def fields(self, before: Document) -> Document:  # noqa: ARG002 # all of it is new each time
        """Return what it gives the status."""
        return {
            "total": self.total,
            "scanned": self.scanned,
            "matched": self.matched,
            "replayed": self.replayed,
            "failedAgain": self.failed_again,
            "skipped": self.skipped,
            "progress": self._share(),
            "byReason": {
                why: {"matched": tally.matched, "replayed": tally.replayed, "failedAgain": tally.failed_again}
                for why, tally in self.by_reason.items()
            },
            "skippedBy": dict(self.skipped_by),
            "first": [
                {"place": each.place, "reason": each.reason, "value": each.value} for each in self.first
            ],
        }

    def _share(self) -> str:
        share = 100 * min(self.scanned, self.total) // self.total if self.total else 0
        return f"{share} %"


def read_report(answer: Mapping[str, Any], *, dry_run: bool = False) -> Report:
    """Return the report of a pod's answer. Raises ValueError where it is none."""
    if not isinstance(answer, Mapping) or answer.get("phase") not in ("reading", "waiting", "done", "failed"):
        raise ValueError("no report of a replay")
    return Report(
        phase=str(answer["phase"]),
        scanned=count_in(answer.get("scanned")),
        total=count_in(answer.get("total")),
        matched=count_in(answer.get("matched")),
        replayed=count_in(answer.get("replayed")),
        failed_again=count_in(answer.get("failed_again")),
        skipped=count_in(answer.get("skipped")),
        by_reason={
            why: Tally(*(count_in(field_of(tally, name)) for name in ("matched", "replayed", "failed_again")))
            for why, tally in entries_in(answer.get("by_reason"))
        },
        skipped_by={why: count_in(count) for why, count in entries_in(answer.get("skipped_by"))},
        first=tuple(
            Sample(*(text_in(field_of(each, name)) for name in ("place", "reason", "value")))
            for each in list_in(answer.get("first"))[:MAX_FIRST]
        ),
        message=text_in(answer.get("message"), LONGEST_MESSAGE),
        dry_run=dry_run,
    )
