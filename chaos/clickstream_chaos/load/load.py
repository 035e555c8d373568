"""Clicks at an even rate, good and bad, in an event time that runs faster than the clock.

The load keeps no account: what counts is what the brokers took, and the checker reads that.
"""

import json
import random
import threading
import time
from collections import Counter
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, Message, Producer

from clickstream_chaos.load import odd
from clickstream_chaos.load.pool import LEAVING, POOL, page

USERS = 240
STRANGERS = 12  # users without a profile
OF_POOL = 0.1  # the share of clicks that are of users for erasures (pool.py)
SPEED = 6  # event time per clock time: a 60 s window closes every ten seconds
LOST_EVERY = 10  # with `answers_lost`: of so many clicks one is sent again
SENT_AGAIN_WITHIN = 900  # clicks
HEAD_START_MS = 12 * 3_600_000  # it begins so long ago, and reaches the present after more than two hours


def user(number: int) -> str:
    """Return a user's id."""
    return f"user-{number:04d}"


class Load:
    """A thread that sends clicks until `stop`."""

    def __init__(self, bootstrap: str, clicks: str, profiles: str, rate: float, seed: int) -> None:
        self._clicks, self._profiles, self._rate = clicks, profiles, rate
        self._chance = random.Random(seed)  # noqa: S311 (test data)
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "log_level": 0,  # brokers go away on purpose
                "partitioner": "murmur2_random",
                "enable.idempotence": True,
                "linger.ms": 5,
                "message.timeout.ms": 0,  # forever: Kafka is taken away on purpose
                "reconnect.backoff.max.ms": 1_000,
            }
        )
        self._began_ms = int(time.time() * 1_000) - HEAD_START_MS
        self._began_s = time.monotonic()
        self.partitions: int | None = None  # clicks go to any of so many, with any key; None: as they should
        self.answers_lost = (
            False  # clicks have a message id, and some are sent again, as by a sender that heard nothing
        )
        self._again: dict[int, list[tuple[str | None, bytes]]] = {}  # by the number of clicks sent then
        self._stop, self._paused = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)
        self.sent = 0
        self._sending = threading.Lock()
        self._left: set[str] = set()
        self._open: Counter[str] = Counter()  # user of the pool -> clicks that the brokers have not answered

    def leave(self, name: str) -> None:
        """Send no more clicks of a user of the pool."""
        with self._sending:
            self._left.add(name)

    def has_left(self, name: str) -> bool:
        """Tell whether the brokers have every click of a user who leaves."""
        return name in self._left and not self._open[name]

    def pause(self) -> None:
        """Send nothing until `go_on`."""
        self._paused.set()

    def go_on(self) -> None:
        """Send again."""
        self._paused.clear()

    def event_ms(self) -> int:
        """Return the event time of now."""
        return self._began_ms + int((time.monotonic() - self._began_s) * 1_000) * SPEED

    def send_profiles(self) -> None:
        """Send every profile, and wait until the brokers have them."""
        for number, name in enumerate([*map(user, range(USERS)), *POOL, *map(odd.user, range(odd.USERS))]):
            profile = {
                "user_id": name,
                "name": f"Name {number}",
                "email": f"{name}@example.com",
                "country": ("US", "FR", "JP")[number % 3],
                "plan_tier": ("free", "premium")[number % 2],
            }
            self._producer.produce(self._profiles, json.dumps(profile), name)
        self._producer.flush()

    def start(self) -> None:
        """Begin to send clicks."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait until the brokers have everything."""
        self._stop.set()
        self._thread.join()
        self._producer.flush(60)

    def _run(self) -> None:
        began_s, sent = time.monotonic(), 0
        self._began_s = began_s
        while not self._stop.wait(0.02):
            if self._paused.is_set():
                began_s = time.monotonic() - sent / self._rate  # what was not sent is not made up for
                continue
            due = int((time.monotonic() - began_s) * self._rate)
            for _ in range(min(due - sent, 2_000)):
                self._send(self.event_ms(), sent)
                sent += 1
            self._producer.poll(0)
            self.sent = sent

    def _send(self, event_ms: int, number: int) -> None:
        with self._sending:
            self._send_one(event_ms, number)

    def _send_one(self, event_ms: int, number: int) -> None:
        key, value = self._click(event_ms - self._chance.randrange(5_000), number)
        if self.answers_lost:
            if number % LOST_EVERY == 0 and key not in LEAVING:
                later = number + 1 + self._chance.randrange(SENT_AGAIN_WITHIN)
                self._again.setdefault(later, []).append((key, value))
            for each in self._again.pop(number, ()):
                self._produce(*each, event_ms)
        self._produce(key, value, event_ms)

    def _produce(self, key: str | None, value: bytes, event_ms: int) -> None:
        partition, name = -1, key or ""  # the client's choice, by the key
        if name in LEAVING:
            self._open[name] += 1
        if self.partitions is not None:
            key, partition = (
                self._chance.choice((None, "session-1", key)),
                self._chance.randrange(self.partitions),
            )
        while True:
            try:
                if name in LEAVING:
                    answered = partial(self._answered, name)
                    self._producer.produce(
                        self._clicks, value, key, partition, on_delivery=answered, timestamp=event_ms
                    )
                else:
                    self._producer.produce(self._clicks, value, key, partition, timestamp=event_ms)
                return
            except BufferError:
                self._producer.poll(0.1)

    def _answered(self, name: str, error: KafkaError | None, _: Message) -> None:
        if error is None:
            self._open[name] -= 1

    def _click(self, event_ms: int, number: int) -> tuple[str | None, bytes]:
        chance = self._chance.random()
        is_of_pool = self._chance.random() < OF_POOL
        name = user(int(self._chance.random() ** 2 * USERS))
        click: dict[str, Any] = {
            "user_id": name,
            "page_url": f"/p/{self._chance.randrange(50)}",
            "action": "view",
            "timestamp": event_ms,
        }
        if self.answers_lost:
            click["message_id"] = f"{self._began_ms}-{number}"
        if is_of_pool:
            name = self._chance.choice(POOL)
            if name not in self._left:
                click |= {"user_id": name, "page_url": page(name)}
                return name, json.dumps(click).encode()
            name = click["user_id"]
        if chance < 0.03:
            click["action"] = "heartbeat"
        elif chance < 0.05:
            click["timestamp"] = max(0, event_ms - 200_000)
        elif chance < 0.07:
            name = click["user_id"] = user(USERS + self._chance.randrange(STRANGERS))
        elif chance < 0.08:
            return name, b"{not json"
        elif chance < 0.09:
            del click["action"]
        elif chance < 0.095:
            click["timestamp"] = "yesterday"
        elif chance < 0.10:
            return None, json.dumps(click).encode()
        return name, json.dumps(click).encode()
