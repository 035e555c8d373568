"""What of an engine's answer to a search is read. A hit's document is passed on as it is, byte for byte.

To read twenty large documents and write them again would hold the event loop for a tenth of a second.
"""

from typing import Any, TypedDict

import msgspec


class EngineHit(TypedDict, total=False):
    """One hit."""

    _source: msgspec.Raw
    highlight: dict[str, list[str]]


class EngineHits(TypedDict, total=False):
    """A page of hits."""

    total: dict[str, Any]
    hits: list[EngineHit]


class EngineAnswer(TypedDict, total=False):
    """The engine's answer; fields that are not named here are skipped."""

    hits: EngineHits
    aggregations: dict[str, Any]
    timed_out: bool
    took: int
    _shards: dict[str, Any]


decode_search = msgspec.json.Decoder(EngineAnswer).decode
