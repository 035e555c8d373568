"""The pages Insights, Search, Dead letters and Operations: made once at start, served with a strict policy.

The pages hold no data: they ask this pod's API. So they are open even where tokens are needed, and nothing
that came from a user's record is ever part of a page's HTML. All links and redirects are relative: a proxy
may serve the pages under a path of its own.
"""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from string import Template

from aiohttp import web

from clickstream_processor.query.options import QueryOptions

_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
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


@dataclass(frozen=True, slots=True)
class Page:
    """One page. What differs from the others stands in `templates/<name>.html`, the rest in the frame."""

    name: str  # also of its template, its style and its script
    address: str  # relative, as links have it
    follows: bool  # the pipeline, and shows users

    @property
    def title(self) -> str:
        """Return what the navigation calls it."""
        return self.name.replace("-", " ").capitalize()

    @property
    def styles(self) -> tuple[str, ...]:
        """Return its style sheets."""
        own = f"{self.name}/{self.name}.css"
        return ("user/user.css" if self.follows else "common/finder.css", own)


INSIGHTS = Page("insights", "./", follows=True)
SEARCH = Page("search", "search", follows=False)
LETTERS = Page("dead-letters", "dead-letters", follows=False)
OPERATIONS = Page("operations", "operations", follows=True)
PAGES = (INSIGHTS, SEARCH, LETTERS, OPERATIONS)

_HERE = files(__package__)

_Handler = Callable[[web.Request], Awaitable[web.Response]]


def add_pages(app: web.Application, options: QueryOptions) -> None:
    """Add the pages and what they load; each file has its own route, so no other can be reached."""
    for page in PAGES:
        handler = _served(html(page, options).encode(), "html")
        if page is INSIGHTS and not options.metrics:
            handler = _redirect(307, OPERATIONS.address, cache="no-store")  # until metrics are added
        app.router.add_get("/" + page.address.removeprefix("./"), handler)
    for path, source in _static_files(_HERE / "static", "/static"):
        app.router.add_get(path, _served(source.read_bytes(), source.name.rpartition(".")[2]))
    app.router.add_get("/insights", _redirect(308, INSIGHTS.address))


def html(page: Page, options: QueryOptions) -> str:
    """Return a page of a pipeline."""
    # Without an index the page of searches stays where it was, and says why it finds nothing.
    linked = [each for each in PAGES if each is not SEARCH or options.search is not None]
    links = (_link(each, is_current=each is page) for each in linked)
    parts = {
        "title": page.title,
        "styles": "\n  ".join(f'<link rel="stylesheet" href="static/{style}">' for style in page.styles),
        "script": f"{page.name}/{page.name}.js",
        "search": "on" if options.search is not None else "off",
        "metrics": "on" if options.metrics else "off",
        "links": "\n        ".join(links),
        "live": _template("live") if page.follows else "",
        "content": Template(_template(page.name)).substitute(user=_template("user")),
    }
    return Template(_template("frame")).substitute(parts)


def _link(page: Page, *, is_current: bool) -> str:
    current = ' aria-current="page"' if is_current else ""
    return f'<a href="{page.address}"{current}>{page.title}</a>'


def _template(name: str) -> str:
    return (_HERE / "templates" / f"{name}.html").read_text().rstrip("\n")


def _static_files(folder: Traversable, path: str) -> Iterator[tuple[str, Traversable]]:
    for each in folder.iterdir():
        if each.is_dir():
            yield from _static_files(each, f"{path}/{each.name}")
        elif each.name.rpartition(".")[2] in _TYPES:
            yield f"{path}/{each.name}", each


def _served(body: bytes, kind: str) -> _Handler:
    """Return what serves a file, or 304 to a client that has it."""
    tag = f'"{sha256(body).hexdigest()[:16]}"'
    headers = {**_HEADERS, "Content-Type": _TYPES[kind], "ETag": tag}

    async def respond(request: web.Request) -> web.Response:
        if tag in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers={**_HEADERS, "ETag": tag})
        return web.Response(body=body, headers=headers)

    return respond


def _redirect(status: int, address: str, cache: str = "no-cache") -> _Handler:
    headers = {**_HEADERS, "Location": address, "Cache-Control": cache}

    async def respond(_: web.Request) -> web.Response:
        return web.Response(status=status, headers=headers)

    return respond
