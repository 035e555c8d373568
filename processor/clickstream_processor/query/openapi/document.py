"""The API's description, OpenAPI 3.1, served at /openapi.json.

Made for the pipeline that the pod runs: the name of the count follows its window. ``info.version`` is the
API's own, by semantic versioning; a test holds each response against these schemas.
"""

import msgspec
from aiohttp import web

from clickstream_processor.query.http.answer_part import AnswerPart
from clickstream_processor.query.http.responses import JSON_HEADERS
from clickstream_processor.query.letters.document import LetterPage, LetterSummary, WholeLetter
from clickstream_processor.query.metrics.document import MetricList, MetricResult
from clickstream_processor.query.openapi.parts import (
    PROBLEM,
    PROBLEM_RESPONSES,
    SESSION,
    STALENESS,
    WINDOW,
    Schema,
    user_metrics,
)
from clickstream_processor.query.openapi.paths import paths
from clickstream_processor.query.options import QueryOptions
from clickstream_processor.query.search.result import SearchResult
from clickstream_processor.query.summary.document import Summary

API_VERSION = "1.5.0"

_ANSWERS = (Summary, MetricList, MetricResult, SearchResult, LetterPage, LetterSummary, WholeLetter)


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
        "paths": paths(options),
        "components": {
            "schemas": {
                "UserMetrics": user_metrics(options),
                "Window": WINDOW,
                "Session": SESSION,
                "Problem": PROBLEM,
                **_schemas_of(*_ANSWERS),
            },
            "responses": PROBLEM_RESPONSES,
            "headers": {"Staleness": STALENESS},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        **secured,
    }


def _schemas_of(*answers: type[AnswerPart]) -> Schema:
    """Return the schemas of answers, and of their parts, as their types say."""
    _, found = msgspec.json.schema_components(answers, ref_template="#/components/schemas/{name}")
    return found
