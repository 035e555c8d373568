"""The REST interface of a Kafka Connect worker."""

import json
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote


class WorkerRefused(Exception):
    """Connect said no, or is not there (`code` 0). The text is Connect's own."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Worker:
    """One Connect cluster, behind its Service."""

    def __init__(self, cluster: str, namespace: str) -> None:
        self.url = f"http://{cluster}-connect-api.{namespace}.svc:8083"

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Return the answer's JSON, or None where there is none. Raises WorkerRefused."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                text = answer.read()
                return json.loads(text) if text else None
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            message = f"{method} {path} returned {error.code}: {text[:1500]}"
            raise WorkerRefused(error.code, message) from error
        except OSError as error:
            raise WorkerRefused(0, f"{method} {path}: {error}") from error

    def of(self, connector: str, rest: str = "") -> str:
        """Return the path of a connector, or of something of it."""
        return f"/connectors/{quote(connector, safe='')}{rest}"
