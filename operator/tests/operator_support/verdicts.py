"""The cases of verdicts/: changes to the reference example, and what CRD, operator and pod say of each."""

from dataclasses import dataclass
from typing import Any

import yaml

from operator_support import REPOSITORY
from operator_support.documents import Changes

FOLDER = REPOSITORY / "operator/tests/verdicts"


@dataclass(frozen=True, slots=True)
class Case:
    """One document; ``refused`` is a part of each one's message, None where all accept it."""

    name: str
    spec: Changes
    refused: str | None
    crd_knows: bool


class _Loader(yaml.SafeLoader):
    """YAML with texts and sections too long to write out."""


def _repeat(loader: _Loader, node: Any) -> str:
    """Return `[text, times, rest, text, times ...]` written out; a text without a number stands once."""
    parts = loader.construct_sequence(node)
    text = ""
    for part, times in zip(parts, [*parts[1:], 1], strict=True):
        if isinstance(part, str):
            text += part * (times if isinstance(times, int) else 1)
    return text


def _fields(loader: _Loader, node: Any) -> dict[str, str]:
    (times,) = loader.construct_sequence(node)
    return {f"field_{number}": "1" for number in range(times)}


_Loader.add_constructor("!repeat", _repeat)
_Loader.add_constructor("!fields", _fields)


def cases() -> dict[str, Case]:
    """Return every case by file and name."""
    found = {}
    for file in sorted(FOLDER.glob("*.yaml")):
        for raw in yaml.load(file.read_text(), _Loader):  # noqa: S506  # a SafeLoader
            crd_knows = raw.pop("crd", "") != "accepts"
            case = Case(raw.pop("case"), raw.pop("spec"), raw.pop("refused", None), crd_knows)
            name = f"{file.stem}: {case.name}"
            assert not raw, (name, raw)
            assert name not in found, name
            found[name] = case
    return found
