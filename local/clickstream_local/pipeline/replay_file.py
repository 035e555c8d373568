"""A ClickReplay in a YAML file, as the JSON that the replay's program reads."""

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from clickstream_local.errors import CannotStart

API_VERSION, KIND = "clickstream.dev/v1alpha1", "ClickReplay"
VERSION = 1


class _Wrong(Exception):
    """A value is not what its field takes: the text says what that is."""


def load_replay(file: Path, pipeline: str) -> dict[str, Any]:
    """Return the description of a replay of this pipeline. Raises CannotStart with all that is wrong.

    The same file is the same replay: its uid is made of name and spec.
    """
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise CannotStart(f"{file} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise CannotStart(f"{file} is not YAML: {error}") from error
    problems: list[str] = []
    document, name, spec = _parts(document, problems)
    values = _values(spec, problems)
    if spec and spec.get("pipeline") != pipeline:
        problems.append(f"spec.pipeline: must be {pipeline}, which runs here, not {spec.get('pipeline')!r}")
    start_ms, end_ms = values.get("from_ms"), values.get("to_ms")
    if start_ms is not None and end_ms is not None and start_ms >= end_ms:
        problems.append("spec.to: must be later than spec.from")
    if problems:
        raise CannotStart("\n".join([f"{file} is no replay:", *(f"  {problem}" for problem in problems)]))
    content = json.dumps([name, values], sort_keys=True).encode()
    return {"version": VERSION, "name": name, "uid": hashlib.sha256(content).hexdigest()[:16], **values}


def _parts(document: Any, problems: list[str]) -> tuple[dict[str, Any], str, dict[str, Any]]:
    """Return the document, its name and its spec."""
    if not isinstance(document, dict):
        problems.append("the file must hold one object")
        return {}, "", {}
    for field, wanted in (("apiVersion", API_VERSION), ("kind", KIND)):
        if document.get(field) != wanted:
            problems.append(f"{field}: must be {wanted}, not {document.get(field)!r}")
    metadata = document.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(name, str) or not name:
        problems.append("metadata.name: must be a text; it stands in the headers of the clicks")
    spec = document.get("spec")
    if not isinstance(spec, dict):
        problems.append("spec: must be an object with at least `pipeline`")
        spec = {}
    return document, str(name), spec


def _values(spec: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    """Return the program's fields."""
    values = {}
    for field, (name, take, default) in _FIELDS.items():
        given = spec.get(field)
        try:
            values[name] = default if given is None else take(given)
        except _Wrong as wrong:
            problems.append(f"spec.{field}: must be {wrong}, not {given!r:.80}")
    known = ["pipeline", *_FIELDS, *_ON_CLUSTERS_ALONE]
    unknown = [field for field in spec if field not in known]
    problems += [f"spec.{field}: there is no such field; there are {', '.join(known)}" for field in unknown]
    return values


def _texts(value: Any) -> list[str]:
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return value
    raise _Wrong("a list of reasons, such as [mistyped-field, unmatched]")


def _partitions(value: Any) -> list[int]:
    if isinstance(value, list) and all(type(each) is int and each >= 0 for each in value):
        return value
    raise _Wrong("a list of partitions of the clicks topic, such as [0, 3]")


def _time_ms(value: Any) -> int:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            value = None
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise _Wrong("a time with its zone, such as 2026-01-31T12:00:00Z")
    return round(value.timestamp() * 1_000)


def _limit(value: Any) -> int:
    if type(value) is int and value >= 1:
        return value
    raise _Wrong("a whole number of at least 1")


def _expression(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise _Wrong("a CEL expression as text: put it in quotes")


def _expressions(value: Any) -> dict[str, str]:
    if isinstance(value, dict) and all(isinstance(each, str) for pair in value.items() for each in pair):
        return value
    raise _Wrong("an object of fields and CEL texts, such as {timestamp: int(click.timestamp)}")


def _late(value: Any) -> str:
    if value in ("skip", "enrich"):
        return str(value)
    raise _Wrong("skip or enrich")


def _switch(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise _Wrong("true or false")


_ON_CLUSTERS_ALONE = ("ttlAfterFinished",)  # no harm here: the same file is for both
# Field of the spec -> the program's field, what takes a value, what stands for none.
_FIELDS: dict[str, tuple[str, Callable[[Any], Any], Any]] = {
    "reasons": ("reasons", _texts, []),
    "from": ("from_ms", _time_ms, None),
    "to": ("to_ms", _time_ms, None),
    "sources": ("sources", _partitions, []),
    "limit": ("limit", _limit, None),
    "where": ("where", _expression, ""),
    "set": ("set", _expressions, {}),
    "late": ("late", _late, "skip"),
    "dryRun": ("dry_run", _switch, False),
}
