"""End to end: from the producer's call to the moment a reader of committed records has the enriched click."""

import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from clickstream_local.parts.kafka import Kafka
from confluent_kafka import Consumer, Producer, TopicPartition, murmur2

from clickstream_bench.systems import System, Topics
from clickstream_bench.traffic import PARTITIONS, names

USERS = 1_000
WARM_UP_S = 5.0
FIRST_OUTPUT_S = 90.0


@dataclass(slots=True)
class SteadyClicks(threading.Thread):
    """Produces clicks of all users in turn at a steady rate until told to stop; the page says when (ns)."""

    bootstrap: str
    topic: str
    rate: float
    users: Sequence[str] = tuple(names(USERS))
    partitions: int = PARTITIONS
    sent: int = 0

    def __post_init__(self) -> None:
        threading.Thread.__init__(self, daemon=True)
        self.ended = threading.Event()

    __hash__ = threading.Thread.__hash__

    def run(self) -> None:
        producer = Producer({"bootstrap.servers": self.bootstrap, "linger.ms": 0.5, "acks": "all"})
        encode = msgspec.json.encode
        users, partitions = self.users, self.partitions
        due_s = time.perf_counter()
        while not self.ended.is_set():
            due_s += 0.002
            for _ in range(max(1, round(self.rate * 0.002))):
                user = users[self.sent % len(users)]
                self.sent += 1
                now_ns = time.time_ns()
                key = user.encode()
                partition = murmur2(key, partitions)
                click = {
                    "user_id": user,
                    **self.told(now_ns, partition),
                    "timestamp": now_ns // 1_000_000,
                }
                producer.produce(self.topic, encode(click), key, partition)
            producer.poll(0)
            time.sleep(max(0.0, due_s - time.perf_counter()))
        producer.flush()

    def told(self, now_ns: int, partition: int) -> dict[str, str]:  # noqa: ARG002 (for who wants to know)
        """Return page and action of a click that is sent now."""
        return {"page_url": str(now_ns), "action": "view"}

    def stop(self) -> None:
        """End, once everything is acknowledged."""
        self.ended.set()
        if self.is_alive():
            self.join()


def end_to_end(kafka: Kafka, system: System, topics: Topics, rate: float, seconds: float) -> dict[str, Any]:
    """Return {"p50_ms", "p99_ms", "records"} of a system at a steady rate. The profiles lie there."""
    sys.setswitchinterval(0.0005)
    reader = Consumer(
        {
            "bootstrap.servers": kafka.bootstrap,
            "group.id": "end-to-end",
            "isolation.level": "read_committed",
            "fetch.wait.max.ms": 5,
        }
    )
    reader.assign([TopicPartition(topics.enriched, p, 0) for p in range(PARTITIONS)])
    clicks = SteadyClicks(kafka.bootstrap, topics.clicks, rate)
    system.start()
    try:
        clicks.start()
        _first_output(reader, system.name)
        _latencies(reader, WARM_UP_S)
        latencies = sorted(_latencies(reader, seconds))
    finally:
        clicks.stop()
        system.stop()
        reader.close()

    def percentile(share: float) -> float:
        return round(latencies[int(share * (len(latencies) - 1))], 2)

    return {"p50_ms": percentile(0.5), "p99_ms": percentile(0.99), "records": len(latencies)}


def _first_output(reader: Consumer, name: str) -> None:
    deadline = time.monotonic() + FIRST_OUTPUT_S
    while not reader.consume(1, 0.1):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{name} wrote nothing in {FIRST_OUTPUT_S:.0f} s")


def _latencies(reader: Consumer, seconds: float) -> list[float]:
    """Read for so long; return each record's latency, ms."""
    found: list[float] = []
    decode = msgspec.json.decode
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        message = reader.poll(0.05)
        if message is None or message.error() is not None:
            continue
        found.append((time.time_ns() - int(decode(message.value() or b"")["page_url"])) / 1e6)
    return found
