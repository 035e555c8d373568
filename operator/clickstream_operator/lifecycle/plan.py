"""What must change: the wanted objects against those that are. Pure.

Only what this operator sets is compared. The server's defaults and others' additions stay; a field
that this operator no longer sets is seen by the digest of what it applied last.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clickstream_operator.kube.kinds import Document, Wanted
from clickstream_operator.lifecycle.desired import APPLIED_HASH
from clickstream_operator.observed import Observed
from clickstream_operator.spec.fields import is_quantity, quantity

_SHOWN_CHARACTERS = 80
_QUANTITIES = ("cpu", "memory", "storage", "ephemeral-storage", "sizeLimit")


@dataclass(frozen=True, slots=True)
class Step:
    """One object to apply, and why."""

    wanted: Wanted
    why: tuple[str, ...]  # such as "spec.replicas: 2 -> 3"; empty for an object that is not there
    is_new: bool

    def __str__(self) -> str:
        verb = "create" if self.is_new else "change"
        details = f": {'; '.join(self.why)}" if self.why else ""
        return f"{verb} {self.wanted.kind.kind} {self.wanted.name}{details}"


def plan(wanted: Sequence[Wanted], observed: Observed) -> list[Step]:
    """Return the steps that make the wanted objects so, in their order. None: nothing to write."""
    steps = []
    for target in wanted:
        live = observed.child(target.kind.kind, target.name)
        if live is None:
            steps.append(Step(target, (), is_new=True))
        elif why := differences(target.document, live):
            steps.append(Step(target, tuple(why), is_new=False))
    return steps


def differences(wanted: Document, live: Document) -> list[str]:
    """Return what differs in the fields of `wanted`, as "path: live -> wanted"."""
    found = [d for d in _differences("", wanted, live) if APPLIED_HASH not in d]
    digests = [o["metadata"].get("annotations", {}).get(APPLIED_HASH) for o in (wanted, live)]
    if not found and digests[0] != digests[1]:
        found.append("fields that are no longer set" if digests[1] else "the mark of this operator")
    return found


def _differences(path: str, wanted: Any, live: Any) -> list[str]:
    if isinstance(wanted, Mapping) and isinstance(live, Mapping):
        return [
            difference
            for name, value in wanted.items()
            for difference in _differences(f"{path}.{name}" if path else str(name), value, live.get(name))
        ]
    if isinstance(wanted, list) and isinstance(live, list):
        return _list_differences(path, wanted, live)
    if _same(path, wanted, live):
        return []
    return [f"{path}: {_shown(live)} -> {_shown(wanted)}"]


def _list_differences(path: str, wanted: list[Any], live: list[Any]) -> list[str]:
    key = _merge_key(path, wanted)
    if key is None:
        if len(wanted) != len(live):
            return [f"{path}: {_shown(live)} -> {_shown(wanted)}"]
        pairs = [(str(index), item, live[index]) for index, item in enumerate(wanted)]
    else:
        there = {item.get(key): item for item in live if isinstance(item, Mapping)}
        pairs = [(str(item[key]), item, there.get(item[key])) for item in wanted]
    return [d for name, item, other in pairs for d in _differences(f"{path}[{name}]", item, other)]


def _merge_key(path: str, items: list[Any]) -> str | None:
    """Return by what the server merges a list, so that others' items in it are left alone."""
    field = path.rpartition(".")[2]
    key = {
        "ownerReferences": "uid",
        "volumeMounts": "mountPath",
        "topologySpreadConstraints": "topologyKey",
    }.get(field, "name")
    if items and all(isinstance(item, Mapping) and item.get(key) for item in items):
        return key
    return None


def _same(path: str, wanted: Any, live: Any) -> bool:
    if wanted == live:
        return True
    if wanted in ({}, []) and live is None:  # the server leaves empty ones out
        return True
    if any(f"{part}" in path for part in _QUANTITIES) and is_quantity(wanted) and is_quantity(live):
        return quantity(wanted) == quantity(live)
    return False


def _shown(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 3]}..."
