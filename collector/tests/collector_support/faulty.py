"""A proxy between an SDK and the collector. It loses answers, or refuses, as often as a test says.

SDKs also send what no test called: posthog-js counts the page when it loads, Segment's page sends figures
about itself. Faults hit only requests that carry events of the test's user.
"""

import base64
import binascii
import contextlib
import gzip
import http.client
import socket
import sys
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from clickstream_local.machine.ports import HOST

LOST = "lost"  # the collector takes the request, and its answer never arrives
AWAY = "away"  # nobody listens where the collector was
_NO_EVENTS = ("/settings", "/v1/m", "/sourceConfig/", "/array/", "/flags/", "/engage")
_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive", "date"}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of SDKs and pages that hang up."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Faulty:
    """One SDK's way to the collector. `faults`: what becomes of the next requests with events of `user`.

    `statuses` has what became of all requests with such events.
    """

    def __init__(self, collector_port: int, user: str, faults: tuple[str | int, ...] = ()) -> None:
        self.statuses: list[str | int] = []
        self._user = user.encode()
        self._faults = list(faults)
        self._lock = threading.Lock()
        self._server = _Server((HOST, 0), _handler(self, collector_port))
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def carries(self, path: str, body: bytes) -> bool:
        """Tell whether a request has events of the user."""
        if any(part in path for part in _NO_EVENTS):
            return False
        return any(self._user in text for text in _readings(path.encode()) + _readings(body))

    def next_fault(self) -> str | int | None:
        """Return what becomes of the next request with events; None: it is forwarded."""
        with self._lock:
            return self._faults.pop(0) if self._faults else None


def _readings(sent: bytes) -> list[bytes]:
    """Return the forms of what was sent: as it is, without gzip, and the base64 in a field `data`."""
    plain = gzip.decompress(sent) if sent.startswith(b"\x1f\x8b") else sent
    readings = [plain]
    _, found, data = plain.partition(b"data=")
    if found:
        field = urllib.parse.unquote_to_bytes(data.partition(b"&")[0])
        with contextlib.suppress(binascii.Error):
            readings.append(base64.b64decode(field + b"=="))
    return readings


def _handler(faulty: Faulty, collector_port: int) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            ours = faulty.carries(self.path, body)
            fault = faulty.next_fault() if ours else None
            if isinstance(fault, int):
                faulty.statuses.append(fault)
                self._answer(fault, [("Retry-After", "1"), *self._cors()], b"")
                return
            try:
                status, headers, answer = self._asked(body)
            except OSError:
                # A page whose preflight fails never comes to the request itself.
                self._cut(AWAY if ours or self.command == "OPTIONS" else None)
                return
            if fault == LOST:
                self._cut(LOST)
                return
            if ours:
                faulty.statuses.append(status)
            self._answer(status, headers, answer)

        do_GET = do_POST = do_OPTIONS = _forward  # noqa: N815  # http.server's names

        def _cut(self, why: str | None) -> None:
            if why is not None:
                faulty.statuses.append(why)
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

        def _asked(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
            connection = http.client.HTTPConnection(HOST, collector_port, timeout=180)
            try:
                connection.request(self.command, self.path, body or None, headers)
                response = connection.getresponse()
                kept = [(name, value) for name, value in response.getheaders() if name.lower() not in _HOP]
                return response.status, kept, response.read()
            finally:
                connection.close()

        def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
            self.send_response_only(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _cors(self) -> list[tuple[str, str]]:
            origin = self.headers.get("Origin")
            allow = [
                ("Access-Control-Allow-Origin", origin or ""),
                ("Access-Control-Allow-Credentials", "true"),
                ("Access-Control-Expose-Headers", "Retry-After"),
            ]
            return allow if origin else []

        def log_message(self, *_: object) -> None:
            pass

    return Handler
