"""What a Job answers on the admin port: GET /progress, its report or receipt as JSON, and GET /healthz."""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def serve(host: str, port: int, progress: Callable[[], bytes]) -> ThreadingHTTPServer:
    """Serve on a thread of its own until the process ends. Raises OSError where the port is taken."""

    class Handler(BaseHTTPRequestHandler):
        """The two routes."""

        server_version, sys_version = "clickstream", ""
        timeout = 10

        def do_GET(self) -> None:
            """Answer."""
            path = self.path.partition("?")[0]
            if path == "/progress":
                self._answer(200, progress())
            elif path == "/healthz":
                self._answer(200, b'{"alive":true}')
            else:
                self._answer(404, b'{"title":"no such path","status":404}', "application/problem+json")

        def _answer(self, status: int, body: bytes, kind: str = "application/json") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 # the base's name
            """Log nothing: probes come every few seconds."""

    server = ThreadingHTTPServer((host, port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="admin", daemon=True).start()
    return server
