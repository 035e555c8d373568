"""The API's description, OpenAPI 3.1, served at /openapi.json.

Made for the pipeline that the pod runs: the name of the count follows its window. ``info.version`` is the
API's own, by semantic versioning; a test holds each response against these schemas.
"""

from typing import Any

import msgspec
from aiohttp import web

from clickstream_processor.query.answer import MAX_USER_BYTES
from clickstream_processor.query.options import QueryOptions, window_name
from clickstream_processor.query.parameters import DEFAULT_WINDOWS, MAX_WINDOWS
from clickstream_processor.query.problems import CONTENT_TYPE
from clickstream_processor.query.responses import JSON_HEADERS
from clickstream_processor.query.search_query import MAX_MS, MAX_PAGE, MAX_TEXT

API_VERSION = "1.1.0"

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
            "/api/search": {"get": _search()},
        },
        "components": {
            "schemas": {
                "UserMetrics": _user_metrics_schema(options),
                "Window": _WINDOW,
                "Summary": _SUMMARY,
                "Incident": _INCIDENT,
                "Task": _TASK,
                "Pod": _POD,
                "SearchResult": _SEARCH_RESULT,
                "Problem": _PROBLEM,
            },
            "responses": _PROBLEM_RESPONSES,
            "headers": {"Staleness": _STALENESS},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        **secured,
    }


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


def _maybe_ms(description: str) -> Schema:
    return {**_ms(f"{description}; null: never yet"), "type": ["integer", "null"]}


_COUNT: Schema = {"type": "integer", "minimum": 0}
_LAG: Schema = {
    "type": ["integer", "null"],
    "minimum": 0,
    "description": "From the last commit to the end of the input; null while that is not known",
}
_RATE: Schema = {"type": "number", "minimum": 0}
_TIME: Schema = {"type": "integer", "minimum": 0, "maximum": MAX_MS}
_MAYBE_TEXT: Schema = {"type": ["string", "null"]}

_WINDOW = _object({"window_start": _ms("Start"), "window_end": _ms("End (exclusive)"), "clicks": _COUNT})

_RATES = _object(
    dict.fromkeys(("clicks", "enriched", "filtered", "dead_lettered", "queries", "cpu"), _RATE),
    description="Per second, over the last five seconds; cpu in cores.",
)

_TASK = _object(
    {
        "task": _text("As the assignment names it", examples=["clicks-3"]),
        "partition": _COUNT,
        "owner": {
            "type": ["integer", "null"],
            "description": "Ordinal of the pod; null while nobody owns it",
        },
        "standbys": _list({"type": "integer"}),
        "phase": _text(enum=["restoring", "waiting", "running", "stopped", "unknown"]),
        "lag_records": _LAG,
        "lag_ms": _LAG,
        "standing_ms": _COUNT
        | {"description": "For how long clicks have waited while the last commit did not move"},
        "stream_ms": _ms("Stream time, -1 before the first click"),
        "detail": _text("Why a task is stopped, or runs without a commit, and what to do"),
    }
)

_POD = _object(
    {
        "ordinal": _COUNT,
        "answered": {"type": "boolean"},
        "instance": _text(),
        "ready": {"type": "boolean"},
        "owned": _COUNT,
        "standby": _COUNT,
        "clicks": _COUNT,
        "enriched": _COUNT,
        "dead_lettered": _COUNT,
        "brokers_seen_ms": _maybe_ms("Last sign of life of a broker"),
        "routes_as_of_ms": _maybe_ms("When the pod's view of the assignment was last known to be the newest"),
        "commit_failures_in_a_row": _COUNT,
        "commit_error": _text("Of the last failure; empty once a commit got through"),
        "rates": _RATES,
    },
    optional=(
        "instance",
        "ready",
        "owned",
        "standby",
        "clicks",
        "enriched",
        "dead_lettered",
        "brokers_seen_ms",
        "routes_as_of_ms",
        "commit_failures_in_a_row",
        "commit_error",
        "rates",
    ),
)

_TOTALS = _object(
    {
        "clicks": _COUNT,
        "enriched": _COUNT,
        "filtered": _COUNT,
        "dead_lettered": _COUNT,
        "dead_letters": {"type": "object", "additionalProperties": _COUNT, "description": "By reason"},
        "profiles": _COUNT,
        "commits": _COUNT,
    },
    description="Sums over the pods that answered, since each pod's start",
)

_INCIDENT = _object(
    {
        "topic": _text(),
        "partition": _COUNT,
        "offset": _COUNT,
        "reason": _text("The dead letter's reason, or why a profile was refused"),
        "error": _text("What was raised or answered"),
        "at_ms": _ms("When"),
    }
)

_SUMMARY = _object(
    {
        "pipeline": _object({"name": _text(), "namespace": _text()}),
        "at_ms": _ms("When it was made"),
        "answered_by": _COUNT,
        "partial": {"type": "boolean", "description": "A pod did not answer in time: sums lack its share"},
        "generation": {"type": "integer"},
        "totals": _TOTALS,
        "rates": _RATES,
        "lag": _object({"records": _LAG, "ms": _LAG}),
        "kafka_silent_ms": {
            "type": ["integer", "null"],
            "minimum": 0,
            "description": "Time since a broker answered any pod that answered; null: none ever did",
        },
        "tasks_without_owner": _list(_text()),
        "tasks": _list(_schema("Task")),
        "pods": _list(_schema("Pod")),
        "incidents": _object(
            {"quarantined": _list(_schema("Incident")), "refused_profiles": _list(_schema("Incident"))},
            description="The newest records that were set aside, by their place; at most 20 of each",
        ),
        "history": {
            **_list(_list({"type": "number"})),
            "description": "Per second: [at_ms, clicks, enriched, dead-lettered]; 5 min in a stream's first",
        },
    },
)

_PIECES = _list(_object({"text": _text(), "hit": {"type": "boolean"}}))

_SEARCH_RESULT = _object(
    {
        "total": _COUNT,
        "page": {"type": "integer", "minimum": 1},
        "pages": _COUNT,
        "page_size": _COUNT,
        "took_ms": _COUNT,
        "partial": {"type": "boolean", "description": "A shard failed, or the engine ran out of time"},
        "hits": _list(
            _object(
                {
                    "click": {"type": "object", "description": "The enriched click as it was indexed"},
                    "highlights": {
                        "type": "object",
                        "additionalProperties": _PIECES,
                        "description": "By field: the text in pieces, each with whether it matched",
                    },
                }
            )
        ),
        "histogram": _object(
            {"interval": _text(), "buckets": _list(_object({"at_ms": _ms("Start"), "clicks": _COUNT}))}
        ),
        "actions": _list(_object({"action": _text(), "clicks": _COUNT})),
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
            "as_of": _ms("When the state that was read was last known to be complete"),
            "staleness": _RATE | {"description": "Seconds; 0 when fresh"},
        },
        optional=("windows", "windows_from", "next", "as_of", "staleness"),
    )


def _user_metrics() -> Schema:
    responses = _responses("The user's metrics", _json("UserMetrics"))
    responses["200"]["headers"] = {"X-Clickstream-Staleness": {"$ref": "#/components/headers/Staleness"}}
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
                "1 adds windows, windows_from, next, as_of and staleness",
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
