"""The API's description, OpenAPI 3.1, served at /openapi.json.

Made for the pipeline that the pod runs: the name of the count follows its window. ``info.version`` is the
API's own, by semantic versioning; a test holds each response against these schemas.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from aiohttp import web

from clickstream_processor.aggregation.metric import Metric
from clickstream_processor.aggregation.values.keys import MAX_TEXT_BYTES
from clickstream_processor.query.http.answer_part import AnswerPart
from clickstream_processor.query.http.problems import CONTENT_TYPE
from clickstream_processor.query.http.responses import JSON_HEADERS
from clickstream_processor.query.metrics.document import MetricList, MetricResult
from clickstream_processor.query.metrics.question import BY, DEFAULT_TOP, LATEST, MAX_ROWS, MAX_TOP
from clickstream_processor.query.metrics.question import MAX_WINDOWS as MAX_METRIC_WINDOWS
from clickstream_processor.query.options import QueryOptions
from clickstream_processor.query.search.query import MAX_MS, MAX_PAGE, MAX_TEXT
from clickstream_processor.query.search.result import SearchResult
from clickstream_processor.query.summary.document import Summary
from clickstream_processor.query.users.answer import window_name
from clickstream_processor.query.users.question import DEFAULT_WINDOWS, MAX_USER_BYTES, MAX_WINDOWS

API_VERSION = "1.4.0"

Schema = dict[str, Any]


def add_document(app: web.Application, options: QueryOptions) -> None:
    """Serve the description. It needs no token: it tells how to send one."""
    body = msgspec.json.encode(document(options))

    async def respond(_: web.Request) -> web.Response:
        return web.Response(body=body, headers={**JSON_HEADERS, "Cache-Control": "no-cache"})

    app.router.add_get("/openapi.json", respond)


def document(options: QueryOptions) -> Schema:
    """Return the OpenAPI document."""
    secured: Schema = {"security": [{"token": []}]} if options.tokens is not None else {}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Clickstream query API",
            "version": API_VERSION,
            "summary": f"Pipeline {options.namespace}/{options.name}: what each user is doing now.",
            "description": "Any pod answers any user. Errors are RFC 9457 problem details.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "."}],
        "paths": {
            "/dashboard/users/{id}/metrics": {"get": _user_metrics()},
            "/api/summary": {"get": _summary()},
            "/api/stream": {"get": _stream()},
            "/api/metrics": {"get": _metrics()},
            "/api/metrics/{name}": {"get": _metric(options.metrics)},
            "/api/search": {"get": _search()},
        },
        "components": {
            "schemas": {
                "UserMetrics": _user_metrics_schema(options),
                "Window": _WINDOW,
                "Session": _SESSION,
                "Problem": _PROBLEM,
                **_schemas_of(Summary, MetricList, MetricResult, SearchResult),
            },
            "responses": _PROBLEM_RESPONSES,
            "headers": {"Staleness": _STALENESS},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        **secured,
    }


def _schemas_of(*answers: type[AnswerPart]) -> Schema:
    """Return the schemas of answers, and of their parts, as their types say."""
    _, found = msgspec.json.schema_components(answers, ref_template="#/components/schemas/{name}")
    return found


def _object(
    properties: Schema, *, optional: tuple[str, ...] = (), closed: bool = True, **more: Any
) -> Schema:
    required = [name for name in properties if name not in optional]
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": not closed,
    } | more


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _schema(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _text(description: str = "", **more: Any) -> Schema:
    return {"type": "string", **({"description": description} if description else {}), **more}


def _ms(description: str) -> Schema:
    return {"type": "integer", "description": f"{description}, ms since the epoch"}


_COUNT: Schema = {"type": "integer", "minimum": 0}
_RATE: Schema = {"type": "number", "minimum": 0}
_TIME: Schema = {"type": "integer", "minimum": 0, "maximum": MAX_MS}
_MAYBE_TEXT: Schema = {"type": ["string", "null"]}

_WINDOW = _object({"window_start": _ms("Start"), "window_end": _ms("End (exclusive)"), "clicks": _COUNT})

_SESSION = _object(
    {
        "session_start": _ms("Its first click"),
        "session_end": _ms("Its last click so far"),
        "clicks": _COUNT,
        "entry_page": _text("Page of the first click"),
        "exit_page": _text("Page of the last click so far"),
        "open": {"type": "boolean", "description": "Clicks may still join it"},
    }
)

_PROBLEM = _object(
    {
        "type": _text(format="uri"),
        "title": _text(),
        "status": {"type": "integer"},
        "detail": _text(),
        "parameter": _text("The parameter that is wrong"),
    },
    optional=("parameter",),
    closed=False,
    description="RFC 9457",
)

_STALENESS: Schema = {
    "description": "Seconds since the state that was read was last known to be complete; absent when fresh.",
    "schema": {"type": "number", "exclusiveMinimum": 0},
}


def _problem(description: str) -> Schema:
    return {"description": description, "content": {CONTENT_TYPE: {"schema": _schema("Problem")}}}


_PROBLEM_RESPONSES: Schema = {
    "Malformed": _problem("A parameter is missing, unknown, repeated or out of range"),
    "Unauthorized": _problem("No bearer token, or an unknown one"),
    "Unavailable": _problem("Nobody can answer now; see Retry-After"),
}


def _responses(description: str, content: Schema, **more: Any) -> Schema:
    names = {"400": "Malformed", "401": "Unauthorized", "503": "Unavailable"}
    problems = {status: {"$ref": f"#/components/responses/{name}"} for status, name in names.items()}
    return {"200": {"description": description, "content": content}, **problems, **more}


def _json(name: str) -> Schema:
    return {"application/json": {"schema": _schema(name)}}


def _parameter(name: str, schema: Schema, description: str) -> Schema:
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}


def _user_metrics_schema(options: QueryOptions) -> Schema:
    return _object(
        {
            "user_id": _text(),
            "user_name": _MAYBE_TEXT,
            f"clicks_last_{window_name(options.plan.size_ms)}": _COUNT,
            "country": _MAYBE_TEXT,
            "plan_tier": _MAYBE_TEXT,
            "windows": _list(_schema("Window"))
            | {"description": "A page of retained windows with clicks, newest first"},
            "windows_from": _ms("Windows that start before are not listed: not asked for, or no longer kept"),
            "next": {
                "type": ["integer", "null"],
                "description": "The `to` of the following page; null: this is the last one",
            },
            "sessions": _list(_schema("Session"))
            | {"description": "The user's sessions that are not closed, by their start; absent without them"},
            "as_of": _ms("When the state that was read was last known to be complete"),
            "staleness": _RATE | {"description": "Seconds; 0 when fresh"},
        },
        optional=("windows", "windows_from", "next", "sessions", "as_of", "staleness"),
    )


def _user_metrics() -> Schema:
    responses = _stale(_responses("The user's metrics", _json("UserMetrics")))
    responses["404"] = _problem("Neither a profile nor a click of the user is known")
    return {
        "operationId": "getUserMetrics",
        "summary": "One user's rolling count and profile",
        "parameters": [
            {
                "name": "id",
                "in": "path",
                "required": True,
                "description": f"User id, percent-encoded, 1 to {MAX_USER_BYTES} bytes",
                "schema": _text(minLength=1),
            },
            _parameter("at", _TIME, "Event time, ms since the epoch; default now"),
            _parameter(
                "detail",
                {"type": "integer", "enum": [0, 1]},
                "1 adds windows, windows_from, next, sessions, as_of and staleness",
            ),
            _parameter(
                "from", _TIME, "With detail=1: windows that start at or after this, ms since the epoch"
            ),
            _parameter("to", _TIME, "With detail=1: windows that start before this, ms since the epoch"),
            _parameter(
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
        "responses": _responses("The summary, at most a second old", _json("Summary")),
    }


def _stream() -> Schema:
    content = {"text/event-stream": {"schema": _text("Events named summary; data is a Summary as JSON")}}
    return {
        "operationId": "streamSummaries",
        "summary": "A summary each second, as server-sent events",
        "responses": _responses("The stream", content),
    }


def _metrics() -> Schema:
    return {
        "operationId": "listMetrics",
        "summary": "The pipeline's metrics: what they count, by which keys, in which windows",
        "responses": _stale(_responses("The metrics, at most a second old", _json("MetricList"))),
    }


def _metric(metrics: Sequence[Metric]) -> Schema:
    names = sorted(metric.name for metric in metrics)
    responses = _stale(_responses("Windows, the earliest first", _json("MetricResult")))
    responses["404"] = _problem("The pipeline has no such metric; `metrics` lists those it has")
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
            _parameter(
                "window",
                {"oneOf": [{"const": LATEST}, _TIME]},
                f"{LATEST} (default): the newest window that has begun and has all its earlier panes; "
                "or the start of one, ms since the epoch",
            ),
            _parameter("from", _TIME, "Windows that start at or after this, ms since the epoch"),
            _parameter(
                "to",
                _TIME,
                f"With from: windows that start before this, ms since the epoch; default: up to {LATEST}. "
                f"At most {MAX_METRIC_WINDOWS} windows",
            ),
            _parameter(
                "top",
                {"type": "integer", "minimum": 1, "maximum": MAX_TOP, "default": DEFAULT_TOP},
                f"Rows in a window; windows times rows are at most {MAX_ROWS}",
            ),
            *(
                _parameter(
                    BY + key,
                    _text(),
                    f"Only this value of the key, by its text form, at most {MAX_TEXT_BYTES} bytes: "
                    "5 is the text and the integer",
                )
                for key in sorted({key for metric in metrics for key in metric.by})
            ),
        ],
        "responses": responses,
    }


def _stale(responses: Schema) -> Schema:
    responses["200"]["headers"] = {"X-Clickstream-Staleness": {"$ref": "#/components/headers/Staleness"}}
    return responses


def _search() -> Schema:
    text: Schema = {"type": "string", "maxLength": MAX_TEXT}
    responses = _responses("One page of hits, newest first", _json("SearchResult"))
    responses["404"] = _problem("The pipeline has no search index")
    responses["502"] = _problem("The search engine refused the query")
    return {
        "operationId": "searchClicks",
        "summary": "Search the enriched clicks",
        "parameters": [
            _parameter(
                "q", text, 'Words in page and user name; "phrase", prefix*, -not and | are understood'
            ),
            _parameter("user", text, "Exact user id"),
            _parameter("action", text, "Exact action"),
            _parameter("from", _TIME, "First event time, ms since the epoch"),
            _parameter("to", _TIME, "End of event times (exclusive), ms since the epoch"),
            _parameter(
                "page", {"type": "integer", "minimum": 1, "maximum": MAX_PAGE}, "Page of 20 hits, from 1"
            ),
        ],
        "responses": responses,
    }
