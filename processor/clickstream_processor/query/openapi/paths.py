"""The API's paths: one function for each operation, in the order of the document."""

from collections.abc import Sequence

from clickstream_processor.aggregation.metric import Metric
from clickstream_processor.aggregation.values.keys import MAX_TEXT_BYTES
from clickstream_processor.dead_letters.headers import MAX_REASON_CHARS, Writer
from clickstream_processor.query.letters.question import DEFAULT_LIMIT, MAX_LIMIT, MAX_REASONS
from clickstream_processor.query.metrics.question import BY, DEFAULT_TOP, LATEST, MAX_ROWS, MAX_TOP
from clickstream_processor.query.metrics.question import MAX_WINDOWS as MAX_METRIC_WINDOWS
from clickstream_processor.query.openapi.parts import (
    TIME,
    Schema,
    json_of,
    list_of,
    parameter,
    problem,
    responses_of,
    stale,
    text_of,
)
from clickstream_processor.query.options import QueryOptions
from clickstream_processor.query.search.query import MAX_PAGE, MAX_TEXT
from clickstream_processor.query.users.question import DEFAULT_WINDOWS, MAX_USER_BYTES, MAX_WINDOWS


def paths(options: QueryOptions) -> Schema:
    """Return all paths of the API."""
    return {
        "/dashboard/users/{id}/metrics": {"get": _user_metrics()},
        "/api/summary": {"get": _summary()},
        "/api/stream": {"get": _stream()},
        "/api/metrics": {"get": _metrics()},
        "/api/metrics/{name}": {"get": _metric(options.metrics)},
        "/api/search": {"get": _search()},
        "/api/letters": {"get": _letters()},
        "/api/letters/summary": {"get": _letters_summary()},
        "/api/letters/{partition}/{offset}": {"get": _letter()},
    }


def _user_metrics() -> Schema:
    responses = stale(responses_of("The user's metrics", json_of("UserMetrics")))
    responses["404"] = problem("Neither a profile nor a click of the user is known")
    return {
        "operationId": "getUserMetrics",
        "summary": "One user's rolling count and profile",
        "parameters": [
            {
                "name": "id",
                "in": "path",
                "required": True,
                "description": f"User id, percent-encoded, 1 to {MAX_USER_BYTES} bytes",
                "schema": text_of(minLength=1),
            },
            parameter("at", TIME, "Event time, ms since the epoch; default now"),
            parameter(
                "detail",
                {"type": "integer", "enum": [0, 1]},
                "1 adds windows, windows_from, next, sessions, as_of and staleness",
            ),
            parameter("from", TIME, "With detail=1: windows that start at or after this, ms since the epoch"),
            parameter("to", TIME, "With detail=1: windows that start before this, ms since the epoch"),
            parameter(
                "limit",
                {"type": "integer", "minimum": 1, "maximum": MAX_WINDOWS, "default": DEFAULT_WINDOWS},
                "With detail=1: windows in a page; one may have fewer, even none: follow `next`",
            ),
        ],
        "responses": responses,
    }


def _summary() -> Schema:
    return {
        "operationId": "getSummary",
        "summary": "The whole pipeline: totals, rates, lag, tasks, pods",
        "responses": responses_of("The summary, at most a second old", json_of("Summary")),
    }


def _stream() -> Schema:
    content = {"text/event-stream": {"schema": text_of("Events named summary; data is a Summary as JSON")}}
    return {
        "operationId": "streamSummaries",
        "summary": "A summary each second, as server-sent events",
        "responses": responses_of("The stream", content),
    }


def _metrics() -> Schema:
    return {
        "operationId": "listMetrics",
        "summary": "The pipeline's metrics: what they count, by which keys, in which windows",
        "responses": stale(responses_of("The metrics, at most a second old", json_of("MetricList"))),
    }


def _metric(metrics: Sequence[Metric]) -> Schema:
    names = sorted(metric.name for metric in metrics)
    responses = stale(responses_of("Windows, the earliest first", json_of("MetricResult")))
    responses["404"] = problem("The pipeline has no such metric; `metrics` lists those it has")
    return {
        "operationId": "getMetric",
        "summary": "A metric's largest values, by window; or one key's values over time",
        "parameters": [
            {
                "name": "name",
                "in": "path",
                "required": True,
                "description": "Name of the metric",
                "schema": {"type": "string", **({"enum": names} if names else {})},
            },
            parameter(
                "window",
                {"oneOf": [{"const": LATEST}, TIME]},
                f"{LATEST} (default): the newest window that has begun and has all its earlier panes; "
                "or the start of one, ms since the epoch",
            ),
            parameter("from", TIME, "Windows that start at or after this, ms since the epoch"),
            parameter(
                "to",
                TIME,
                f"With from: windows that start before this, ms since the epoch; default: up to {LATEST}. "
                f"At most {MAX_METRIC_WINDOWS} windows",
            ),
            parameter(
                "top",
                {"type": "integer", "minimum": 1, "maximum": MAX_TOP, "default": DEFAULT_TOP},
                f"Rows in a window; windows times rows are at most {MAX_ROWS}",
            ),
            *(
                parameter(
                    BY + key,
                    text_of(),
                    f"Only this value of the key, by its text form, at most {MAX_TEXT_BYTES} bytes: "
                    "5 is the text and the integer",
                )
                for key in sorted({key for metric in metrics for key in metric.by})
            ),
        ],
        "responses": responses,
    }


def _search() -> Schema:
    text: Schema = {"type": "string", "maxLength": MAX_TEXT}
    responses = responses_of("One page of hits, newest first", json_of("SearchResult"))
    responses["404"] = problem("The pipeline has no search index")
    responses["502"] = problem("The search engine refused the query")
    return {
        "operationId": "searchClicks",
        "summary": "Search the enriched clicks",
        "parameters": [
            parameter("q", text, 'Words in page and user name; "phrase", prefix*, -not and | are understood'),
            parameter("user", text, "Exact user id"),
            parameter("action", text, "Exact action"),
            parameter("from", TIME, "First event time, ms since the epoch"),
            parameter("to", TIME, "End of event times (exclusive), ms since the epoch"),
            parameter(
                "page", {"type": "integer", "minimum": 1, "maximum": MAX_PAGE}, "Page of 20 hits, from 1"
            ),
        ],
        "responses": responses,
    }


def _letter_filters() -> list[Schema]:
    time: Schema = {"oneOf": [TIME, {"type": "string", "format": "date-time"}]}
    return [
        parameter("from", time, "First record time, ms since the epoch or RFC 3339"),
        parameter("to", time, "End of record times (exclusive), ms since the epoch or RFC 3339"),
        parameter("source", {"type": "string", "enum": list(Writer)}, "Who wrote them, by their headers"),
        parameter(
            "partition",
            {"type": "integer", "minimum": 0},
            "Partition of the first place, as of the clicks topic",
        ),
    ]


def _letter_responses(description: str, name: str) -> Schema:
    responses = responses_of(description, json_of(name))
    responses["404"] = problem("This pod reads no dead letters, or there is none at this place")
    return responses


def _letters() -> Schema:
    reasons = list_of(text_of(minLength=1, maxLength=MAX_REASON_CHARS)) | {"maxItems": MAX_REASONS}
    limit: Schema = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
    return {
        "operationId": "listLetters",
        "summary": "Dead letters, newest first",
        "parameters": [
            parameter("reason", reasons, "Only these reasons; may be given several times"),
            *_letter_filters(),
            parameter("limit", limit, "Letters in a page; one may have fewer, even none: follow `next`"),
            parameter("before", text_of(), "`next` of the page before"),
        ],
        "responses": _letter_responses("One page of letters", "LetterPage"),
    }


def _letters_summary() -> Schema:
    return {
        "operationId": "summarizeLetters",
        "summary": "Dead letters by reason and time, as far back as one question may read",
        "parameters": _letter_filters(),
        "responses": _letter_responses("The counts", "LetterSummary"),
    }


def _letter() -> Schema:
    place = ("partition", "offset")
    return {
        "operationId": "getLetter",
        "summary": "One dead letter, with its bytes and headers",
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "integer", "minimum": 0}}
            for name in place
        ],
        "responses": _letter_responses("The letter", "WholeLetter"),
    }
