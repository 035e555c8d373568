"""Connectors that fail, remembered in the pipeline's status until they run steadily. Pure.

Strimzi restarts a task in the pass in which it sees its failure, and writes the restart's answer: RESTARTING,
without a trace. From one status alone a task that fails again and again looks like one that starts.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from clickstream_operator.kube.connector_state import is_current, parts_of
from clickstream_operator.kube.kinds import Document
from clickstream_operator.kube.times import epoch_s, stamp
from clickstream_operator.observed import Observed

STEADY_S = 60.0  # a connector that has run for so long after its last restart is well
_NO_KEY = "cannot accept message without key"  # the profiles' topic is compacted
_LONGEST = 1000


@dataclass(frozen=True, slots=True)
class Failure:
    """One connector that fails."""

    name: str
    part: str  # connector, task N
    since: str  # RFC 3339
    restarts: int  # by Strimzi, as it counts them
    cause: str  # the last trace's first line and innermost cause, without secrets; empty: none was seen

    @property
    def has_no_key(self) -> bool:
        """Tell whether rows come without their key."""
        return _NO_KEY in self.cause

    def document(self) -> dict[str, Any]:
        """Return it as the status has it."""
        found = {"name": self.name, "part": self.part, "since": self.since, "restarts": self.restarts}
        return {**found, "cause": self.cause} if self.cause else found


def remembered(status: Mapping[str, Any]) -> tuple[Failure, ...]:
    """Return what a pipeline's status says."""
    return tuple(
        Failure(f["name"], f["part"], f["since"], int(f["restarts"]), f.get("cause", ""))
        for f in status.get("connectorFailures") or ()
    )


def failures_of(document: Document, observed: Observed) -> tuple[Failure, ...]:
    """Return the connectors of a pipeline that fail as of this look."""
    known = remembered(document.get("status") or {})
    return failures(known, observed.connectors(), observed.now_s, observed.redact)


def failures(
    known: Iterable[Failure],
    connectors: Mapping[str, dict[str, Any]],
    now_s: float,
    redact: Callable[[str], str],
) -> tuple[Failure, ...]:
    """Return the connectors that fail as of this look."""
    before = {failure.name: failure for failure in known}
    found = [
        _failure(name, live, before.get(name), now_s, redact) for name, live in sorted(connectors.items())
    ]
    return tuple(failure for failure in found if failure is not None)


def _failure(
    name: str, live: dict[str, Any], known: Failure | None, now_s: float, redact: Callable[[str], str]
) -> Failure | None:
    parts = parts_of(live)
    restart = live.get("status", {}).get("autoRestart") or {}
    count, last = int(restart.get("count", 0)), _stamp(restart.get("lastRestartTimestamp"))
    for part, said in parts:
        if said.get("state") == "FAILED":
            cause = redact(_cause(str(said.get("trace", "")).strip().splitlines()))[:_LONGEST]
            since = known.since if known else stamp(now_s)
            return Failure(name, part, since, count, cause or (known.cause if known else ""))
    lacking = next((part for part, said in parts if said.get("state") != "RUNNING"), None)
    runs = is_current(live) and lacking is None and len(parts) > 1
    if runs and (not last or now_s - epoch_s(last) >= STEADY_S):
        return None
    if known:
        return Failure(name, known.part, known.since, max(count, known.restarts), known.cause)
    if count and not runs and lacking is not None and live["spec"].get("state", "running") == "running":
        return Failure(name, lacking, last or stamp(now_s), count, "")
    return None


def _stamp(written: Any) -> str:
    """Return a time as Strimzi wrote it, empty for what is none."""
    if not isinstance(written, str):
        return ""
    try:
        epoch_s(written)
    except ValueError:
        return ""
    return written


def _cause(trace: list[str]) -> str:
    """Return a trace's first line, its innermost cause, and what tells of a missing key."""
    causes = [line for line in trace if line.startswith("Caused by:")][-1:]
    keys = [line.strip() for line in trace if _NO_KEY in line][:1]
    return "; ".join(dict.fromkeys([*trace[:1], *causes, *keys]))
