"""Watches the outputs while faults happen: how long each partition's committed output pauses.

A reader of committed data sees nothing new while an open transaction pins the last stable offset. The pause
of a partition is the time between two of its records as this reader gets them, while clicks flow evenly.
"""

import threading
import time
from dataclasses import dataclass

from confluent_kafka import Consumer, TopicPartition


@dataclass(frozen=True, slots=True)
class Pause:
    """A time in which a partition gave no committed output."""

    partition: int
    began_s: float
    seconds: float


class Monitor:
    """A thread that reads the enriched clicks from their end on."""

    def __init__(self, bootstrap: str, topic: str, partitions: int) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "log_level": 0,  # brokers go away on purpose
                "group.id": "monitor",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "auto.offset.reset": "latest",
                "fetch.wait.max.ms": 20,
                "reconnect.backoff.max.ms": 500,
            }
        )
        self._consumer.assign([TopicPartition(topic, p) for p in range(partitions)])
        self._last_s = dict.fromkeys(range(partitions), time.monotonic())
        self._pauses: list[Pause] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="monitor", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        self._thread.join(10)
        self._consumer.close()

    def last_seen_s(self) -> dict[int, float]:
        """Return when each partition last gave output, monotonic seconds."""
        with self._lock:
            return dict(self._last_s)

    def pauses_since(self, began_s: float) -> dict[int, float]:
        """Return each partition's longest pause that touches the time since then."""
        now_s = time.monotonic()
        with self._lock:
            longest = {p: now_s - max(last_s, began_s) for p, last_s in self._last_s.items()}
            for pause in self._pauses:
                if pause.began_s + pause.seconds > began_s:
                    longest[pause.partition] = max(longest[pause.partition], pause.seconds)
        return longest

    def _run(self) -> None:
        while not self._stop.is_set():
            messages = self._consumer.consume(2_000, 0.02)
            now_s = time.monotonic()
            with self._lock:
                for partition in {m.partition() for m in messages if m.error() is None}:
                    if partition is None:
                        continue
                    seconds = now_s - self._last_s[partition]
                    if seconds > 0.1:
                        self._pauses.append(Pause(partition, self._last_s[partition], seconds))
                    self._last_s[partition] = now_s
