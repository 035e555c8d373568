"""How fast a pod whose volume is lost has its state again: records of changelog and profiles a second."""

import re
import shutil
import time
from pathlib import Path
from typing import Any

import msgspec
from clickstream_local.parts.kafka import Kafka
from confluent_kafka import Producer, murmur2

from clickstream_bench.systems import Ours, Topics
from clickstream_bench.throughput import measure
from clickstream_bench.traffic import PARTITIONS

_RESTORED = re.compile(r"task clicks-\d+ runs .* restored in ([0-9.]+) s")
DEADLINE_S = 300.0


def restore(
    kafka: Kafka, topics: Topics, folder: Path, run: str, users: int, start_ms: int
) -> dict[str, Any]:
    """Give each user a profile and a click, lose the volume, and start again."""
    _send(kafka, topics, users, start_ms)
    system = Ours(kafka, topics, folder, run)
    measure(kafka, system, topics.enriched, users, users)
    pod = system.pods.pods[0]
    shutil.rmtree(folder / "pod-0")
    (folder / "pod-0").mkdir()
    log_at = pod.process.log.stat().st_size
    began_s = time.perf_counter()
    system.start()
    try:
        took = _wait(system, log_at)
        total_s = time.perf_counter() - began_s
        records = pod.metric("clickstream_restore_records_total")
    finally:
        system.stop()
    return {
        "users": users,
        "records": int(records),
        "restore_s": took,
        "start_to_running_s": round(total_s, 2),
        "records_s": round(records / took),
    }


def _wait(system: Ours, log_at: int) -> float:
    """Wait until every task runs; return the longest restore, by the pod's own log."""
    log = system.pods.pods[0].process.log
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        with log.open() as lines:
            lines.seek(log_at)
            took = [float(seconds) for seconds in _RESTORED.findall(lines.read())]
        if len(took) == PARTITIONS:
            return max(took)
        time.sleep(0.05)
    raise TimeoutError(f"the tasks do not run after {DEADLINE_S:.0f} s")


def _send(kafka: Kafka, topics: Topics, users: int, start_ms: int) -> None:
    producer = Producer(
        {"bootstrap.servers": kafka.bootstrap, "linger.ms": 20, "queue.buffering.max.messages": 1_000_000}
    )
    for topic, time_ms in ((topics.profiles, start_ms - 60_000), (topics.clicks, start_ms)):
        for number in range(users):
            user = f"user-{number:07d}"
            if topic is topics.profiles:
                value = {"user_id": user, "name": f"Name {number}", "country": "DE", "plan_tier": "free"}
            else:
                value = {"user_id": user, "page_url": "/", "action": "view", "timestamp": time_ms}  # type: ignore[dict-item]
            key = user.encode()
            while True:
                try:
                    producer.produce(
                        topic, msgspec.json.encode(value), key, murmur2(key, PARTITIONS), timestamp=time_ms
                    )
                    break
                except BufferError:
                    producer.poll(0.1)
        producer.flush()
