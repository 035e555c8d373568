"""Clicks over HTTP, each sent until it is answered, as SDKs do."""

import json
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import Any

AGAIN_S = 0.2


class Collecting:
    """Clicks of one user to a collector until the file `stop` appears."""

    def __init__(self, url: str, key: str, user: str, rate: float, stop: Path) -> None:
        self._url = f"{url}/v1/clicks"
        self._key = key
        self._user = user
        self._every_s = 1 / rate
        self._stop = stop

    def run(self) -> dict[str, Any]:
        """Return how many clicks were answered with success, and how many tries failed, by how."""
        answered, failed = 0, dict[str, int]()
        while not self._stop.exists():
            click = {
                "message_id": str(uuid.uuid4()),
                "user_id": self._user,
                "page_url": "https://shop.example.com/collected",
                "action": "view",
                "timestamp": int(time.time() * 1_000),
            }
            while (status := self._send([click])) != 200:
                failed[str(status)] = failed.get(str(status), 0) + 1
                time.sleep(AGAIN_S)
            answered += 1
            time.sleep(self._every_s)
        return {"answered": answered, "failed": failed}

    def _send(self, clicks: list[Any]) -> int:
        headers = {"Content-Type": "application/json", "X-Write-Key": self._key}
        asked = urllib.request.Request(self._url, json.dumps(clicks).encode(), headers)  # http alone
        try:
            with urllib.request.urlopen(asked, timeout=20) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0
