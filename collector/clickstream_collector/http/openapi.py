"""The description of both ports, OpenAPI 3.1, served by the admin port at /openapi.json. Pure.

It is made of the tables that the collector runs by. Tests hold it against the routes that the ports have, and
every answer to random and hostile requests against it.
"""

from collections.abc import Iterable
from typing import Any

from clickstream_collector.bodies.compression import CODINGS
from clickstream_collector.bodies.content import TYPES
from clickstream_collector.http.credentials import HEADER, PARAMETERS
from clickstream_collector.http.routes import (
    ADMIN_ROUTES,
    ERRORS,
    EVENT_ROUTES,
    PROBLEM_TYPE,
    START_UP_ROUTES,
    TAG_PATH,
    TYPE_PREFIX,
    Answer,
    Reading,
    Route,
)

API_VERSION = "1.0.0"

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_STATUS: Schema = {"type": "object", "properties": {"status": {"const": 1}}, "required": ["status"]}
_ONE: Schema = {"oneOf": [{"const": 1}, _STATUS]}
_JSON, _ANY_TEXT = "application/json", "text/plain"

# Where each vocabulary has its events: the member of the body that lists them, and members of an event.
_EVENTS: dict[str, tuple[str | None, tuple[str, ...]]] = {
    "clicks": (None, ("user_id", "anonymous_id", "page_url", "action", "message_id", "session_id")),
    "rudderstack": ("batch", ("type", "event", "userId", "anonymousId", "previousId", "messageId", "sentAt")),
    "posthog": ("batch", ("event", "distinct_id", "uuid", "timestamp")),
    "snowplow": ("data", ("e", "uid", "duid", "eid", "sid", "url", "dtm", "stm", "se_ac", "ue_pr", "ue_px")),
    "amplitude": ("events", ("event_type", "user_id", "device_id", "insert_id")),
    "mixpanel": (None, ("event",)),
}


def document(port: int, admin_port: int, *, is_open: bool) -> Schema:
    """Return the OpenAPI document of a collector."""
    events = {path: _item(path, is_open=is_open) for path in _event_paths()}
    for item in events.values():
        item["options"] = _operation("May a page send here?", {"204": "Yes, with these headers"}, (403,))
    tag = {"summary": "The tag for websites", **_operation("", {"304": "The page has it"}, ())}
    tag["responses"]["200"] = _content("The script", "text/javascript", _TEXT)
    events[TAG_PATH] = {
        "get": {**tag},
        "head": _operation(
            "As GET, without the script", {"200": "It is there", "304": "The page has it"}, ()
        ),
        "options": _operation("Any page may read it", {"204": "Yes"}, ()),
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Clickstream collector",
            "version": API_VERSION,
            "summary": "Clicks over HTTP into Kafka.",
            "description": "200: all in-sync replicas have it. Errors are RFC 9457 problem details.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [_server(port, "The port for events")],
        "paths": {
            **events,
            **{path: _admin(path, kind, what, admin_port) for path, kind, what in ADMIN_ROUTES},
        },
        "components": {
            "schemas": {"Problem": _problem_schema()},
            "responses": {
                **{f"Error{status}": _error(status) for status in dict.fromkeys(e.status for e in ERRORS)},
                "NoHTTP": _no_http(),
                "UnknownExpectation": _content("`Expect` is not 100-continue", _ANY_TEXT, _TEXT),
            },
            "securitySchemes": _security_schemes(),
        },
    }


def _event_paths() -> Iterable[str]:
    paths = [route.path for route in EVENT_ROUTES] + [path for _, path, _ in START_UP_ROUTES]
    return dict.fromkeys(paths)


def _item(path: str, *, is_open: bool) -> Schema:
    """Return the methods of a path."""
    item: Schema = {}
    for route in EVENT_ROUTES:
        if route.path == path:
            item[route.method.lower()] = _event_operation(route, is_open=is_open)
    for method, each, what in START_UP_ROUTES:
        if each == path:
            item[method.lower()] = _start_up(path, what)
    if "{key}" in path:
        item["parameters"] = [{"name": "key", "in": "path", "required": True, "schema": _TEXT}]
    return item


def _event_operation(route: Route, *, is_open: bool) -> Schema:
    """Return the operation that takes events."""
    has_body = route.reading in (Reading.CLICKS, Reading.BODY)
    errors = [400, 413, 503]
    errors += [408, 415] if has_body else []
    errors += [] if is_open else [401, 403]
    errors += [] if is_open or route.drops_429 else [429]
    operation = _operation(f"{route.vocabulary.title}: events in {route.reading.value}", {}, errors)
    operation["responses"]["200"] = _success(route.answer)
    if has_body:
        schema = _events_schema(route)
        kinds = {kind: {"schema": schema if kind == _JSON else {}} for kind in TYPES if kind}
        operation["requestBody"] = {"required": True, "content": kinds}
        operation["parameters"] = [
            {
                "name": "Content-Encoding",
                "in": "header",
                "schema": {"enum": [each for each in CODINGS if each]},
            }
        ]
    else:
        names = ("data",) if route.reading is Reading.QUERY_DATA else _EVENTS[route.vocabulary.name][1]
        operation["parameters"] = [_query(name) for name in names]
    if route.answer is Answer.ONE:
        operation["parameters"].append(_query("verbose"))
    if not is_open:
        operation["security"] = [{name: []} for name in _security_schemes()] + [{}]  # or in the body
    return operation


def _operation(summary: str, answers: dict[str, str], errors: Iterable[int]) -> Schema:
    responses: Schema = {status: {"description": text} for status, text in answers.items()}
    responses |= {"400": {"$ref": "#/components/responses/NoHTTP"}}
    responses |= {str(each): {"$ref": f"#/components/responses/Error{each}"} for each in errors}
    responses |= {"417": {"$ref": "#/components/responses/UnknownExpectation"}}
    return {**({"summary": summary} if summary else {}), "responses": responses}


def _content(description: str, kind: str, schema: Schema) -> Schema:
    return {"description": description, "content": {kind: {"schema": schema}}}


def _query(name: str) -> Schema:
    return {"name": name, "in": "query", "schema": _TEXT}


def _success(answer: Answer) -> Schema:
    """Return the answer of 200: Kafka has the events, or their dead letters."""
    what = "Kafka has the events, or their dead letters"
    match answer:
        case Answer.PIXEL:
            return _content(what, "image/gif", {})
        case Answer.TEXT:
            return _content(what, _ANY_TEXT, {"const": "ok"})
        case Answer.STATUS:
            return _content(what, _JSON, _STATUS)
        case Answer.ONE:
            return _content(what, _JSON, _ONE)
        case Answer.SUCCESS:
            return _content(what, _JSON, _object({"success": {"const": True}}))
        case Answer.CODE:
            return _content(what, _JSON, _object({"code": {"const": 200}, "events_ingested": _COUNT}))
    refused = {"type": "array", "items": _object({"index": _COUNT, "reason": _TEXT, "detail": _TEXT})}
    members = {"accepted": _COUNT, "refused": refused, "refused_in_all": _COUNT}
    return _content(what, _JSON, _object(members, required=["accepted", "refused"]))


def _events_schema(route: Route) -> Schema:
    """Return the shape of a body; what is none of it is a dead letter or 400."""
    listed, names = _EVENTS[route.vocabulary.name]
    event: Schema = {"type": "object", "properties": {name: {} for name in names}}
    several: Schema = {"type": "array", "items": event}
    if listed is None:
        return {"oneOf": [event, several]}
    if route.kind is not None:
        return event
    return _object({listed: several})


def _start_up(path: str, what: str) -> Schema:
    operation = _operation(what, {}, ())
    if path.endswith(".js"):
        operation["responses"]["200"] = _content("An empty script", "application/javascript", _TEXT)
    else:
        schema = _ONE if path.startswith(("/engage", "/groups")) else {"type": "object"}
        operation["responses"]["200"] = _content("What the SDK expects", _JSON, schema)
    return operation


def _admin(path: str, kind: str, what: str, port: int) -> Schema:
    operation = _operation(what, {}, ())
    schema = _TEXT if kind == _ANY_TEXT else {"type": "object"}
    head = _operation(f"{what}; without the body", {"200": "Yes"}, ())
    operation["responses"]["200"] = _content(what, kind, schema)
    if path == "/readyz":
        operation["responses"]["503"] = _content("No event can be taken now", kind, schema)
        head["responses"]["503"] = {"description": "No event can be taken now"}
    return {"servers": [_server(port, "The admin port")], "get": operation, "head": head}


def _server(port: int, what: str) -> Schema:
    variables = {"host": {"default": "localhost"}, "port": {"default": str(port)}}
    return {"url": "http://{host}:{port}", "description": what, "variables": variables}


def _no_http() -> Schema:
    return _content("The bytes are no HTTP; no path has been looked for", _ANY_TEXT, _TEXT)


def _error(status: int) -> Schema:
    errors = [each for each in ERRORS if each.status == status]
    found = _content(
        "; or ".join(each.when for each in errors), PROBLEM_TYPE, {"$ref": "#/components/schemas/Problem"}
    )
    if status == 400:
        found["content"] |= _no_http()["content"]
    if any(each.has_retry_after for each in errors):
        seconds = {"schema": {"type": "integer", "minimum": 1}, "description": "Seconds to wait"}
        found["headers"] = {"Retry-After": seconds}
    return found


def _problem_schema() -> Schema:
    kinds = [TYPE_PREFIX + each.kind for each in ERRORS]
    members = {"type": {"enum": kinds}, "title": _TEXT, "status": {"type": "integer"}, "detail": _TEXT}
    return _object(members, description="RFC 9457. Amplitude's have `code` and `error` as well.")


def _security_schemes() -> Schema:
    return {
        "header": {"type": "apiKey", "in": "header", "name": HEADER},
        "basic": {"type": "http", "scheme": "basic", "description": "The key is the user"},
        "bearer": {"type": "http", "scheme": "bearer"},
        **{
            f"query {name}".replace(" ", "_"): {"type": "apiKey", "in": "query", "name": name}
            for name in PARAMETERS
        },
    }


def _object(properties: Schema, *, required: list[str] | None = None, **more: Any) -> Schema:
    return {"type": "object", "properties": properties, "required": required or list(properties), **more}
