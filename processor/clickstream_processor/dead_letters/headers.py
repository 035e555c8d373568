"""What a dead letter's headers say: of pod, sink or collector (docs/reference/topics-and-records.md). Pure.

Anybody may write to the topic. So no header is believed to be text or a number.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from clickstream_processor.topology.records.replayed import REPLAY, Pairs, Place, Replayed, replayed_in

MAX_TEXT_CHARS = 1_000  # of what a header says
MAX_REASON_CHARS = 100
UNKNOWN_REASON = "unknown"

# With these our own sink begins its messages; other sinks' messages have no reason.
SINK_REASONS = ("not-json", "missing-field", "mistyped-field", "too-old", "rejected", "oversized")
_SINK_MESSAGE = re.compile(rf"({'|'.join(SINK_REASONS)})(?:: |$)")
_SINK = "__connect.errors."


class Writer(StrEnum):
    """Who wrote a letter, by its headers."""

    POD = "pod"
    SINK = "sink"
    COLLECTOR = "collector"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Said:
    """What headers say. Texts are cut, and what is not UTF-8 in them is escaped."""

    writer: Writer
    reason: str  # UNKNOWN_REASON where no header says one
    detail: str
    first: Place | None  # of the record that became the letter
    path: str | None  # of the request, in letters of a collector
    connector: str | None  # in letters of the sink
    original_size: int | None  # bytes of the whole value; only of a letter that was cut
    is_cut: bool  # it lacks some of its value, or its key
    again: Replayed | None  # of the replays that have sent its click


def read_headers(headers: Pairs) -> Said:
    """Return what a letter's headers say."""
    named = {name: value for name, value in headers if isinstance(value, bytes)}  # the last one, as Connect
    writer = _writer(named)
    sink = writer is Writer.SINK
    reason, detail = _of_sink(named) if sink else (_text(named, "reason"), _text(named, "detail"))
    return Said(
        writer=writer,
        reason=_cut(reason, MAX_REASON_CHARS) if reason else UNKNOWN_REASON,
        detail=detail or "",
        first=_place(named, _SINK if sink else "source-"),
        path=_text(named, "source-path"),
        connector=_text(named, f"{_SINK}connector.name"),
        original_size=_number(named, "original-size"),
        is_cut="original-size" in named or "original-key-size" in named,
        again=replayed_in(headers) if REPLAY in named else None,
    )


def _writer(named: Mapping[str, bytes]) -> Writer:
    if "source-topic" in named:
        return Writer.POD
    if "source-path" in named:
        return Writer.COLLECTOR
    return Writer.SINK if f"{_SINK}topic" in named else Writer.UNKNOWN


def _of_sink(named: Mapping[str, bytes]) -> tuple[str, str]:
    """Return reason and detail of a letter of Kafka Connect: what its exception says."""
    message = _text(named, f"{_SINK}exception.message") or ""
    found = _SINK_MESSAGE.match(message)
    if found is not None:
        return found[1], message[found.end() :]
    return "", message or _text(named, f"{_SINK}exception.class.name") or ""


def _place(named: Mapping[str, bytes], prefix: str) -> Place | None:
    topic = _text(named, f"{prefix}topic")
    partition, offset = _number(named, f"{prefix}partition"), _number(named, f"{prefix}offset")
    if topic is None or partition is None or offset is None:
        return None
    return Place(topic, partition, offset)


def _text(named: Mapping[str, bytes], name: str) -> str | None:
    value = named.get(name)
    if value is None:
        return None
    text = value[: 4 * MAX_TEXT_CHARS].decode(errors="backslashreplace")
    return _cut(text, MAX_TEXT_CHARS)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _number(named: Mapping[str, bytes], name: str) -> int | None:
    """Return a whole number that JSON readers keep; None for anything else."""
    value = named.get(name, b"")
    return int(value) if value.isdigit() and len(value) <= 15 else None
