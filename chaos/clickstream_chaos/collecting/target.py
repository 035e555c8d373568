"""The collector that is treated badly: a process that reaches Kafka by a proxy, and a reader of its topic."""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from clickstream_local.machine.ports import HOST, free_ports
from clickstream_local.machine.process import Process
from clickstream_local.machine.web import request
from clickstream_local.parts.kafka import Kafka
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from clickstream_chaos.collecting.checker import Event

KEY = "wk-chaos"
CLICKS, LETTERS, IDENTITIES = "chaos-clicks", "chaos-letters", "chaos-identities"
PARTITIONS = 6
READ_S = 600.0


class Target:
    """A collector, not started."""

    def __init__(self, kafka: Kafka, bootstrap: str, folder: Path) -> None:
        self._kafka = kafka
        self.port, self._admin_port = free_ports(2)
        folder.mkdir(parents=True, exist_ok=True)
        keys = folder / "keys"
        keys.write_text(f"{KEY}\n")
        given = {
            "BOOTSTRAP_SERVERS": bootstrap, "PIPELINE_ID": "chaos.collector",
            "CLICKS_TOPIC": CLICKS, "DEAD_LETTERS_TOPIC": LETTERS, "IDENTITIES_TOPIC": IDENTITIES,
            "HOST": HOST, "PORT": str(self.port), "ADMIN_PORT": str(self._admin_port), "KEYS_FILE": str(keys),
        }  # fmt: skip
        self.process = Process(
            "collector",
            [sys.executable, "-m", "clickstream_collector"],
            log=folder / "collector.log",
            environment={f"CLICKSTREAM_COLLECTOR_{name}": value for name, value in given.items()},
        )

    def make_topics(self) -> None:
        """Make the topics, with as many replicas as there are brokers."""
        admin = AdminClient({"bootstrap.servers": self._kafka.bootstrap})
        replicas = self._kafka.replicas
        config = {"min.insync.replicas": str(min(2, replicas))}
        new = [NewTopic(name, PARTITIONS, replicas, config=config) for name in (CLICKS, LETTERS, IDENTITIES)]
        for future in admin.create_topics(new).values():
            future.result(60)

    def is_ready(self) -> bool:
        """Tell whether it takes events."""
        try:
            return request("GET", f"http://{HOST}:{self._admin_port}/readyz").status == 200
        except OSError:
            return False

    def records(self) -> Iterator[Event]:
        """Give all committed clicks of the topic, by a plain consumer that knows nothing of the proxy."""
        reader = Consumer(
            {
                "bootstrap.servers": self._kafka.bootstrap,
                "group.id": "chaos-collector-checker",
                "isolation.level": "read_committed",
            }
        )
        try:
            left = {}
            for number in reader.list_topics(CLICKS, timeout=60).topics[CLICKS].partitions:
                _, high = reader.get_watermark_offsets(TopicPartition(CLICKS, number), 60)
                if high:
                    left[number] = high
            reader.assign([TopicPartition(CLICKS, number, 0) for number in left])
            deadline_s = time.monotonic() + READ_S
            while left:
                if time.monotonic() > deadline_s:
                    raise TimeoutError(f"the topic cannot be read to its end: {left}")
                messages = reader.consume(1_000, 0.5)
                for message in messages:
                    number, offset = message.partition(), message.offset()
                    if message.error() or number is None or offset is None:
                        continue  # the client goes on by itself
                    click = json.loads(message.value() or b"{}")
                    key = (message.key() or b"").decode()
                    yield Event(click.get("message_id", ""), key, click.get("page_url", ""))
                    if offset + 1 >= left.get(number, 0):
                        left.pop(number, None)
        finally:
            reader.close()
