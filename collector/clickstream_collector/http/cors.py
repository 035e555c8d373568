"""CORS by the write keys' origins.

The origin is given back as it came, for beacons and Snowplow send cookies, and a browser takes no `*` then.
The headers that a preflight asks for are given back too: SDKs add headers in a retry, and a fixed list would
break only the retries.
"""

from aiohttp import web

MAX_AGE_S = 600
_METHODS = "GET, POST, OPTIONS"
_MAX_HEADERS_CHARS = 2_048


def allow(response: web.StreamResponse, origin: str) -> None:
    """Let pages of this origin read the answer."""
    headers = response.headers
    headers["Access-Control-Allow-Origin"] = origin
    headers["Access-Control-Allow-Credentials"] = "true"
    headers["Access-Control-Expose-Headers"] = "Retry-After"
    headers["Vary"] = "Origin"


def preflight(request: web.Request, origin: str) -> web.Response:
    """Return the answer to a preflight of an origin that may send."""
    response = web.Response(status=204)
    allow(response, origin)
    response.headers["Access-Control-Allow-Methods"] = _METHODS
    response.headers["Access-Control-Max-Age"] = str(MAX_AGE_S)
    asked = request.headers.get("Access-Control-Request-Headers", "")[:_MAX_HEADERS_CHARS]
    if asked:
        response.headers["Access-Control-Allow-Headers"] = asked
    return response
