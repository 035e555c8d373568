"""Visitors who click through the collector: batches over HTTP, each sent until it is answered, as SDKs do."""

import json
import threading
import time
import uuid

from clickstream_local.load.traffic import Flaws, Traffic
from clickstream_local.machine.web import request

EVERY_S = 0.5  # between two batches
RETRY_AFTER_S = 1.0
NO_FLAWS = Flaws(malformed=0, late=0, unknown_user=0, too_early=0, delayed=0)
UNWATCHED = "heartbeat"  # an action that pages do not send


class Visitors:
    """Clicks at an even rate, in a thread of its own, until it is stopped. Can be started again."""

    def __init__(self, url: str, key: str, traffic: Traffic, rate_per_s: float) -> None:
        """`url`: the collector's; `traffic`: of users with profiles, without flaws."""
        self._target = f"{url}/v1/clicks"
        self._headers = {"X-Write-Key": key}
        self._traffic = traffic
        self._rate_per_s = rate_per_s
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self.answered: list[str] = []  # message ids, as the collector answered

    def start(self) -> None:
        """Begin to send."""
        self._ended.clear()
        self._thread = threading.Thread(target=self._run, name="visitors", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 60) -> None:
        """End, and wait until the last batch is answered."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        owed, last_s = 1.0, time.monotonic()
        while not self._ended.wait(EVERY_S):
            now_s = time.monotonic()
            owed += (now_s - last_s) * self._rate_per_s
            last_s = now_s
            if batch := [self._click() for _ in range(int(owed))]:
                self._deliver(batch)
                owed -= len(batch)

    def _click(self) -> dict[str, object]:
        while True:
            record = self._traffic.click(int(time.time() * 1000))
            click: dict[str, object] = json.loads(record.value)
            if click["action"] != UNWATCHED:
                return {**click, "message_id": str(uuid.uuid4())}

    def _deliver(self, batch: list[dict[str, object]]) -> None:
        """Send until the collector says that Kafka has it: the same ids each time."""
        while True:
            clicks = [{**click, "sent_at": int(time.time() * 1000)} for click in batch]
            answer = request("POST", self._target, clicks, timeout_s=30, headers=self._headers)
            if answer.ok:
                self.answered += [str(click["message_id"]) for click in batch]
                return
            if self._ended.wait(RETRY_AFTER_S):
                return  # nobody counts on what was not answered
