"""How fast a pod whose volume is lost has its state again: records of changelog and profiles a second.

From the moment the pod answers on its admin port to the moment every task runs.
"""

import shutil
import time
from pathlib import Path
from typing import Any

import msgspec
from clickstream_local.parts.kafka import Kafka
from clickstream_local.web import request
from confluent_kafka import Producer, murmur2

from clickstream_bench.ground import when
from clickstream_bench.systems import Ours, Topics
from clickstream_bench.throughput import measure
from clickstream_bench.traffic import PARTITIONS


def restore(
    kafka: Kafka, topics: Topics, folder: Path, run: str, users: int, start_ms: int
) -> dict[str, Any]:
    """Give each user a profile and a click, lose the volume, and start again."""
    _send(kafka, topics, users, start_ms)
    system = Ours(kafka, topics, folder, run)
    measure(kafka, system, topics, users, users)
    pod = system.pods.pods[0]
    shutil.rmtree(folder / "pod-0")
    (folder / "pod-0").mkdir()
    began_s = time.perf_counter()
    pod.process.start()
    try:
        answers_s = when(
            lambda: request("GET", f"{pod.admin_url}/metrics", timeout_s=2).ok, "the pod does not answer"
        )
        runs_s = when(
            lambda: pod.metric("clickstream_restore_duration_seconds_count") == PARTITIONS,
            "the tasks do not run",
        )
        records = pod.metric("clickstream_restore_records_total")
    finally:
        system.stop()
    return {
        "users": users,
        "records": int(records),
        "restore_s": round(runs_s - answers_s, 2),
        "start_to_running_s": round(runs_s - began_s, 2),
        "records_s": round(records / (runs_s - answers_s)),
    }


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
