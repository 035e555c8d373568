"""Times on the way through the pipeline: a click from its write to its committed output, and queries."""

import http.client
import random
import threading
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

from confluent_kafka import Message

from clickstream_local.parts.pods import Pod, Pods
from clickstream_local.pipeline.reading import Tail

ASKED_PER_S = 100


class Timing:
    """From the broker's acknowledgement of a click to its enriched record at a consumer of committed data."""

    def __init__(self, bootstrap: str, enriched: str, clicks: str) -> None:
        self._clicks = clicks
        self._written_at: dict[bytes, float] = {}
        self._seen_at: dict[bytes, float] = {}
        self._tail = Tail(bootstrap, enriched, self._seen)
        self._on = False

    def start(self) -> None:
        """Begin to time what is written from now on."""
        self._tail.start()
        self._on = True

    def stop(self) -> None:
        """End; what is written later is not timed."""
        self._on = False
        self._tail.stop()

    def written(self, partition: int, offset: int) -> None:
        """Note that a click was written."""
        if self._on:
            self._written_at[f'"{self._clicks}-{partition}-{offset}"'.encode()] = time.monotonic()

    def times_ms(self, since: float = 0.0) -> list[float]:
        """Return the times of the clicks that were written from a monotonic time on and came through."""
        return [
            max(0.0, (self._seen_at[event] - written) * 1000)
            for event, written in self._written_at.items()
            if event in self._seen_at and written >= since
        ]

    def _seen(self, message: Message) -> None:
        value = message.value() or b""
        text = value if isinstance(value, bytes) else value.encode()
        event = text[text.index(b'"event_id":') + 11 :].split(b",", 1)[0].strip(b" }")
        self._seen_at[event] = time.monotonic()


class Asking:
    """Queries at an even rate over kept connections, the pods in turn, users of all of them."""

    def __init__(self, pods: Pods, users: Sequence[str]) -> None:
        self._pods = pods
        self._users = users
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="asking", daemon=True)
        self.times_ms: list[float] = []
        self.failed = 0
        self.first_failure = ""

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._ended.set()
        self._thread.join(10)

    def _run(self) -> None:
        chance = random.Random(2)  # noqa: S311 (test data)
        connections = [_connect(pod) for pod in self._pods.pods]
        number = 0
        while not self._ended.wait(1 / ASKED_PER_S):
            number += 1
            user = self._users[int(chance.random() ** 2 * len(self._users))]
            began = time.perf_counter()
            if self._ask(connections[number % len(connections)], user):
                self.times_ms.append((time.perf_counter() - began) * 1000)
            else:
                self.failed += 1
        for connection in connections:
            connection.close()

    def _ask(self, connection: http.client.HTTPConnection, user: str) -> bool:
        try:
            connection.request("GET", f"/dashboard/users/{user}/metrics")
            answer = connection.getresponse()
            answer.read()
            status = f"status {answer.status}"
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            status = type(error).__name__
        self.first_failure = self.first_failure or (f"{user}: {status}" if status != "status 200" else "")
        return status == "status 200"


def _connect(pod: Pod) -> http.client.HTTPConnection:
    address = urlsplit(pod.url)
    return http.client.HTTPConnection(address.hostname or "", address.port, timeout=5)
