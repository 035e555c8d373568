"""What the chart has as copies: values.schema.yaml -> values.yaml, values.schema.json, README.md's table.

And crds/. Every property of the schema has a description; one with a default is a value, one without is a
group of values.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

SOURCE = Path(__file__).parent / "values.schema.yaml"
CHART = Path(__file__).parent.parent / "clickstream"
CRDS = Path(__file__).parents[2] / "crds"
BEGIN, END = "<!-- begin values -->\n", "<!-- end values -->"
WIDTH = 110
Schema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Value:
    """One value: its path, such as `operator.replicas`, and its schema."""

    path: str
    schema: Schema


def made_files() -> dict[Path, str]:
    """Return the content of every file that is made.

    Helm reads nothing outside a chart, so the CRDs are among them.
    """
    schema: Schema = yaml.safe_load(SOURCE.read_text())
    readme = CHART / "README.md"
    copies = {CHART / "files" / "crds" / crd.name: crd.read_text() for crd in sorted(CRDS.glob("*.yaml"))}
    return copies | {
        CHART / "values.yaml": values_yaml(schema),
        CHART / "values.schema.json": schema_json(schema),
        readme: with_table(readme.read_text(), table(schema)),
    }


def values_yaml(schema: Schema) -> str:
    """Return values.yaml: each default below its description."""
    head = "# Made from charts/values/values.schema.yaml by `python -m charts.values`: change it there.\n"
    return head + "\n".join(_lines(schema, 0)) + "\n"


def schema_json(schema: Schema) -> str:
    """Return values.schema.json. Helm adds `global` to the values of a subchart, so it is let through."""
    properties = schema["properties"] | {"global": {"type": "object"}}
    whole = {"$schema": "http://json-schema.org/draft-07/schema#", **schema, "properties": properties}
    return json.dumps(whole, indent=2) + "\n"


def table(schema: Schema) -> str:
    """Return the table of all values in Markdown."""
    rows = [
        f"| `{value.path}` | `{_compact(value.schema['default'])}` | {_cell(value.schema)} |"
        for value in values(schema)
    ]
    return "\n".join(["", "| value | default | meaning |", "|---|---|---|", *rows, "", ""])


def with_table(text: str, rows: str) -> str:
    """Return the text with the rows between its marks."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}{rows}{END}{after}"


def values(schema: Schema, prefix: str = "") -> Iterator[Value]:
    """Yield every value in the order of the source."""
    for name, child in schema["properties"].items():
        if "default" in child:
            yield Value(prefix + name, child)
        else:
            yield from values(child, f"{prefix}{name}.")


def _lines(schema: Schema, depth: int) -> Iterator[str]:
    indent = "  " * depth
    for name, child in schema["properties"].items():
        if depth == 0:
            yield ""
        yield from (f"{indent}# {line}" for line in _wrap(child["description"], WIDTH - len(indent) - 2))
        if "default" in child:
            text = yaml.safe_dump({name: child["default"]}, sort_keys=False, width=WIDTH)
            yield from (indent + line for line in text.rstrip("\n").split("\n"))
        else:
            yield f"{indent}{name}:"
            yield from _lines(child, depth + 1)


def _wrap(text: str, width: int) -> Iterator[str]:
    line = ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            yield line
            line = word
        else:
            line = f"{line} {word}".strip()
    yield line


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _cell(schema: Schema) -> str:
    allowed = f" One of {', '.join(f'`{choice}`' for choice in schema['enum'])}." if "enum" in schema else ""
    if "minimum" in schema:
        allowed = f" {schema['minimum']} to {schema['maximum']}."
    return (str(schema["description"]) + allowed).replace("|", "\\|")
