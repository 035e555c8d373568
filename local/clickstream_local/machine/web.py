"""One HTTP request at a time to a part on this machine."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: status 0 means that nobody answered."""

    status: int
    body: bytes = b""

    @property
    def ok(self) -> bool:
        """Tell whether the status is one of success."""
        return 200 <= self.status < 300

    def json(self) -> Any:
        """Return the decoded body; raises ValueError when it is not JSON."""
        return json.loads(self.body)


def request(
    method: str,
    url: str,
    body: Any = None,
    timeout_s: float = 5.0,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Send `body` as JSON (bytes go as they are) and return the answer; a failed connection is status 0."""
    parts = urlsplit(url)
    content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=timeout_s)
    try:
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        kind = {"Content-Type": "application/json"} if content else {}
        connection.request(method, target or "/", content, {**kind, **(headers or {})})
        response = connection.getresponse()
        return Answer(response.status, response.read())
    except (OSError, http.client.HTTPException):
        return Answer(0)
    finally:
        connection.close()
