"""Clicks at an even rate and queries beside them, until a file appears; then an account of both."""

import json
import random
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaError, Message, Producer

USERS = 200
STRANGERS = 5  # users without a profile


def user(number: int) -> str:
    """Return a user's id, as the database has it."""
    return f"user-{number:04d}"


def producer(bootstrap: str) -> Producer:
    """Return a producer that waits for Kafka for as long as it is away."""
    return Producer(
        {
            "bootstrap.servers": bootstrap,
            "log_level": 2,
            "partitioner": "murmur2_random",
            "enable.idempotence": True,
            "linger.ms": 5,
            "message.timeout.ms": 0,
            "reconnect.backoff.max.ms": 1_000,
        }
    )


def send(bootstrap: str, topic: str, who: str, count: int, *, time_as_text: bool = False) -> list[str]:
    """Send clicks of one user, and wait until the brokers have them. Return where each lies, sorted.

    `time_as_text`: their timestamps are texts, so they are no good clicks.
    """
    sender, places = producer(bootstrap), list[str]()

    def delivered(error: KafkaError | None, message: Message) -> None:
        if error is None:
            places.append(f"{message.topic()}-{message.partition()}-{message.offset()}")

    for number in range(count):
        value = click(who, f"/p/{number}", time_as_text=time_as_text)
        sender.produce(topic, value, who, on_delivery=delivered)
    sender.flush(60)
    return sorted(places)


def click(who: str, page: str, action: str = "view", ago_ms: int = 0, *, time_as_text: bool = False) -> bytes:
    """Return a click of now, or of a while ago."""
    at_ms = time.time_ns() // 1_000_000 - ago_ms
    timestamp = str(at_ms) if time_as_text else at_ms
    return json.dumps({"user_id": who, "page_url": page, "action": action, "timestamp": timestamp}).encode()


class Traffic:
    """Clicks in one thread, queries in two."""

    def __init__(self, bootstrap: str, topic: str, url: str, rate: float, stop: Path) -> None:
        self._producer, self._topic, self._url = producer(bootstrap), topic, url
        self._rate, self._stop = rate, stop
        self._chance = random.Random(8)
        self.sent = 0
        self.answers: Counter[str] = Counter()
        self.slowest_ms = 0.0
        self.bad: list[str] = []
        self._lock = threading.Lock()

    def run(self) -> dict[str, Any]:
        """Go on until the file appears; return the account."""
        askers = [threading.Thread(target=self._ask, args=(number,)) for number in range(2)]
        for asker in askers:
            asker.start()
        began_s = time.monotonic()
        while not self._stop.exists():
            due = int((time.monotonic() - began_s) * self._rate) - self.sent
            for _ in range(min(due, 1_000)):
                key, value = self._next()
                self._producer.produce(self._topic, value, key)
                self.sent += 1
            self._producer.poll(0.02)
            time.sleep(0.02)
        for asker in askers:
            asker.join()
        self._producer.flush(120)
        return {
            "sent": self.sent,
            "unsent": len(self._producer),
            "seconds": round(time.monotonic() - began_s, 1),
            "answers": dict(self.answers),
            "slowest_ms": round(self.slowest_ms),
            "bad": self.bad[:10],
        }

    def _next(self) -> tuple[str, bytes]:
        chance, who = self._chance.random(), user(self._chance.randrange(USERS))
        if chance < 0.03:
            return who, click(who, "/", "heartbeat")
        if chance < 0.04:
            stranger = user(9_000 + self._chance.randrange(STRANGERS))
            return stranger, click(stranger, "/")
        if chance < 0.05:
            return who, b"{not json"
        return who, click(who, f"/p/{self._chance.randrange(50)}", ago_ms=self._chance.randrange(5_000))

    def _ask(self, seed: int) -> None:
        chance = random.Random(seed)
        while not self._stop.exists():
            began_s = time.monotonic()
            status = _status(f"{self._url}/dashboard/users/{user(chance.randrange(USERS))}/metrics")
            took_ms = (time.monotonic() - began_s) * 1_000
            with self._lock:
                self.answers[status] += 1
                self.slowest_ms = max(self.slowest_ms, took_ms)
                if status not in ("200", "404"):
                    self.bad.append(f"{time.strftime('%X')} {status} after {took_ms:.0f} ms")
            time.sleep(0.05)


def _status(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            answer.read()
            return str(answer.status)
    except urllib.error.HTTPError as error:
        return str(error.code)
    except OSError as error:
        return f"no answer: {getattr(error, 'reason', error)}"
