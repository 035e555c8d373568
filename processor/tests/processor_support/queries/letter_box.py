"""A topic of dead letters on a real broker, with letters of every kind, and pods that read it."""

import contextlib
import json
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from clickstream_local.parts.kafka import Kafka
from clickstream_local.testing.fixtures import Topics
from clickstream_processor.kafka.letter_topic import KafkaLetterTopic
from clickstream_processor.query.letters.scan import ScanLimits
from clickstream_processor.settings import settings_file
from confluent_kafka import Producer

from processor_support.queries.query_pods import Cluster, now_ms

MINUTE = 60_000
PARTITIONS = 3
# A machine that runs other suites too can be slow.
PATIENT_SCAN = ScanLimits(enough_s=60, last_s=120)
SINK = "__connect.errors."

Headers = Mapping[str, str | bytes | None]


def pod_headers(
    reason: str, detail: str = "wrong", **more: str | bytes | None
) -> dict[str, str | bytes | None]:
    """Return the headers of a pod's letter."""
    place = {"source-topic": "user-clicks", "source-partition": "1", "source-offset": "42"}
    return {"reason": reason, "detail": detail, **place, **more}


def sink_headers(message: str) -> dict[str, str | bytes | None]:
    """Return the headers that Kafka Connect writes for our sink."""
    place = {f"{SINK}topic": "enriched-clicks", f"{SINK}partition": "0", f"{SINK}offset": "7"}
    return {
        **place,
        f"{SINK}connector.name": "storefront-search",
        f"{SINK}task.id": "0",
        f"{SINK}exception.class.name": "dev.clickstream.connect.document.Fault",
        f"{SINK}exception.message": message,
    }


class LetterBox:
    """The topic."""

    def __init__(self, kafka: Kafka, topics: Topics, folder: Path) -> None:
        self.kafka, self.folder = kafka, folder
        self.topic = topics.create(topics.unique("dead-letters"), PARTITIONS, max_message_bytes="4000000")
        self._settings = folder / "letters-settings.json"
        self._point_to(self.topic)
        self._producer = Producer(
            {
                "bootstrap.servers": kafka.bootstrap,
                "enable.idempotence": True,
                "message.max.bytes": 4_000_000,
                "linger.ms": 20,
            }
        )

    def _point_to(self, topic: str) -> None:
        document = {
            "settingsVersion": 1,
            "name": "storefront",
            "namespace": "shop",
            "id": "shop.storefront",
            "kafka": {"bootstrapServers": self.kafka.bootstrap},
            "topics": {"partitions": PARTITIONS, "deadLetters": topic},
            "peers": {"host": "127.0.0.1"},
        }
        self._settings.write_text(json.dumps(document))

    def of(self, topic: str | None = None) -> KafkaLetterTopic:
        """Return what a pod reads: this topic, or another one."""
        self._point_to(topic or self.topic)
        environment = {
            "CLICKSTREAM_SETTINGS": str(self._settings),
            "CLICKSTREAM_ORDINAL": "0",
            "CLICKSTREAM_SECRETS_DIR": str(self.folder),
            "CLICKSTREAM_DATA_DIR": str(self.folder),
        }
        return KafkaLetterTopic(settings_file.load(environment))

    def put(
        self,
        value: str | bytes | None,
        headers: Headers,
        *,
        key: str | bytes | None = "alice123",
        partition: int = 0,
        ago_ms: int = 0,
    ) -> None:
        """Write a letter; `flush` waits for it."""
        while True:
            try:
                self._producer.produce(
                    self.topic, value, key, partition, timestamp=now_ms() - ago_ms, headers=dict(headers)
                )
                return
            except BufferError:
                self._producer.poll(0.2)

    def flush(self) -> None:
        """Wait until the brokers have everything."""
        assert self._producer.flush(120) == 0

    def aborted(self, count: int) -> None:
        """Write letters in a transaction that is given up: nobody may see them.

        What was put before has the smaller offsets: another producer writes these.
        """
        self.flush()
        settings: dict[str, Any] = {"bootstrap.servers": self.kafka.bootstrap, "transactional.id": self.topic}
        producer = Producer(settings)
        producer.init_transactions(60)
        producer.begin_transaction()
        for _ in range(count):
            producer.produce(self.topic, b"given up", partition=0, headers={"reason": "given-up"})
        producer.flush(60)
        producer.abort_transaction(60)


def fill(box: LetterBox) -> None:
    """Write letters of some hours: mistyped ones, late ones, one of the sink, one of a collector."""
    for number in range(24):
        click = {"user_id": f"user{number}", "page_url": "/p", "action": "view", "timestamp": "noon"}
        detail = "timestamp: expected int (ms since the epoch), got str"
        box.put(
            json.dumps(click),
            pod_headers("mistyped-field", detail, **{"source-offset": str(number)}),
            key=f"user{number}",
            partition=number % PARTITIONS,
            ago_ms=(24 - number) * 7 * MINUTE,
        )
    for number in range(9):
        late: dict[str, Any] = {
            "user_id": "late",
            "page_url": "/l",
            "action": "view",
            "timestamp": time.time_ns() // 10**6,
        }
        headers = pod_headers("late", "its windows were closed at 1690000000000")
        box.put(json.dumps(late), headers, key="late", partition=1, ago_ms=(30 - number) * 5 * MINUTE)
    refused = sink_headers("rejected: mapper_parsing_exception: failed to parse field [amount]")
    box.put('{"event_id":"user-clicks-0-7","amount":"much"}', refused, key="bob456", ago_ms=3 * MINUTE)
    tracked = {"reason": "missing-field", "detail": "user_id: missing", "source-path": "/v1/batch"}
    box.put('{"type":"track","event":"Bought"}', tracked, key=None, partition=2, ago_ms=2 * MINUTE)
    box.flush()


TOTAL = 35  # letters that `fill` writes


@contextlib.asynccontextmanager
async def reading(
    box: LetterBox, limits: ScanLimits = PATIENT_SCAN, **options: Any
) -> AsyncIterator[Cluster]:
    """Run one pod that reads the letters."""
    chosen = {"letter_limits": limits, "letter_wait_s": 120.0, **options}
    cluster = Cluster(box.folder, pods=1, letters=box.of(), **chosen)
    async with cluster:
        yield cluster
