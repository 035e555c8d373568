"""Dead letters as they are sent, and as /openapi.json describes them. Pure.

The classes have the names of the API's schemas; a field's description is the API's documentation.
"""

import codecs
import re
from itertools import islice
from typing import Annotated, Literal

from msgspec import Meta
from msgspec.structs import asdict

from clickstream_processor.dead_letters.fixes import fix_of
from clickstream_processor.dead_letters.headers import Writer
from clickstream_processor.dead_letters.letter import Letter as Found
from clickstream_processor.query.http.answer_part import AnswerPart, Count
from clickstream_processor.query.summary.document import PipelineName

LIST_BYTES = 1_024  # of a key or a value in a list
WHOLE_BYTES = 256 << 10  # in the answer to one letter
_HEADERS = 100
_HEADER_BYTES = 16 << 10
_NOT_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class Bytes(AnswerPart, frozen=True):
    """Bytes as they came."""

    encoding: Annotated[Literal["text", "hex"], Meta(description="hex: the bytes are no text in UTF-8")]
    data: str
    size: Annotated[int, Meta(ge=0, description="All of them")]
    cut: Annotated[bool, Meta(description="`data` has only the first of them")]


class LetterPlace(AnswerPart, frozen=True):
    """Where a record lies."""

    topic: str
    partition: Count
    offset: Count


class LetterHeader(AnswerPart, frozen=True):
    """A header of the record."""

    name: str
    value: Bytes | None


class Letter(AnswerPart, frozen=True):
    """A dead letter."""

    place: Annotated[LetterPlace, Meta(description="Of the letter itself")]
    first: Annotated[LetterPlace | None, Meta(description="Of the record that became the letter")]
    at_ms: Annotated[int | None, Meta(description="Record time, ms since the epoch")]
    source: Annotated[Writer, Meta(description="Who wrote it, by its headers")]
    reason: Annotated[str, Meta(description="`unknown` where no header says one")]
    detail: str
    path: Annotated[str | None, Meta(description="Of the request, in letters of a collector")]
    connector: Annotated[str | None, Meta(description="In letters of the sink")]
    key: Bytes | None
    value: Bytes | None
    original_size: Annotated[int | None, Meta(description="Bytes of the whole value, if the letter was cut")]
    attempt: Annotated[int | None, Meta(description="Of a click that was replayed: 2 or more")]
    replay: Annotated[str | None, Meta(description="Name of the replay")]
    history: Annotated[str | None, Meta(description="Reasons of earlier attempts")]


class WholeLetter(Letter, frozen=True):
    """A dead letter with all that is known of it."""

    headers: tuple[LetterHeader, ...]
    fix: Annotated[str, Meta(description="What to do about the reason")]


class LetterPage(AnswerPart, frozen=True):
    """A page of dead letters, newest first."""

    letters: tuple[Letter, ...]
    next: Annotated[
        str | None, Meta(description="`before` of the following page; null: this is the last one")
    ]
    scanned: Annotated[int, Meta(ge=0, description="Letters that were read for it")]


class LettersOfReason(AnswerPart, frozen=True):
    """How many letters have one reason."""

    reason: str
    letters: Count
    fix: Annotated[str, Meta(description="What to do about it")]


class LetterBucket(AnswerPart, frozen=True):
    """The letters of one interval."""

    at_ms: Annotated[int, Meta(description="Start, ms since the epoch")]
    reasons: dict[str, Count]


class LetterSummary(AnswerPart, frozen=True):
    """Letters by reason and time. Buckets without letters are left out."""

    pipeline: PipelineName
    topic: str
    total: Count
    reasons: Annotated[
        tuple[LettersOfReason, ...],
        Meta(description="The most frequent first; beyond 31 together as `(other)`"),
    ]
    bucket_ms: Annotated[int, Meta(ge=1, description="Length of an interval")]
    buckets: tuple[LetterBucket, ...]
    scanned: Annotated[int, Meta(ge=0, description="Letters that were read")]
    complete: Annotated[bool, Meta(description="False: there are older letters that were not read")]
    complete_from_ms: Annotated[
        int | None, Meta(description="While incomplete: since then all letters are counted; null: not known")
    ]


def letter(topic: str, found: Found, at_most: int = LIST_BYTES) -> Letter:
    """Return a letter of a list: key and value are cut."""
    said = found.said
    first, again = said.first, said.again
    return Letter(
        place=LetterPlace(topic=topic, partition=found.partition, offset=found.offset),
        first=None
        if first is None
        else LetterPlace(topic=first.topic, partition=first.partition, offset=first.offset),
        at_ms=found.at_ms,
        source=said.writer,
        reason=said.reason,
        detail=said.detail,
        path=said.path,
        connector=said.connector,
        key=_maybe(found.key, at_most),
        value=_maybe(found.value, at_most),
        original_size=said.original_size,
        attempt=None if again is None else again.attempt,
        replay=None if again is None else again.name,
        history=None if again is None else again.history,
    )


def whole_letter(topic: str, found: Found) -> WholeLetter:
    """Return a letter with its headers."""
    headers = (LetterHeader(name=name, value=_maybe(value, _HEADER_BYTES)) for name, value in found.headers)
    return WholeLetter(
        **asdict(letter(topic, found, WHOLE_BYTES)),
        headers=tuple(islice(headers, _HEADERS)),
        fix=fix_of(found.said.reason),
    )


def as_bytes(data: bytes, at_most: int) -> Bytes:
    """Return bytes as text where they are text, else as hex. Half a character at the cut is left out."""
    shown = data[:at_most]
    cut = len(shown) < len(data)
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(shown, final=not cut)
    except UnicodeDecodeError:
        text = None
    if text is None or _NOT_TEXT.search(text):
        return Bytes(encoding="hex", data=shown.hex(), size=len(data), cut=cut)
    return Bytes(encoding="text", data=text, size=len(data), cut=cut)


def _maybe(data: str | bytes | None, at_most: int) -> Bytes | None:
    return as_bytes(data, at_most) if isinstance(data, bytes) else None
