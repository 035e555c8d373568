"""The web server of the demo's shop: one page, and what the pipeline knows of its visitor.

The page asks the shop for that, and the shop asks a pod: a website's server would do the same, for a pod's
answers are not meant for other origins.
"""

import contextlib
import json
import threading
from collections.abc import Sequence
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from string import Template
from urllib.parse import quote, unquote, urlsplit

from clickstream_local.load.profiles import Profile
from clickstream_local.machine.ports import HOST
from clickstream_local.machine.web import request

STATIC = Path(__file__).parent / "static"
KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
COUNTS = "/counts/"  # + user id


class Shop:
    """The shop's server. It has nothing to get ready: it answers as soon as it is started."""

    def __init__(
        self, *, port: int, collector: str, key: str, pipeline: str, visitors: Sequence[Profile]
    ) -> None:
        """`collector` and `pipeline`: URLs of the collector and of a pod; `visitors`: who a person may be."""
        self.url = f"http://{HOST}:{port}"
        self._port = port
        self._collector = collector
        self._key = key
        self._pipeline = pipeline
        self._visitors = visitors
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        """Answer from now on."""
        self._server = ThreadingHTTPServer((HOST, self._port), _handler(self))
        threading.Thread(target=self._server.serve_forever, name="shop", daemon=True).start()

    def stop(self) -> None:
        """Answer no more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def is_running(self) -> bool:
        """Tell whether it answers."""
        return self._server is not None

    def answer(self, path: str) -> tuple[int, str, bytes]:
        """Return status, content type and body of a path. Every path that is no file is the page."""
        if path.startswith(COUNTS):
            return self._counts(unquote(path.removeprefix(COUNTS)))
        file = STATIC / Path(path).name
        if path.startswith("/static/") and file.suffix in KINDS and file.is_file():
            return 200, f"{KINDS[file.suffix]}; charset=utf-8", file.read_bytes()
        return 200, "text/html; charset=utf-8", self._page

    @cached_property
    def _page(self) -> bytes:
        people = [{"id": one.user_id, "name": one.name, "plan": one.plan_tier} for one in self._visitors]
        text = Template((STATIC / "index.html").read_text()).substitute(
            collector=self._collector,
            key=self._key,
            pipeline=self._pipeline,
            somebody=self._visitors[0].user_id,
            visitors=json.dumps(people).replace("<", "\\u003c"),
        )
        return text.encode()

    def _counts(self, user: str) -> tuple[int, str, bytes]:
        answer = request("GET", f"{self._pipeline}/dashboard/users/{quote(user, safe='')}/metrics")
        return answer.status or 502, "application/json", answer.body or b"{}"


def _handler(shop: Shop) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Answer one request."""
            status, kind, body = shop.answer(urlsplit(self.path).path)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            with contextlib.suppress(ConnectionError):  # the browser went on
                self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
            """Say nothing: the demo has one line, and it is not about this."""

    return Handler
