"""The input of a comparison, and what every system must make of it.

Heavy-tailed users (or even ones) over 30 minutes of event time, a tenth of the clicks up to 20 s out of order
(within the grace), one in twenty a heartbeat. Everything follows from the seed.
"""

import json
import random
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition, murmur2

PARTITIONS = 4
SIZE_MS = 300_000
SPAN_MS = 1_800_000
PAGES = [f"/products/{n}" for n in range(500)] + ["/", "/cart", "/search?q=shoes"]
ACTIONS = ["view"] * 14 + ["add_to_cart"] * 3 + ["buy"] * 2 + ["heartbeat"]
COUNTRIES = ["USA", "DE", "FR", "BR", "IN", "JP"]
TIERS = ["free", "basic", "premium"]


def names(users: int) -> list[str]:
    """Return the users' names."""
    return [f"user-{number}" for number in range(users)]


@dataclass(slots=True)
class Expected:
    """What must come out: number and checksum of enriched clicks, the last counts; of copies the same."""

    partitions: int = PARTITIONS
    enriched: int = 0
    checksum: int = 0
    counts: Counter[tuple[str, int]] = field(default_factory=Counter)
    sent: int = 0
    sent_checksum: int = 0


@dataclass(frozen=True, slots=True)
class Traffic:
    """So many clicks of so many users."""

    clicks: int
    users: int
    start_ms: int
    seed: int = 7
    partitions: int = PARTITIONS
    visit: int = 0  # 0: heavy-tailed users; else each as likely as any other, for so many clicks in a row

    def profiles(self) -> Iterator[tuple[str, bytes, int]]:
        """Yield (user, profile, record time); before every click."""
        for number in range(self.users):
            profile = _profile(number)
            yield profile["user_id"], json.dumps(profile).encode(), self.start_ms - 60_000

    def records(self) -> Iterator[tuple[str, dict[str, str | int]]]:
        """Yield (user, click)."""
        random_ = random.Random(self.seed)  # noqa: S311 (no secret)
        uniform, pareto, choose = random_.random, random_.paretovariate, random_.choice
        rank = 0
        for number in range(self.clicks):
            if not self.visit:
                rank = min(int(pareto(0.35)) - 1, 10**9)
            elif number % self.visit == 0:
                rank = int(uniform() * self.users)
            user = f"user-{rank % self.users}"
            event_ms = self.start_ms + number * SPAN_MS // self.clicks
            if uniform() < 0.1:
                event_ms = max(self.start_ms, event_ms - int(uniform() * 20_000))
            yield (
                user,
                {
                    "user_id": user,
                    "page_url": choose(PAGES),
                    "action": choose(ACTIONS),
                    "timestamp": event_ms,
                },
            )

    def send(self, bootstrap: str, clicks: str, profiles: str) -> Expected:
        """Produce everything, and return what must come out of it. The topics must be new."""
        producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "linger.ms": 20,
                "batch.num.messages": 10_000,
                "queue.buffering.max.messages": 500_000,
                "compression.type": "none",
            }
        )
        for user, value, time_ms in self.profiles():
            self._produce(producer, profiles, value, user, time_ms)
        producer.flush()
        expected = Expected(self.partitions)
        offsets = [0] * self.partitions
        encode = msgspec.json.encode
        for user, click in self.records():
            value = encode(click)
            partition = self._produce(producer, clicks, value, user, int(click["timestamp"]))
            expected.sent += 1
            expected.sent_checksum += zlib.crc32(value)
            if click["action"] != "heartbeat":
                profile = _profile(int(user.rpartition("-")[2]))
                expected.enriched += 1
                expected.checksum += _checksum(
                    f"{partition}-{offsets[partition]}", click, profile["name"], profile
                )
                start_ms = int(click["timestamp"]) // SIZE_MS * SIZE_MS
                expected.counts[user, start_ms] += 1
            offsets[partition] += 1
        producer.flush()
        return expected

    def _produce(self, producer: Producer, topic: str, value: bytes, user: str, time_ms: int) -> int:
        key = user.encode()
        partition = murmur2(key, self.partitions)
        while True:
            try:
                producer.produce(topic, value, key, partition, timestamp=time_ms)
            except BufferError:
                producer.poll(0.1)
                continue
            return partition


def _profile(number: int) -> dict[str, str]:
    return {
        "user_id": f"user-{number}",
        "name": f"Name {number}",
        "email": f"user-{number}@example.com",
        "country": COUNTRIES[number % len(COUNTRIES)],
        "plan_tier": TIERS[number % len(TIERS)],
    }


def _checksum(place: str, click: dict[str, str | int], name: str, profile: dict[str, str]) -> int:
    text = (
        f"{place}|{click['user_id']}|{name}|{profile['country']}|{profile['plan_tier']}"
        f"|{click['page_url']}|{click['action']}|{click['timestamp']}"
    )
    return zlib.crc32(text.encode())


def differences(bootstrap: str, enriched: str, metrics: str, expected: Expected) -> list[str]:
    """Compare a system's committed outputs with what must come out; return what is wrong."""
    found = Expected()
    for value in committed(bootstrap, enriched, expected.partitions):
        click = msgspec.json.decode(value)
        place = "-".join(click["event_id"].rsplit("-", 2)[1:])
        found.enriched += 1
        found.checksum += _checksum(place, click, click["user_name"], click)
    for value in committed(bootstrap, metrics, expected.partitions):
        count = msgspec.json.decode(value)
        found.counts[count["user_id"], count["window_start"]] = count["clicks"]
    wrong = []
    if found.enriched != expected.enriched:
        wrong.append(f"{found.enriched} enriched clicks, {expected.enriched} expected")
    elif found.checksum != expected.checksum:
        wrong.append("the checksum of the enriched clicks differs")
    if found.counts != expected.counts:
        keys = [key for key in found.counts | expected.counts if found.counts[key] != expected.counts[key]]
        first = min(keys)
        wrong.append(
            f"{len(keys)} counts differ, {first}: {found.counts[first]}, {expected.counts[first]} expected"
        )
    return wrong


def copy_differences(bootstrap: str, copies: str, expected: Expected) -> list[str]:
    """Compare a copy's committed output with what was sent; return what is wrong."""
    sent = checksum = 0
    for value in committed(bootstrap, copies, expected.partitions):
        sent += 1
        checksum += zlib.crc32(value)
    if sent != expected.sent:
        return [f"{sent} copies, {expected.sent} expected"]
    return [] if checksum == expected.sent_checksum else ["the checksum of the copies differs"]


def committed(bootstrap: str, topic: str, partitions: int) -> Iterator[bytes]:
    """Yield the values of a topic's committed records, partition by partition, to its end."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "compare",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "fetch.max.bytes": 10_000_000,
        }
    )
    try:
        consumer.assign([TopicPartition(topic, partition, 0) for partition in range(partitions)])
        ended = 0
        while ended < partitions:
            for message in consumer.consume(10_000, 0.5):
                error = message.error()
                if error is None:
                    yield message.value() or b"{}"
                elif error.code() == KafkaError._PARTITION_EOF:
                    ended += 1
    finally:
        consumer.close()
