"""Users of whom each has a profile and one click, and clicks of a few of them later on."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from clickstream_local.parts.kafka import Kafka
from confluent_kafka import Producer, murmur2

from clickstream_bench.systems import Topics


class Crowd:
    """So many users on one run's input topics; `clicks` of them have been sent."""

    def __init__(self, kafka: Kafka, topics: Topics, users: int, start_ms: int) -> None:
        self.users = users
        self.clicks = 0
        self._bootstrap = kafka.bootstrap
        self._topics = topics
        self._start_ms = start_ms

    def send(self) -> None:
        """Give each user a profile, then each a click."""
        self._produce(self._topics.profiles, self._profiles(), self._start_ms - 60_000)
        self._click(map(_name, range(self.users)))

    def click_in_each_partition(self) -> int:
        """Send one click more of a user in each partition, in the same window; return their number."""
        chosen: dict[int, str] = {}
        for user in map(_name, range(self.users)):
            chosen.setdefault(murmur2(user.encode(), self._topics.partitions), user)
            if len(chosen) == self._topics.partitions:
                break
        self._click(chosen.values())
        return len(chosen)

    def _profiles(self) -> Iterator[dict[str, Any]]:
        for number in range(self.users):
            user, name = _name(number), f"Name {number}"
            yield {"user_id": user, "name": name, "country": "DE", "plan_tier": "free"}

    def _click(self, users: Iterable[str]) -> None:
        time_ms = self._start_ms
        clicks = (
            {"user_id": user, "page_url": "/", "action": "view", "timestamp": time_ms} for user in users
        )
        self.clicks += self._produce(self._topics.clicks, clicks, time_ms)

    def _produce(self, topic: str, values: Iterable[dict[str, Any]], time_ms: int) -> int:
        producer = Producer(
            {
                "bootstrap.servers": self._bootstrap,
                "linger.ms": 20,
                "queue.buffering.max.messages": 1_000_000,
            }
        )
        sent = 0
        for value in values:
            key = value["user_id"].encode()
            partition = murmur2(key, self._topics.partitions)
            while True:
                try:
                    producer.produce(topic, msgspec.json.encode(value), key, partition, timestamp=time_ms)
                    break
                except BufferError:
                    producer.poll(0.1)
            sent += 1
        if left := producer.flush(120):
            raise TimeoutError(f"{left} of {sent} records are not on the broker")
        return sent


def _name(number: int) -> str:
    return f"user-{number:07d}"
