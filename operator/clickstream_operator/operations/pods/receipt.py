"""What an erasure's pod says of itself: its receipt, bounded. Pure.

It names users by the SHA-256 of their ids. Whatever is no such hash is left out, so that no id gets into the
status.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from clickstream_operator.condition import Condition, met, unmet
from clickstream_operator.kube.kinds import Document
from clickstream_operator.kube.times import stamp
from clickstream_operator.operations.operation import Phase
from clickstream_operator.operations.pods.bounds import LONGEST_MESSAGE, count_in, field_of, list_in, text_in

MAX_USERS = 100  # hashes in the status
MAX_PLACES = 50
TOLD = ("userCount", "users", "places", "goneAt", "message")
_HASH = re.compile(r"[0-9a-f]{64}")
_PHASES = {
    "surveying": Phase.SURVEYING,
    "erasing": Phase.ERASING,
    "waiting": Phase.SETTLING,
    "verifying": Phase.VERIFYING,
    "done": Phase.VERIFYING,
    "failed": Phase.ERASING,
}
_KINDS = ("changelog", "pods", "compacted", "index", "profile", "expires")
_LATEST_MS = 253_402_300_799_000  # the year 9999
_LONGEST_NAME = 260  # characters; a topic's name has at most 249


@dataclass(frozen=True, slots=True)
class Place:
    """One place, as the program's receipt has it. `left`: what is there after the erasure."""

    name: str
    kind: str
    found: int | None
    left: int | None
    until_ms: int | None
    note: str

    def fields(self) -> Document:
        """Return it as the status has it, without what is not known."""
        until = None if self.until_ms is None else stamp(self.until_ms / 1000)
        fields = {"name": self.name, "kind": self.kind, "found": self.found, "left": self.left}
        return {
            field: value
            for field, value in {**fields, "until": until, "note": self.note or None}.items()
            if value is not None
        }


@dataclass(frozen=True, slots=True)
class Receipt:
    """How far an erasure is."""

    phase: str  # surveying, erasing, waiting, verifying, done, failed
    count: int = 0  # of users
    users: tuple[str, ...] = ()  # SHA-256 of their ids, of some where there are many
    places: tuple[Place, ...] = ()
    gone_ms: int | None = None
    message: str = ""
    dry_run: bool = False  # as its author wrote

    def redacted(self, redact: Callable[[str], str]) -> "Receipt":
        """Return the receipt without secrets."""
        places = tuple(replace(each, name=redact(each.name), note=redact(each.note)) for each in self.places)
        return replace(self, places=places, message=redact(self.message))

    def under_way(self, tries: str) -> tuple[Phase, Condition]:
        """Return the phase and Complete while it runs."""
        phase = _PHASES[self.phase]
        if phase == Phase.SETTLING:
            return phase, unmet("Complete", "Settling", f"Waits: {self.message or 'for the pods'}.{tries}")
        said = {
            Phase.SURVEYING: "Looks for what there is of the users.",
            Phase.ERASING: "Takes the users out of the pipeline.",
            Phase.VERIFYING: "Looks whether something is left.",
        }[phase]
        return phase, unmet("Complete", "Running", f"{said}{tries}")

    def completed(self) -> Condition:
        """Return Complete when it is done."""
        if self.dry_run:
            found = sum(each.found or 0 for each in self.places if each.kind not in ("pods", "profile"))
            message = (
                f"{found} records and documents have something of {self.count} users. Nothing was erased: "
                "status.places has what each place has."
            )
            return met("Complete", "DryRun", message)
        said = [f"Nothing of {self.count} users is left in state, changelog, compacted topics and index."]
        if self.gone_ms is not None:
            said.append(f"Kafka has deleted what it keeps by {stamp(self.gone_ms / 1000)}.")
        if endless := [each.name for each in self.places if each.kind == "expires" and each.until_ms is None]:
            said.append(f"No time is known of {', '.join(endless)}.")
        if profiles := sum(each.left or 0 for each in self.places if each.kind == "profile"):
            said.append(f"{profiles} profiles are still there: delete the rows in the database.")
        if self.message:
            said.append(f"{self.message}.")
        return met("Complete", "Erased", " ".join(said))

    def cut_off(self) -> str:
        """Return what to say where the pod was ended before it was done."""
        return "The pod was ended before all was done. Make a new erasure: it does all of it once more."

    def fields(self, before: Document) -> Document:
        """Return what it gives the status. The last word may have fewer hashes than what was told before."""
        users = list(self.users[:MAX_USERS])
        told: list[str] = before.get("users") or []
        if before.get("userCount") == self.count and len(told) > len(users):
            users = told
        fields: Document = {"userCount": self.count, "users": users}
        fields["places"] = [each.fields() for each in self.places]
        if self.gone_ms is not None:
            fields["goneAt"] = stamp(self.gone_ms / 1000)
        return {**fields, "message": self.message}


def read_receipt(answer: Mapping[str, Any], *, dry_run: bool = False) -> Receipt:
    """Return the receipt of a pod's answer. Raises ValueError where it is none."""
    if not isinstance(answer, Mapping) or answer.get("phase") not in [*_PHASES]:
        raise ValueError("no receipt of an erasure")
    users = [each for each in list_in(answer.get("users")) if isinstance(each, str) and _HASH.fullmatch(each)]
    places = [each for each in list_in(answer.get("places")) if field_of(each, "kind") in _KINDS]
    return Receipt(
        phase=str(answer["phase"]),
        count=count_in(answer.get("count")),
        users=tuple(users[:MAX_USERS]),
        places=tuple(_place(each) for each in places[:MAX_PLACES]),
        gone_ms=_time(answer.get("gone_ms")),
        message=text_in(answer.get("message"), LONGEST_MESSAGE),
        dry_run=dry_run,
    )


def _place(each: Mapping[str, Any]) -> Place:
    return Place(
        name=text_in(each.get("name"), _LONGEST_NAME),
        kind=str(each["kind"]),
        found=_number(each.get("found")),
        left=_number(each.get("left")),
        until_ms=_time(each.get("until_ms")),
        note=text_in(each.get("note")),
    )


def _number(value: object) -> int | None:
    return None if value is None else count_in(value)


def _time(value: object) -> int | None:
    at_ms = count_in(value)
    return at_ms if 0 < at_ms <= _LATEST_MS else None
