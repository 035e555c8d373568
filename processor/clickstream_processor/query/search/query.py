"""A search as structured JSON for the engine, and the engine's answer as ours. Pure.

What a person typed is only ever a value in a JSON document: it reaches the engine as the text of a
``simple_query_string`` (which never raises a syntax error) or as the value of a term. The same documents
work with OpenSearch 3.8 and Elasticsearch 7.10.2.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from clickstream_processor.query.http.problems import malformed
from clickstream_processor.query.search.result import ActionCount, Bucket, Histogram, Hit, Piece, SearchResult
from clickstream_processor.topology.records.codec import MAX_KEY_BYTES

PAGE_SIZE = 20
MAX_PAGE = 500  # 10,000 hits: index.max_result_window of both engines
MAX_TEXT = 256
MAX_USER = MAX_KEY_BYTES  # characters: no user id has more
MAX_MS = 253_402_300_799_999  # 9999-12-31, the last day both engines take
_BUCKETS = 60
_ACTIONS = 20

# Operators a person may use. Fuzziness and slop are left out: one term can cost thousands.
_FLAGS = "AND|OR|NOT|PHRASE|PREFIX|PRECEDENCE|ESCAPE|WHITESPACE"

# Marks around a highlight: private-use characters, which no page path or name holds. They are cut out
# again on this side, so no markup ever travels.
_HIT, _END = "\ue000", "\ue001"

PARAMETERS = ("q", "user", "action", "from", "to", "page")


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """One search: text, filters, a half-open range of event times [from_ms, to_ms), a page from 1."""

    text: str = ""
    user: str = ""
    action: str = ""
    from_ms: int | None = None
    to_ms: int | None = None
    page: int = 1


def parse_search(parameters: Mapping[str, str]) -> SearchRequest:
    """Return the search that the URL's parameters ask for; raises Problem 400 with the parameter's name."""
    from_ms = _number(parameters, "from", 0, MAX_MS)
    to_ms = _number(parameters, "to", 0, MAX_MS)
    if from_ms is not None and to_ms is not None and from_ms >= to_ms:
        raise malformed("from must be before to.", "from")
    return SearchRequest(
        text=_text(parameters, "q"),
        user=_text(parameters, "user", MAX_USER),
        action=_text(parameters, "action"),
        from_ms=from_ms,
        to_ms=to_ms,
        page=_number(parameters, "page", 1, MAX_PAGE) or 1,
    )


def _text(parameters: Mapping[str, str], name: str, longest: int = MAX_TEXT) -> str:
    text = parameters.get(name, "").strip()
    if len(text) > longest:
        raise malformed(f"{name} is longer than {longest} characters.", name)
    return text


def _number(parameters: Mapping[str, str], name: str, low: int, high: int) -> int | None:
    text = parameters.get(name, "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 15 and low <= int(text) <= high):
        raise malformed(f"{name} must be a whole number from {low} to {high}.", name)
    return int(text)


def engine_query(request: SearchRequest, engine_timeout_ms: int = 3_000) -> dict[str, Any]:
    """Return the body of a ``_search`` over the pipeline's daily indices."""
    times = {"auto_date_histogram": {"field": "timestamp", "buckets": _BUCKETS, "format": "epoch_millis"}}
    return {
        "size": PAGE_SIZE,
        "from": (request.page - 1) * PAGE_SIZE,
        "track_total_hits": True,
        "timeout": f"{engine_timeout_ms}ms",
        "query": {"bool": {"filter": _filters(request), "must": _text_query(request)}},
        "post_filter": _action_filter(request),
        "sort": [
            {"timestamp": {"order": "desc", "unmapped_type": "date"}},
            {"event_id": {"order": "desc", "unmapped_type": "keyword"}},
        ],
        "highlight": {
            "pre_tags": [_HIT],
            "post_tags": [_END],
            "number_of_fragments": 0,
            "fields": {"page_url": {}, "user_name": {}},
        },
        "aggs": {
            "actions": {"terms": {"field": "action", "size": _ACTIONS}},
            "hits": {"filter": _action_filter(request), "aggs": {"times": times}},
        },
    }


def _action_filter(request: SearchRequest) -> dict[str, Any]:
    """Return the filter by action. It stands outside the query: the actions' counts are of all actions."""
    return {"term": {"action": request.action}} if request.action else {"match_all": {}}


def _text_query(request: SearchRequest) -> list[dict[str, Any]]:
    if not request.text:
        return []
    return [
        {
            "simple_query_string": {
                "query": request.text,
                "fields": ["page_url", "user_name"],
                "default_operator": "and",
                "flags": _FLAGS,
                "lenient": True,
            }
        }
    ]


def _filters(request: SearchRequest) -> list[dict[str, Any]]:
    filters: list[dict[str, Any]] = []
    if request.user:
        filters.append({"term": {"user_id": request.user}})
    bounds: dict[str, Any] = {}
    if request.from_ms is not None:
        bounds["gte"] = request.from_ms
    if request.to_ms is not None:
        bounds["lt"] = request.to_ms
    if bounds:
        filters.append({"range": {"timestamp": {**bounds, "format": "epoch_millis"}}})
    return filters


def search_result(request: SearchRequest, answer: Mapping[str, Any]) -> SearchResult:
    """Return our answer from the engine's; ``partial`` when a shard failed or the engine ran out of time."""
    hits = answer.get("hits", {})
    total = hits.get("total", {}).get("value", 0)
    groups = answer.get("aggregations", {})
    shards = answer.get("_shards", {})
    actions = groups.get("actions", {}).get("buckets", ())
    return SearchResult(
        total=total,
        page=request.page,
        pages=min(MAX_PAGE, -(-total // PAGE_SIZE)),
        page_size=PAGE_SIZE,
        took_ms=answer.get("took", 0),
        partial=bool(answer.get("timed_out")) or bool(shards.get("failed", 0)),
        hits=tuple(_hit(hit) for hit in hits.get("hits", ())),
        histogram=_histogram(groups.get("hits", {}).get("times", {})),
        actions=tuple(ActionCount(action=b["key"], clicks=b["doc_count"]) for b in actions),
    )


def _hit(hit: Mapping[str, Any]) -> Hit:
    marked = {name: pieces(texts[0]) for name, texts in (hit.get("highlight") or {}).items() if texts}
    return Hit(click=hit.get("_source", msgspec.Raw(b"{}")), highlights=marked)


def pieces(marked: str) -> tuple[Piece, ...]:
    """Return a highlighted text as pieces, each with whether it is a hit."""
    found: list[Piece] = []
    for index, piece in enumerate(marked.split(_HIT)):
        hit, _, rest = piece.partition(_END) if index else ("", "", piece)
        found += [Piece(text=text, hit=is_hit) for text, is_hit in ((hit, True), (rest, False)) if text]
    return tuple(found)


def _histogram(times: Mapping[str, Any]) -> Histogram:
    buckets: Iterable[Mapping[str, Any]] = times.get("buckets", ())
    return Histogram(
        interval=times.get("interval", ""),
        buckets=tuple(Bucket(at_ms=int(b["key"]), clicks=int(b["doc_count"])) for b in buckets),
    )
