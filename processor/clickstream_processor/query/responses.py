"""The shapes of successful responses, shared by both applications."""

from collections.abc import Mapping

import msgspec
from aiohttp import web

from clickstream_processor.query.answer import Answer
from clickstream_processor.query.peers import STALENESS
from clickstream_processor.query.problems import CONTENT_TYPE

# Answers are of a moment: nothing between here and the reader may keep them.
JSON_HEADERS = {"Content-Type": "application/json", "Cache-Control": "no-store", "Server": "clickstream"}

_encode = msgspec.json.encode


def json_response(document: object, status: int = 200) -> web.Response:
    """Return a document as JSON."""
    return web.Response(status=status, body=_encode(document), headers=JSON_HEADERS)


def json_bytes(body: bytes) -> web.Response:
    """Return a document that is JSON already."""
    return web.Response(body=body, headers=JSON_HEADERS)


def answered(answer: Answer) -> web.Response:
    """Return a user's metrics, or the problem that is the answer, with the staleness mark if there is one."""
    headers: Mapping[str, str] = JSON_HEADERS
    if answer.status != 200:
        headers = {**headers, "Content-Type": CONTENT_TYPE}
    if answer.staleness is not None:
        headers = {**headers, STALENESS: answer.staleness}
    return web.Response(status=answer.status, body=answer.body, headers=headers)
