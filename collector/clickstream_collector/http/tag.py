"""`/tag.js`: the tag for websites, compressed once at start. It is built from collector/tag (`make tag`).

No write key is checked: the script is the same for everybody, and a page has its key beside it.
"""

import gzip
import hashlib
from pathlib import Path

import brotli
from aiohttp import web

FILE = Path(__file__).parents[1] / "static" / "tag.js"
# A page may use what it has for an hour, and for a day more while it asks whether there is a newer one.
CACHE = "public, max-age=3600, stale-while-revalidate=86400"
_SHARED = {
    "Cache-Control": CACHE,
    "Vary": "Accept-Encoding",
    "Access-Control-Allow-Origin": "*",  # for pages with crossorigin or integrity on the script
    "Cross-Origin-Resource-Policy": "cross-origin",
    "X-Content-Type-Options": "nosniff",
    "Server": "clickstream",
}
_METHODS = "GET, HEAD, OPTIONS"


class Tag:
    """The script in each encoding, with its answers."""

    def __init__(self, file: Path = FILE) -> None:
        plain = file.read_bytes()
        self._bodies = {
            "br": brotli.compress(plain, mode=brotli.MODE_TEXT),
            "gzip": gzip.compress(plain, 9, mtime=0),  # the same bytes in each replica
            "identity": plain,
        }
        # An encoding is another representation, so it has a tag of its own (RFC 9110, 8.8.3.3).
        self._etags = {
            name: f'"{hashlib.sha256(body).hexdigest()[:20]}"' for name, body in self._bodies.items()
        }

    async def answer(self, request: web.Request) -> web.Response:
        """Answer GET and HEAD: 200 with the script, 304 to whom has it."""
        encoding = encoding_for(request.headers.get("Accept-Encoding", ""))
        etag = self._etags[encoding]
        headers = {**_SHARED, "ETag": etag}
        known = request.headers.get("If-None-Match", "")
        if known.strip() == "*" or etag in (each.strip().removeprefix("W/") for each in known.split(",")):
            return web.Response(status=304, headers=headers)
        headers["Content-Type"] = "text/javascript; charset=utf-8"
        if encoding != "identity":
            headers["Content-Encoding"] = encoding
        return web.Response(body=self._bodies[encoding], headers=headers)

    async def preflight(self, request: web.Request) -> web.Response:
        """Answer OPTIONS: any page may read the script."""
        headers = {**_SHARED, "Access-Control-Allow-Methods": _METHODS, "Allow": _METHODS}
        if asked := request.headers.get("Access-Control-Request-Headers", "")[:2_048]:
            headers["Access-Control-Allow-Headers"] = asked
        return web.Response(status=204, headers=headers)


def encoding_for(accepted: str) -> str:
    """Return br, gzip or identity: the smallest that an Accept-Encoding allows."""
    allowed: dict[str, bool] = {}
    for part in accepted.lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        allowed[name] = not any(_is_zero(each) for each in parameters)
    others = allowed.get("*", False)
    return next((name for name in ("br", "gzip") if allowed.get(name, others)), "identity")


def _is_zero(parameter: str) -> bool:
    """Tell whether a parameter is q=0, which refuses."""
    name, _, value = parameter.partition("=")
    return name.strip() == "q" and not value.strip().strip("0.")
