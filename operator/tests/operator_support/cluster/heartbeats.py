"""Pods of many pipelines, as far as their controllers hear of them: each has one, which gives heartbeats."""

import json
import threading

from clickstream_local.parts.kafka import Kafka
from confluent_kafka import IsolationLevel, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

_LAST: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]
_AT_ONCE = 100


class Heartbeats:
    """The control topics of these pipelines, and a heartbeat a second for each."""

    def __init__(self, kafka: Kafka, pipeline_ids: list[str]) -> None:
        self._ids = pipeline_ids
        self._admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
        self._producer = Producer({"bootstrap.servers": kafka.bootstrap, "enable.idempotence": True})
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        names = [f"{name}-{purpose}" for name in pipeline_ids for purpose in ("assignment", "acks")]
        options = {"cleanup.policy": "compact"}
        for begin in range(0, len(names), _AT_ONCE):
            some = [NewTopic(name, 1, 1, config=options) for name in names[begin : begin + _AT_ONCE]]
            for future in self._admin.create_topics(some).values():
                future.result(60)

    def start(self) -> None:
        """Begin the heartbeats."""
        self._thread.start()

    def stop(self) -> None:
        """End them."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def ends(self) -> dict[str, int]:
        """Return the end of each pipeline's assignment: it grows with a claim, and with a publication."""
        topics = {TopicPartition(f"{name}-assignment", 0): _LAST for name in self._ids}
        futures = self._admin.list_offsets(topics, isolation_level=IsolationLevel.READ_COMMITTED)
        return {where.topic: future.result(30).offset for where, future in futures.items()}

    def assigned(self) -> list[str]:
        """Return the assignments that hold more than a claim and its transaction's marker."""
        return [topic for topic, end in self.ends().items() if end > 2]

    def _run(self) -> None:
        body = {"version": 1, "ordinal": 0, "instance": "one", "incarnation": 1, "at_ms": 0, "term": 1}
        body |= {"generation": 0, "commits": 0, "ended": False, "tasks": {}}
        value = json.dumps(body).encode()
        while not self._stop.wait(1):
            for name in self._ids:
                self._producer.produce(f"{name}-acks", value, b"pod/0")
            self._producer.flush(30)
