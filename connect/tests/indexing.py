"""One topic, its sink connector and its indices: what the tests of the sink do with them."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from clickstream_local.parts.connect import Connect
from clickstream_local.parts.kafka import Kafka
from clickstream_local.parts.search import SearchEngine, call
from clickstream_local.testing.eventually import eventually
from clickstream_local.testing.fixtures import Topics
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

NOON_MS = 1_690_027_200_000  # 2023-07-22T12:00:00Z
DAY_MS = 86_400_000
PARTITIONS = 6


def click(number: int, event_ms: int = NOON_MS, **fields: Any) -> tuple[str, bytes]:
    """Return id and value of an enriched click."""
    identity = f"user-clicks-{number % 12}-{number}"
    document = {
        "event_id": identity,
        "user_id": f"user{number % 1000}",
        "user_name": 'Zoë "Z" Ångström',
        "country": "SWE",
        "plan_tier": "premium",
        "page_url": f"/products/{number % 500}",
        "action": "view",
        "timestamp": event_ms,
    }
    return identity, json.dumps(document | fields).encode()


class Indexing:
    """A pipeline's end on parts that others use too: every name is its own."""

    def __init__(self, kafka: Kafka, topics: Topics, connect: Connect, engine: SearchEngine) -> None:
        self._kafka = kafka
        self._topics = topics
        self._connect = connect
        self._engine = engine
        self.name = topics.unique(f"sink-{engine.engine}")
        self.topic = topics.create(self.name, PARTITIONS)
        self.dead_letter_topic = topics.create(f"{self.name}-dead-letters")
        self._producer = Producer(
            {"bootstrap.servers": kafka.bootstrap, "enable.idempotence": True, "linger.ms": 20}
        )
        self._admin = AdminClient({"bootstrap.servers": kafka.bootstrap})

    def put_template(self) -> None:
        """Put the index template, as the processor does before the connector starts."""
        keyword = {"type": "keyword", "ignore_above": 256}
        names = ("event_id", "user_id", "user_name", "country", "plan_tier", "page_url", "action")
        time_field = {"type": "date", "format": "epoch_millis"}
        properties = dict.fromkeys(names, keyword) | {"timestamp": time_field}
        settings = {"number_of_shards": 1, "number_of_replicas": 0, "mapping.ignore_malformed": True}
        template = {"settings": settings, "mappings": {"dynamic": False, "properties": properties}}
        body = {"index_patterns": [f"{self.name}-*"], "priority": 200, "template": template}
        answer = call(self._engine, "PUT", f"/_index_template/{self.name}", body)
        assert answer.ok, answer.body

    def produce(self, values: Iterable[bytes | None]) -> None:
        """Write records to the topic, over all partitions in turn, and wait until they are there."""
        for number, value in enumerate(values):
            while True:
                try:
                    self._producer.produce(self.topic, value, f"user{number}", number % PARTITIONS)
                    break
                except BufferError:
                    self._producer.poll(0.1)
        assert self._producer.flush(180) == 0

    def start(self, options: Mapping[str, str] | None = None, tasks: int = 2) -> None:
        """Create or change the connector."""
        converters = "org.apache.kafka.connect.converters.ByteArrayConverter"
        settings = {
            "connector.class": "dev.clickstream.connect.SearchSinkConnector",
            "tasks.max": str(tasks),
            "topics": self.topic,
            "url": self._engine.url,
            "index": self.name,
            "retry.backoff.max.ms": "1000",
            "key.converter": "org.apache.kafka.connect.storage.StringConverter",
            "value.converter": converters,
            "errors.tolerance": "all",
            "errors.deadletterqueue.topic.name": self.dead_letter_topic,
            "errors.deadletterqueue.topic.replication.factor": "1",
            "errors.deadletterqueue.context.headers.enable": "true",
            "consumer.override.isolation.level": "read_committed",
            "consumer.override.auto.offset.reset": "earliest",
            "consumer.override.max.poll.records": "4000",
        }
        self._connect.put(self.name, settings | dict(options or {}))

    def stop(self) -> None:
        """Remove the connector and wait until it is gone."""
        self._connect.delete(self.name)
        eventually(lambda: not self._connect.status(self.name), "removed")

    def restart(self) -> None:
        """Let every task begin again."""
        self._connect.restart_tasks(self.name)

    def rebalance(self) -> None:
        """Let the connector's consumers share the partitions again: another member comes and goes."""
        member = Consumer(
            {
                "bootstrap.servers": self._kafka.bootstrap,
                "group.id": f"connect-{self.name}",
                "partition.assignment.strategy": "range",
                "enable.auto.commit": False,
            }
        )
        member.subscribe([self.topic])

        def is_member() -> bool:
            member.poll(0.1)
            return bool(member.assignment())

        eventually(is_member, "a member")
        member.close()

    def forget_offsets(self) -> None:
        """Delete the offsets of the removed connector: the next one reads everything again."""
        group = f"connect-{self.name}"

        def deleted() -> bool:
            try:
                self._admin.delete_consumer_groups([group])[group].result(10)
            except Exception:  # noqa: BLE001 (its last member has not left yet)
                return False
            return True

        eventually(deleted, f"forgotten: {group}")

    def remove(self) -> None:
        """Remove the connector and the indices."""
        self._connect.delete(self.name)
        call(self._engine, "DELETE", f"/_index_template/{self.name}")
        for index in self.indices():
            call(self._engine, "DELETE", f"/{index}")

    def committed(self) -> int:
        """Return how many records the connector has committed."""
        group = f"connect-{self.name}"
        partitions = [TopicPartition(self.topic, number) for number in range(PARTITIONS)]
        wanted = ConsumerGroupTopicPartitions(group, partitions)
        positions = self._admin.list_consumer_group_offsets([wanted])[group].result(30).topic_partitions
        return sum(max(0, position.offset) for position in positions)

    def states(self) -> set[str]:
        """Return the states of the connector's tasks."""
        return {task["state"] for task in self._connect.status(self.name).get("tasks", [])}

    def refresh(self) -> None:
        """Make all that was indexed searchable."""
        call(self._engine, "POST", f"/{self.name}-*/_refresh")

    def count(self) -> int:
        """Return how many documents there are."""
        self.refresh()
        answer = call(self._engine, "GET", f"/{self.name}-*/_count")
        return int(answer.json()["count"]) if answer.ok else 0

    def wait_for(self, documents: int, timeout_s: float = 180) -> None:
        """Wait until there are so many documents, and make sure there are not more."""
        eventually(lambda: self.count() >= documents, f"at {documents} documents", timeout_s=timeout_s)
        assert self.count() == documents

    def indices(self) -> list[str]:
        """Return the daily indices."""
        answer = call(self._engine, "GET", f"/_cat/indices/{self.name}-*?h=index")
        return sorted(answer.body.decode().split()) if answer.ok else []

    def document(self, index: str, identity: str) -> Mapping[str, Any]:
        """Return a document's source and version as the engine has it."""
        answer = call(self._engine, "GET", f"/{index}/_doc/{identity}")
        assert answer.ok, answer.body
        found: Mapping[str, Any] = answer.json()
        return found

    def dead_letters(self) -> list[tuple[bytes, str]]:
        """Return value and reason of every record in the dead-letter topic, from its beginning to its end."""
        end = self._topics.end_offsets(self.dead_letter_topic)[0]
        reader = Consumer({"bootstrap.servers": self._kafka.bootstrap, "group.id": f"{self.name}-reader"})
        reader.assign([TopicPartition(self.dead_letter_topic, 0, 0)])
        letters: list[tuple[bytes, str]] = []
        try:
            while len(letters) < end:
                message = reader.poll(180)
                assert message is not None
                assert message.error() is None
                headers = dict(message.headers() or [])
                reason = headers["__connect.errors.exception.message"]
                letters.append(
                    (message.value() or b"", reason.decode() if isinstance(reason, bytes) else reason or "")
                )
        finally:
            reader.close()
        return letters
