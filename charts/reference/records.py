"""The records of a pipeline's topics as a page, from the types that read and write them. Pure.

What the processor writes as text, enriched clicks and counts, is taken from a line that runs over one click.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from clickstream_operator.manifests.names import internal_topic
from clickstream_operator.manifests.topics import topic_specs
from clickstream_operator.spec.clickpipeline import ClickPipeline
from clickstream_processor.control.records import Ack, Claim, Heartbeat, TaskRecord, TaskReport
from clickstream_processor.processing.output import letters
from clickstream_processor.processing.output.task_outputs import QUARANTINE
from clickstream_processor.state.checkpoint import Position
from clickstream_processor.topology.pipeline import Pipeline
from clickstream_processor.topology.plan import MAX_CLICK_BYTES, Plan
from clickstream_processor.topology.records import notices
from clickstream_processor.topology.records.codec import MAX_KEY_BYTES
from clickstream_processor.topology.records.records import (
    EARLIEST_MS,
    LATEST_MS,
    Click,
    Profile,
    Reason,
)
from clickstream_processor.topology.records.replayed import Replayed
from clickstream_processor.topology.users.working_set import WorkingSet

_HEAD = """# Records

Made from the code by `make reference`; do not edit. This page has the exact names, types and limits. What
they mean is in [topics and records](topics-and-records.md), in [semantics](semantics.md#dead-letters) and in
the [protocol](protocol.md#the-topics).

"""
_TOPICS = """## Topics

These are the topics of [examples/storefront.yaml](../../examples/storefront.yaml), with every default. `<id>`
is the pipeline's id.

"""
_VALUES = """
## Values

All values are JSON, except those of the changelog. The tables have the fields that the pods read or write. A
writer may add others, which the pods ignore.
"""
_USER = b"alice123"
_MS = 1_690_000_000_000
_WORDS = {str: "text", int: "whole number"}


class _Sample:
    """A click that was consumed."""

    def __init__(self, key: bytes | None, value: bytes | None) -> None:
        self._key, self._value = key, value

    def key(self) -> bytes | None:
        return self._key

    def value(self) -> bytes | None:
        return self._value

    def offset(self) -> int:
        return 0

    def timestamp(self) -> tuple[int, int]:
        return 1, _MS


class _Written:
    """What a line wrote; also the empty state that it begins with."""

    def __init__(self) -> None:
        self.values: dict[str, dict[str, Any]] = {}

    def enriched(self, value: str | bytes, _key: bytes, _ms: int, /) -> None:
        self.values["enriched"] = json.loads(value)

    def metrics(self, value: str, _key: bytes, _ms: int, /) -> None:
        self.values["metrics"] = json.loads(value)

    def dead_letter(self, _message: Any, reason: str, detail: str, /) -> None:
        raise ValueError(f"the sample became a dead letter: {reason}: {detail}")

    def get(self, _key: bytes, /) -> bytes | None:
        return None

    def scan(self, _first: bytes, _end: bytes, /) -> Iterator[tuple[bytes, bytes]]:
        return iter(())


def written_fields() -> dict[str, dict[str, Any]]:
    """Return an enriched click and a count, as a line writes them: of a click without a profile."""
    plan = Plan(clicks_topic="user-clicks", partitions=1, join="left")
    written = _Written()
    line = Pipeline(plan, WorkingSet(written, plan), 0, written)
    click = Click(_USER.decode(), "/products/123", "view", _MS)
    line.clicks([_Sample(_USER, msgspec.json.encode(click))])
    line.flush()
    return written.values


def letter_headers() -> dict[str, str]:
    """Return the headers of a dead letter, each with when it is there."""
    long_key, value = b"k" * (letters.MAX_KEY_BYTES + 1), b"v" * 10_000
    cases = (
        ("always", _Sample(_USER, b"{"), None),
        ("the value was cut", _Sample(_USER, value), None),
        ("the key was left out", _Sample(long_key, None), None),
        ("a replay has sent the click", _Sample(_USER, b"{"), Replayed("fix", 2, "late")),
    )
    found: dict[str, str] = {}
    for when, sample, again in cases:
        made = letters.letter(sample, "late", "", "user-clicks", 0, max_bytes=2_000, bare=False, again=again)
        for name, _ in made.headers:
            found.setdefault(name, when)
    return found


def records_page(pipeline: ClickPipeline) -> str:
    """Return the page: topics, values, dead letters, limits."""
    topics, written = pipeline.spec.topics, written_fields()
    values = {
        f"`{topics.clicks}`": _fields(Click),
        f"`{topics.profiles}`": _fields(Profile),
        f"`{topics.profiles}`, a notice": _fields(notices._Notice),
        f"`{topics.enriched}`": _written(written["enriched"]),
        f"`{topics.metrics}`": _written(written["metrics"]),
        "`<id>-positions`": _fields(Position),
        "`<id>-assignment`, key `claim`": _fields(Claim),
        "`<id>-assignment`, key `task/...`": _fields(TaskRecord),
        "`<id>-acks`, key `pod/...`": _fields(Heartbeat),
        "`<id>-acks`, a task of a heartbeat": _fields(TaskReport),
        "`<id>-acks`, key `task/...`": _fields(Ack),
    }
    lines = [_HEAD, _TOPICS, *_table(("topic", "partitions", "settings"), _topics(pipeline)), _VALUES]
    for title, rows in values.items():
        lines += [f"\n### {title}\n\n", *_table(("field", "type", "default"), _coded(rows))]
    lines += ["\n## Dead letters\n\n### Reasons of the pods\n\n"]
    lines += _table(("reason", "part of the quarantine"), _reasons())
    lines += ["\n### Headers of the pods\n\n", *_table(("header", "when"), _coded(letter_headers().items()))]
    lines += ["\n### Reasons of a notice\n\n", *(f"- `{reason}`\n" for reason in sorted(notices.REASONS))]
    lines += ["\n## Limits\n\n", *_table(("limit", "value"), _limits())]
    return "".join(lines)


def _fields(struct: type[msgspec.Struct]) -> list[tuple[str, str, str]]:
    found = []
    for each in msgspec.structs.fields(struct):
        default = "*required*" if each.required else f"`{msgspec.json.encode(each.default).decode()}`"
        found.append((each.encode_name, _type(msgspec.inspect.type_info(each.type)), default))
    return found


def _type(kind: msgspec.inspect.Type) -> str:
    match kind:
        case msgspec.inspect.UnionType(types=types):
            return " or ".join(_type(each) for each in types)
        case msgspec.inspect.LiteralType(values=values):
            return " or ".join(f"`{value}`" for value in sorted(map(str, values)))
        case msgspec.inspect.IntType(ge=int(low), le=int(high)):
            return f"whole number, {low} to {high}"
        case msgspec.inspect.IntType():
            return "whole number"
        case msgspec.inspect.VarTupleType(item_type=item):
            return f"list of {_type(item)}s"
        case msgspec.inspect.DictType(value_type=value):
            return f"object, each value {_type(value)}"
        case msgspec.inspect.StructType():
            return "an object"
    return {"StrType": "text", "BoolType": "bool", "NoneType": "null"}[type(kind).__name__]


def _written(sample: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return the fields of a value that is written whole; the sample has no profile."""
    return [
        (name, "text or null" if value is None else _WORDS[type(value)], "*always there*")
        for name, value in sample.items()
    ]


def _topics(pipeline: ClickPipeline) -> Iterator[tuple[str, ...]]:
    own = internal_topic(pipeline, "")
    for topic in topic_specs(pipeline):
        name = topic.name.replace(own, "<id>-") if topic.internal else topic.name
        settings = ", ".join(f"`{key}={value}`" for key, value in topic.config.items())
        yield f"`{name}`", str(topic.partitions), settings


def _reasons() -> Iterator[tuple[str, str]]:
    for reason in Reason:
        yield f"`{reason.value}`", "yes" if reason.value in QUARANTINE else ""


def _limits() -> Iterator[tuple[str, str]]:
    yield "bytes of a click's value", f"{MAX_CLICK_BYTES:,}"
    yield "bytes of a key", f"{MAX_KEY_BYTES:,}"
    yield "`timestamp` of a click, ms", f"{EARLIEST_MS:,} to {LATEST_MS:,}"
    yield "characters of a dead letter's `detail`", f"{letters.MAX_DETAIL_CHARS:,}"
    yield "bytes of a key in a dead letter that is cut", f"{letters.MAX_KEY_BYTES:,}"


def _coded(rows: Iterable[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    for name, *rest in rows:
        yield f"`{name}`", *rest


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |\n|{'---|' * len(head)}\n"
    for row in rows:
        yield f"| {' | '.join(row)} |\n"
