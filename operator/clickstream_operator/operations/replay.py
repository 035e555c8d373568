"""A ClickReplay as its author wrote it, as a value. Pure.

The API server has checked shapes and filled in defaults. The same defaults stand here, for an object that an
older definition let through.
"""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from clickstream_expressions.errors import InvalidExpression
from clickstream_expressions.letters import check_set, check_where

from clickstream_operator.errors import InvalidSpec, Problem
from clickstream_operator.kube.kinds import REPLAY, Kind
from clickstream_operator.operations.operation import FILE_VERSION, Operation, common_fields
from clickstream_operator.operations.pods.report import TOLD, Report, read_report


@dataclass(frozen=True, slots=True)
class Replay(Operation):
    """One ClickReplay. Times are milliseconds since the epoch."""

    KIND: ClassVar[Kind] = REPLAY
    NOUN: ClassVar[str] = "replay"
    PROGRAM: ClassVar[str] = "clickstream_processor.replaying"
    BEGINS: ClassVar[str] = "Replays dead letters of"
    AFTER_FAILURE: ClassVar[str] = "What was sent stays sent: a new replay is to select the others."
    ASKS_SEARCH: ClassVar[bool] = False
    LAST_LINES: ClassVar[bool] = True
    TOLD: ClassVar[tuple[str, ...]] = TOLD

    reasons: tuple[str, ...] = ()  # empty: all
    from_ms: int | None = None
    to_ms: int | None = None
    sources: tuple[int, ...] = ()  # empty: all
    limit: int | None = None
    where: str = ""
    corrections: Mapping[str, str] | None = None  # field -> expression
    late: str = "skip"
    dry_run: bool = False

    def file(self) -> dict[str, Any]:
        """Return what the Job's program reads."""
        return {
            "version": FILE_VERSION,
            "name": self.name,
            "uid": self.uid,
            "reasons": list(self.reasons),
            "from_ms": self.from_ms,
            "to_ms": self.to_ms,
            "sources": list(self.sources),
            "limit": self.limit,
            "where": self.where,
            "set": dict(self.corrections or {}),
            "late": self.late,
            "dry_run": self.dry_run,
        }

    def read(self, answer: Mapping[str, Any]) -> Report:
        """Return the report of a pod's answer."""
        return read_report(answer, dry_run=self.dry_run)

    def problem(self) -> str:
        """Return what is wrong with the expressions; empty when they can run."""
        try:
            if self.where:
                check_where(self.where)
            check_set(self.corrections or {})
        except InvalidExpression as invalid:
            return f"spec.{invalid.name}: {invalid.verdict}"
        return ""


def parse_replay(document: Mapping[str, Any]) -> Replay:
    """Return the value of a document. Raises InvalidSpec."""
    spec = document["spec"]
    return Replay(
        **common_fields(document),
        reasons=tuple(spec.get("reasons") or ()),
        from_ms=_epoch_ms(spec, "from"),
        to_ms=_epoch_ms(spec, "to"),
        sources=tuple(spec.get("sources") or ()),
        limit=spec.get("limit"),
        where=str(spec.get("where") or ""),
        corrections=dict(spec.get("set") or {}),
        late=str(spec.get("late") or "skip"),
        dry_run=bool(spec.get("dryRun")),
    )


def _epoch_ms(spec: Mapping[str, Any], field: str) -> int | None:
    text = spec.get(field)
    if text is None:
        return None
    try:
        at = datetime.datetime.fromisoformat(str(text).upper())
    except ValueError:
        raise InvalidSpec([Problem(f"spec.{field}", str(text), "must be a time of RFC 3339")]) from None
    if at.tzinfo is None:
        at = at.replace(tzinfo=datetime.UTC)
    return round(at.timestamp() * 1000)
