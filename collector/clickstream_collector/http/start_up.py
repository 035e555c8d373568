"""What SDKs ask before they send anything, with the least answer that works.

No write key is checked here: the answers say nothing that the asker does not know.
"""

import msgspec
from aiohttp import web

_JSON = {"Content-Type": "application/json", "Cache-Control": "no-store", "Server": "clickstream"}
_SCRIPT = {"Content-Type": "application/javascript", "Cache-Control": "no-store", "Server": "clickstream"}
_MAX_KEY = 256
_encode = msgspec.json.encode


async def answer(request: web.Request) -> web.StreamResponse:
    """Answer one of the paths above."""
    path = request.path
    if path.startswith("/v1/projects/"):
        key = request.match_info["key"][:_MAX_KEY]
        return _json({"integrations": {"Segment.io": {"apiKey": key}}})
    if path == "/sourceConfig/":
        return _json({"source": _source(request.query.get("writeKey", "")[:_MAX_KEY])})
    if path.endswith("/config.js"):
        return web.Response(body=b"", headers=_SCRIPT)
    if path.endswith("/config"):
        return _json({"supportedCompression": ["gzip", "gzip-js"], "hasFeatureFlags": False})
    if path.startswith(("/engage", "/groups")):
        verbose = request.query.get("verbose") == "1"
        return web.Response(body=b'{"status":1}' if verbose else b"1", headers=_JSON)
    return _json({})


def _source(key: str) -> dict[str, object]:
    return {
        "id": "clickstream",
        "name": "clickstream",
        "writeKey": key,
        "enabled": True,
        "workspaceId": "clickstream",
        "config": {},
        "connections": [],
        "destinations": [],
    }


def _json(document: object) -> web.Response:
    return web.Response(body=_encode(document), headers=_JSON)
