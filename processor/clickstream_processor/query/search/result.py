"""A page of hits as it is sent, and as /openapi.json describes it. Pure.

The classes have the names of the API's schemas; a field's description is the API's documentation.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from clickstream_processor.query.http.answer_part import AnswerPart, Count


class Piece(AnswerPart, frozen=True):
    """A piece of a text, and whether it matched."""

    text: str
    hit: bool


class Hit(AnswerPart, frozen=True):
    """One hit: the enriched click as it was indexed, and what matched in it."""

    click: msgspec.Raw
    highlights: Annotated[dict[str, tuple[Piece, ...]], Meta(description="By field: its text in pieces")]


class Bucket(AnswerPart, frozen=True):
    """The hits of one interval."""

    at_ms: Annotated[int, Meta(description="Start, ms since the epoch")]
    clicks: Count


class Histogram(AnswerPart, frozen=True):
    """Hits over time."""

    interval: str
    buckets: tuple[Bucket, ...]


class ActionCount(AnswerPart, frozen=True):
    """How many of the hits have one action."""

    action: str
    clicks: Count


class SearchResult(AnswerPart, frozen=True):
    """One page of hits, newest first."""

    total: Count
    page: Annotated[int, Meta(ge=1)]
    pages: Count
    page_size: Count
    took_ms: Count
    partial: Annotated[bool, Meta(description="A shard failed, or the engine ran out of time")]
    hits: tuple[Hit, ...]
    histogram: Histogram
    actions: tuple[ActionCount, ...]
