"""HTTP servers that the tests put in the place of pods: answers in JSON."""

from http.server import BaseHTTPRequestHandler
from typing import Any


class JsonHandler(BaseHTTPRequestHandler):
    """A handler that answers with a body of JSON, and logs nothing."""

    def answer(self, code: int, body: bytes) -> None:
        """Send an answer."""
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Stay silent."""
