"""The dashboard, the insights and the search page: static files, read once, served with a strict policy.

The pages hold no data: they ask this pod's API. So they are open even where tokens are needed, and nothing
that came from a user's record is ever part of a page's HTML. All links are relative: a proxy may serve the
pages under a path of its own.
"""

from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable

from aiohttp import web

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",  # asked again each time, answered with 304: a roll-out shows at once
    "Server": "clickstream",
}


class _File:
    """One file of a page, as it is served."""

    def __init__(self, source: Traversable) -> None:
        self._body = source.read_bytes()
        self._tag = f'"{sha256(self._body).hexdigest()[:16]}"'
        kind = _TYPES["." + source.name.rpartition(".")[2]]
        self._headers = {**_HEADERS, "Content-Type": kind, "ETag": self._tag}

    async def respond(self, request: web.Request) -> web.Response:
        """Return the file, or 304 when the client has it."""
        if self._tag in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers={**_HEADERS, "ETag": self._tag})
        return web.Response(body=self._body, headers=self._headers)


def add_pages(app: web.Application) -> None:
    """Add the pages and what they load; each file has its own route, so no other can be reached."""
    here = files(__package__)
    app.router.add_get("/", _File(here / "templates" / "dashboard.html").respond)
    app.router.add_get("/insights", _File(here / "templates" / "insights.html").respond)
    app.router.add_get("/search", _File(here / "templates" / "search.html").respond)
    for source in (here / "static").iterdir():
        if "." + source.name.rpartition(".")[2] in _TYPES:
            app.router.add_get(f"/static/{source.name}", _File(source).respond)
