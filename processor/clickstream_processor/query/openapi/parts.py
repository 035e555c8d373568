"""What the API's paths are described with: schemas that no answer's class gives, parameters, responses."""

from typing import Any

from clickstream_processor.query.http.problems import CONTENT_TYPE
from clickstream_processor.query.options import QueryOptions
from clickstream_processor.query.search.query import MAX_MS
from clickstream_processor.query.users.answer import window_name

Schema = dict[str, Any]


def object_of(
    properties: Schema, *, optional: tuple[str, ...] = (), closed: bool = True, **more: Any
) -> Schema:
    """Return the schema of an object; `closed`: it has no other properties."""
    required = [name for name in properties if name not in optional]
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": not closed,
    } | more


def list_of(items: Schema) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": items}


def ref(name: str) -> Schema:
    """Return a reference to a schema of the components."""
    return {"$ref": f"#/components/schemas/{name}"}


def text_of(description: str = "", **more: Any) -> Schema:
    """Return the schema of a text."""
    return {"type": "string", **({"description": description} if description else {}), **more}


def ms_of(description: str) -> Schema:
    """Return the schema of a time."""
    return {"type": "integer", "description": f"{description}, ms since the epoch"}


COUNT: Schema = {"type": "integer", "minimum": 0}
RATE: Schema = {"type": "number", "minimum": 0}
TIME: Schema = {"type": "integer", "minimum": 0, "maximum": MAX_MS}
MAYBE_TEXT: Schema = {"type": ["string", "null"]}

WINDOW = object_of({"window_start": ms_of("Start"), "window_end": ms_of("End (exclusive)"), "clicks": COUNT})

SESSION = object_of(
    {
        "session_start": ms_of("Its first click"),
        "session_end": ms_of("Its last click so far"),
        "clicks": COUNT,
        "entry_page": text_of("Page of the first click"),
        "exit_page": text_of("Page of the last click so far"),
        "open": {"type": "boolean", "description": "Clicks may still join it"},
    }
)

PROBLEM = object_of(
    {
        "type": text_of(format="uri"),
        "title": text_of(),
        "status": {"type": "integer"},
        "detail": text_of(),
        "parameter": text_of("The parameter that is wrong"),
    },
    optional=("parameter",),
    closed=False,
    description="RFC 9457",
)

STALENESS: Schema = {
    "description": "Seconds since the state that was read was last known to be complete; absent when fresh.",
    "schema": {"type": "number", "exclusiveMinimum": 0},
}


def problem(description: str) -> Schema:
    """Return a response with problem details."""
    return {"description": description, "content": {CONTENT_TYPE: {"schema": ref("Problem")}}}


PROBLEM_RESPONSES: Schema = {
    "Malformed": problem("A parameter is missing, unknown, repeated or out of range"),
    "Unauthorized": problem("No bearer token, or an unknown one"),
    "Unavailable": problem("Nobody can answer now; see Retry-After"),
}


def responses_of(description: str, content: Schema, **more: Any) -> Schema:
    """Return the responses of an operation: this one, and the problems that any may have."""
    names = {"400": "Malformed", "401": "Unauthorized", "503": "Unavailable"}
    problems = {status: {"$ref": f"#/components/responses/{name}"} for status, name in names.items()}
    return {"200": {"description": description, "content": content}, **problems, **more}


def json_of(name: str) -> Schema:
    """Return content in JSON, by the name of its schema."""
    return {"application/json": {"schema": ref(name)}}


def parameter(name: str, schema: Schema, description: str) -> Schema:
    """Return a parameter of the URL's query."""
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}


def user_metrics(options: QueryOptions) -> Schema:
    """Return the schema of a user's metrics: the count is named after the pipeline's window."""
    return object_of(
        {
            "user_id": text_of(),
            "user_name": MAYBE_TEXT,
            f"clicks_last_{window_name(options.plan.size_ms)}": COUNT,
            "country": MAYBE_TEXT,
            "plan_tier": MAYBE_TEXT,
            "windows": list_of(ref("Window"))
            | {"description": "A page of retained windows with clicks, newest first"},
            "windows_from": ms_of(
                "Windows that start before are not listed: not asked for, or no longer kept"
            ),
            "next": {
                "type": ["integer", "null"],
                "description": "The `to` of the following page; null: this is the last one",
            },
            "sessions": list_of(ref("Session"))
            | {"description": "The user's sessions that are not closed, by their start; absent without them"},
            "as_of": ms_of("When the state that was read was last known to be complete"),
            "staleness": RATE | {"description": "Seconds; 0 when fresh"},
        },
        optional=("windows", "windows_from", "next", "sessions", "as_of", "staleness"),
    )


def stale(responses: Schema) -> Schema:
    """Let the answer among these responses say how stale it is."""
    responses["200"]["headers"] = {"X-Clickstream-Staleness": {"$ref": "#/components/headers/Staleness"}}
    return responses
