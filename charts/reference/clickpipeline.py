"""The fields of a resource as a page, from its CRD's schema. Pure."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

_HEAD = """# {kind} fields

Made from [the CRD](../../crds/{name}.yaml) by `make reference`; do not edit.
`kubectl explain {singular}.spec --recursive` shows the same on a cluster. {more}

"""
_PIPELINE = """What the operator does with
them is in [operator.md](../explanation/operator.md), what the processors do in [semantics.md](semantics.md);
whole examples are in [examples/](../../examples/)."""
_REPLAY = """[Replay dead
letters on Kubernetes](../how-to/replay-on-kubernetes.md) shows how to use them. The conditions are in
[conditions.md](conditions.md#replays-and-erasures)."""
_ERASURE = """[Erase
users](../how-to/erase-users.md) shows how to use them. The conditions are in
[conditions.md](conditions.md#replays-and-erasures)."""


def clickpipeline_page(crd: Schema) -> str:
    """Return the page of the ClickPipeline: a table a part of the spec, then its rules."""
    return _page(crd, _PIPELINE)


def clickreplay_page(crd: Schema) -> str:
    """Return the page of the ClickReplay: its spec, its rules, its status."""
    return _operation_page(crd, _REPLAY)


def clickerasure_page(crd: Schema) -> str:
    """Return the page of the ClickErasure, likewise."""
    return _operation_page(crd, _ERASURE)


def _operation_page(crd: Schema, more: str) -> str:
    version = crd["spec"]["versions"][-1]
    status = version["schema"]["openAPIV3Schema"]["properties"]["status"]
    shown = {name: field for name, field in status["properties"].items() if name != "conditions"}
    lines = ["\n## status\n\n| field | type | meaning |\n|---|---|---|\n"]
    for path, field, _ in _fields({"properties": shown}, "status"):
        lines.append(f"| `{path}` | {_type(field)} | {_sentence(field)} |\n")
    return _page(crd, more) + "".join(lines)


def _page(crd: Schema, more: str) -> str:
    """Return the page of the CRD's newest version, without its status."""
    version = crd["spec"]["versions"][-1]
    schema = version["schema"]["openAPIV3Schema"]
    spec = schema["properties"]["spec"]
    names = crd["spec"]["names"]
    kind = names["kind"]
    lines = [
        _HEAD.format(kind=kind, name=crd["metadata"]["name"], singular=names["singular"], more=more),
        f"`apiVersion: {crd['spec']['group']}/{version['name']}`, `kind: {kind}`\n\n",
        "## spec\n\n",
        *_table(_fields(spec, "spec", deep=False)),
    ]
    for name, part in spec["properties"].items():
        items = part.get("items", {})
        if "properties" in items:  # a list of parts
            heading = f"\n## spec.{name}\n\n{_sentence(part)}\n\n"
            lines += [heading, *_table(_fields(items, f"spec.{name}[]"))]
        if "properties" in part:
            lines += [f"\n## spec.{name}\n\n{_sentence(part)}\n\n", *_table(_fields(part, f"spec.{name}"))]
    rules = [*_rules(schema, ""), *_rules(spec, "spec")]
    lines += ["\n## Rules\n\nWhat the API server refuses, beside a value of the wrong shape:\n\n"]
    lines += sorted({f"- {f'`{path}`: ' if path else ''}{_cell(rule)}\n" for path, rule in rules})
    return "".join(lines)


def _fields(schema: Schema, path: str, *, deep: bool = True) -> Iterator[tuple[str, Schema, bool]]:
    """Yield (path, schema, whether it is required) of each field below, parents before children."""
    required = schema.get("required", [])
    for name, field in schema.get("properties", {}).items():
        here = f"{path}.{name}"
        yield here, field, name in required
        if deep:
            yield from _fields(field, here)
            items = field.get("items")
            if isinstance(items, Mapping):
                yield from _fields(items, f"{here}[]")
            values = field.get("additionalProperties")
            if isinstance(values, Mapping):
                yield from _fields(values, f"{here}.*")


def _table(fields: Iterator[tuple[str, Schema, bool]]) -> Iterator[str]:
    yield "| field | type | default | meaning |\n|---|---|---|---|\n"
    for path, field, required in fields:
        yield f"| `{path}` | {_type(field)} | {_default(field, required)} | {_sentence(field)} |\n"


def _type(field: Schema) -> str:
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    if field.get("x-kubernetes-int-or-string"):
        return "integer or string"
    kind = str(field.get("type", "any"))
    if kind == "array":
        return f"list of {_type(field['items'])}"
    if kind == "object" and isinstance(field.get("additionalProperties"), Mapping):
        return f"map to {_type(field['additionalProperties'])}"
    if field.get("format") == "date-time":
        return "time, RFC 3339"
    low, high = field.get("minimum"), field.get("maximum")
    if low is not None or high is not None:
        return f"{kind}, {'' if low is None else low} to {'' if high is None else high}".rstrip()
    return kind


def _default(field: Schema, required: bool) -> str:
    if required:
        return "*required*"
    if "default" not in field or "properties" in field:  # of an object: those of its fields
        return ""
    value = field["default"]
    return f"`{value if isinstance(value, str) and value else json.dumps(value)}`"


def _sentence(field: Schema) -> str:
    return _cell(field.get("description", ""))


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _rules(schema: Schema, path: str) -> Iterator[tuple[str, str]]:
    """Yield (path, message) of each validation rule below."""
    for rule in schema.get("x-kubernetes-validations", []):
        yield path, rule.get("message") or rule["rule"]
    for name, field in schema.get("properties", {}).items():
        if path or name == "metadata":
            yield from _rules(field, f"{path}.{name}".lstrip("."))
    if isinstance(schema.get("items"), Mapping):
        yield from _rules(schema["items"], f"{path}[]")
    if isinstance(schema.get("additionalProperties"), Mapping):
        yield from _rules(schema["additionalProperties"], f"{path}.*")
