"""The shapes of successful responses, shared by both applications."""

import msgspec
from aiohttp import web

# Answers are of a moment: nothing between here and the reader may keep them.
JSON_HEADERS = {"Content-Type": "application/json", "Cache-Control": "no-store", "Server": "clickstream"}

_encode = msgspec.json.encode


def json_response(document: object, status: int = 200) -> web.Response:
    """Return a document as JSON."""
    return web.Response(status=status, body=_encode(document), headers=JSON_HEADERS)


def json_bytes(body: bytes) -> web.Response:
    """Return a document that is JSON already."""
    return web.Response(body=body, headers=JSON_HEADERS)
