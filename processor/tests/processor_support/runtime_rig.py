"""A pipeline on the session's broker with real pods, and an independent reading of what came out.

The reading shares no code with the product: it reads committed records only, keeps its own counts, and knows
of each click what must have become of it.
"""

import json
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from clickstream_local.machine.ports import free_row
from clickstream_local.machine.process import Process
from clickstream_local.machine.web import request
from clickstream_local.parts.kafka import Kafka
from clickstream_local.parts.pods import sum_of
from clickstream_local.testing.eventually import NotYet, eventually
from clickstream_local.testing.fixtures import Topics
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

WINDOW_MS = 300_000
PATIENCE_S = 60  # for one answer: a machine that runs other suites too is slow
KEY = "the-pods-own-key"


def set_option(admin: AdminClient, topic: str, name: str, value: str) -> None:
    """Set one option of a topic, and wait until the broker took it."""
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(60)
    # The answer only says that the controller has it; the broker goes by it a moment later.
    asked = ConfigResource(ResourceType.TOPIC, topic)

    def is_taken() -> bool:
        (options,) = (future.result(60) for future in admin.describe_configs([asked]).values())
        return bool(options[name].value == value)

    eventually(is_taken, f"{name} of {topic} is {value}")


def headers_of(message: Message) -> dict[str, str]:
    """Return a record's headers as text."""
    pairs = cast(list[tuple[str, bytes]], message.headers() or [])
    return {name: value.decode() for name, value in pairs}


def users(count: int) -> list[str]:
    """Return user ids."""
    return [f"user{number:05d}" for number in range(count)]


@dataclass
class Reading:
    """What stands in the output topics, committed."""

    events: Counter[str] = field(default_factory=Counter)  # event_id -> enriched records
    updates: dict[tuple[str, int], list[int]] = field(default_factory=lambda: defaultdict(list))
    dead: Counter[tuple[str, int, int]] = field(default_factory=Counter)  # reason, partition, offset


class Rig:
    """Topics, settings, pods and checks of one pipeline."""

    def __init__(
        self,
        kafka: Kafka,
        topics: Topics,
        folder: Path,
        *,
        partitions: int = 2,
        pods: int = 1,
        processing: Mapping[str, Any] | None = None,
        snapshot: bool = False,
        partitioner: str = "murmur2",
    ) -> None:
        self.kafka, self._topics, self.folder, self.partitions = kafka, topics, folder, partitions
        self.id = topics.unique("rig")
        self.names = {
            name: f"{self.id}-{name}" for name in ("clicks", "profiles", "enriched", "metrics", "deadLetters")
        }
        compacted = {"cleanup_policy": "compact"}
        for name, topic in self.names.items():
            topics.create(topic, partitions, **(compacted if name == "profiles" else {}))
        topics.create(f"{self.id}-changelog", partitions, cleanup_policy="compact,delete")
        topics.create(f"{self.id}-positions", partitions, **compacted)
        topics.create(f"{self.id}-notifications", 1)
        self.arrivals = f"{self.id}-arrivals" if partitioner == "any" else ""
        if self.arrivals:
            topics.create(self.arrivals, partitions)
        for metric in (processing or {}).get("metrics", ()):
            metric["topic"] = f"{self.id}-{metric['name']}"
            topics.create(metric["topic"], partitions)
        if (processing or {}).get("metrics"):
            topics.create(f"{self.id}-partials", partitions)
            topics.create(f"{self.id}-metrics-changelog", partitions, cleanup_policy="compact,delete")
        if (sessions := (processing or {}).get("sessions")) is not None:
            sessions["topic"] = f"{self.id}-sessions"
            topics.create(sessions["topic"], partitions)
        self.port = free_row(2 * pods)
        self.settings = folder / "settings.json"
        self.secrets = folder / "secrets"
        key = self.secrets / "rig-peer-key" / "key"
        key.parent.mkdir(parents=True)
        key.write_text(KEY)
        document = {
            "settingsVersion": 1,
            "name": "rig",
            "namespace": "shop",
            "id": self.id,
            "kafka": {"bootstrapServers": kafka.bootstrap},
            "topics": {"partitions": partitions, "partitioner": partitioner, **self.names},
            "processing": {"join": {"waitForSnapshot": snapshot}, **(processing or {})},
            "peers": {"host": "127.0.0.1", "port": self.port + pods, "portStep": 1},
        }
        self.settings.write_text(json.dumps(document))
        self._pods = pods
        self.program = ["-m", "clickstream_processor"]
        self.processes = [self._process(ordinal, {}) for ordinal in range(pods)]
        self._producer = Producer(
            {
                "bootstrap.servers": kafka.bootstrap,
                "enable.idempotence": True,
                "partitioner": "murmur2_random",
            }
        )
        self._random = random.Random(7)
        self.sent = 0

    # --- pods -------------------------------------------------------------------------------------------

    def environment(self, ordinal: int) -> dict[str, str]:
        """Return what a pod is told."""
        return {
            "CLICKSTREAM_SETTINGS": str(self.settings),
            "CLICKSTREAM_ORDINAL": str(ordinal),
            "CLICKSTREAM_DATA_DIR": str(self.data_dir(ordinal)),
            "CLICKSTREAM_SECRETS_DIR": str(self.secrets),
            "CLICKSTREAM_HOST": "127.0.0.1",
            "CLICKSTREAM_QUERY_PORT": str(self.port + ordinal),
            "CLICKSTREAM_ADMIN_PORT": str(self.port + self._pods + ordinal),
            "CLICKSTREAM_ASSIGNMENT": f"static:{self._pods}",
        }

    def data_dir(self, ordinal: int) -> Path:
        """Return a pod's volume."""
        return self.folder / f"pod-{ordinal}"

    def start(self, ordinal: int = 0, **environment: str) -> Process:
        """Start a pod."""
        self.processes[ordinal] = self._process(ordinal, environment)
        self.processes[ordinal].start()
        return self.processes[ordinal]

    def stop(self) -> None:
        """End all pods, in order where they can."""
        for process in self.processes:
            process.stop()
        self._producer.flush(PATIENCE_S)

    def log(self, ordinal: int = 0) -> str:
        """Return what a pod has logged."""
        return self.processes[ordinal].log.read_text()

    def status(self, ordinal: int = 0) -> dict[str, Any]:
        """Return /status of a pod; empty while it does not answer."""
        url = f"http://127.0.0.1:{self.port + self._pods + ordinal}/status"
        answer = request("GET", url, headers={"Authorization": f"Bearer {KEY}"}, timeout_s=PATIENCE_S)
        return dict(json.loads(answer.body)) if answer.ok else {}

    def phases(self, ordinal: int = 0) -> dict[str, str]:
        """Return the phase of each of a pod's tasks."""
        return {name: task["phase"] for name, task in self.status(ordinal).get("tasks", {}).items()}

    def wait_until_running(self, ordinal: int = 0) -> None:
        """Wait until every task of a pod runs."""
        eventually(lambda: set(self.phases(ordinal).values()) == {"running"}, "running")

    def metric(self, name: str, **labels: str) -> float:
        """Return the sum of a metric of pod 0."""
        url = f"http://127.0.0.1:{self.port + self._pods}/metrics"
        answer = request("GET", url, timeout_s=PATIENCE_S)
        assert answer.ok, f"no metrics: {answer.status}"
        return sum_of(answer.body.decode(), name, labels)

    def get(self, path: str, ordinal: int = 0) -> Any:
        """Return a query's JSON; None where the answer is not one of success."""
        answer = request("GET", f"http://127.0.0.1:{self.port + ordinal}{path}", timeout_s=PATIENCE_S)
        return json.loads(answer.body) if answer.ok else None

    def answer(self, path: str, ordinal: int = 0) -> Any:
        """Return a query's JSON. Raises NotYet: pods on a busy machine do not hear of each other in time."""
        found = self.get(path, ordinal)
        if found is None:
            raise NotYet(f"pod {ordinal} has no answer to {path}")
        return found

    def _process(self, ordinal: int, environment: Mapping[str, str]) -> Process:
        faulty = "CLICKSTREAM_CRASH_AT" in environment
        program = ["-m", "clickstream_local.testing.faulty_pod"] if faulty else self.program
        return Process(
            f"pod {ordinal}",
            [sys.executable, *program],
            log=self.folder / f"pod-{ordinal}.log",
            environment={**self.environment(ordinal), **environment},
            stop_timeout_s=15,
        )

    # --- input ------------------------------------------------------------------------------------------

    def send_profiles(self, names: Iterable[str]) -> None:
        """Write a profile for each user."""
        for user in names:
            row = {"user_id": user, "name": user.upper(), "email": "", "country": "USA", "plan_tier": "free"}
            self.send("profiles", user, row)
        self.flush()

    def send_clicks(self, count: int, names: Sequence[str], *, start_ms: int | None = None) -> None:
        """Write good clicks whose event times grow slowly."""
        base_ms = int(time.time() * 1_000) - 10_000 if start_ms is None else start_ms
        for number in range(count):
            user = self._random.choice(names)
            click = {
                "user_id": user,
                "page_url": f"/p/{number % 50}",
                "action": self._random.choice(("view", "buy", "heartbeat")),
                "timestamp": base_ms + number // 10,
            }
            self.send("clicks", user, click)
            if number % 1_000 == 0:
                self._producer.poll(0)
        self.flush()

    def send_raw(self, key: str | None, value: str | bytes, partition: int) -> None:
        """Write any record into the clicks topic."""
        self._producer.produce(self.names["clicks"], value, key, partition)
        self.flush()
        self.sent += 1

    def flush(self) -> None:
        """Wait until the brokers have everything."""
        assert self._producer.flush(2 * PATIENCE_S) == 0

    def send(self, name: str, key: str, value: Mapping[str, Any]) -> None:
        """Write a record into an input topic, to its key's partition; `flush` waits for it."""
        self._producer.produce(self.names[name], json.dumps(value), key)
        self.sent += name == "clicks"

    def delete(self, topic: str) -> None:
        """Delete a topic."""
        admin = AdminClient({"bootstrap.servers": self.kafka.bootstrap})
        admin.delete_topics([topic])[topic].result(PATIENCE_S)
        eventually(lambda: topic not in admin.list_topics(timeout=PATIENCE_S).topics, "the topic is gone")

    def create_again(self, topic: str) -> None:
        """Delete a topic and create it again, empty."""
        self.delete(topic)
        self._topics.create(topic, self.partitions, cleanup_policy="compact")

    def say_snapshot_complete(self) -> None:
        """Write the notification that the source connector writes."""
        value = {"aggregate_type": "Initial Snapshot", "type": "COMPLETED"}
        self._producer.produce(f"{self.id}-notifications", json.dumps(value), "x")
        self.flush()

    # --- output -----------------------------------------------------------------------------------------

    def committed(self, topic: str) -> list[Message]:
        """Return a topic's committed records, partition by partition, to their ends as of now."""
        reader = Consumer(
            {
                "bootstrap.servers": self.kafka.bootstrap,
                "group.id": "rig",
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
            }
        )
        count = len(reader.list_topics(topic, timeout=PATIENCE_S).topics[topic].partitions)
        reader.assign([TopicPartition(topic, partition, 0) for partition in range(count)])
        left, found = set(range(count)), []
        while left:
            for message in reader.consume(10_000, 0.2):
                error = message.error()
                if error is None:
                    found.append(message)
                elif error.code() == KafkaError._PARTITION_EOF:
                    left.discard(message.partition())
        reader.close()
        return sorted(found, key=lambda message: (message.partition(), message.offset()))

    def handled(self) -> int:
        """Return how many clicks the newest positions cover, of the stage that reads them first."""
        return sum(self.positions("arrivals" if self.arrivals else "clicks").values())

    def positions(self, stage: str) -> dict[int, int]:
        """Return the newest position of each task of a stage."""
        newest: dict[int, int] = {}
        for message in self.committed(f"{self.id}-positions"):
            name, _, partition = (message.key() or b"").decode().rpartition("-")
            if name == stage:
                newest[int(partition)] = json.loads(message.value() or b"{}")["clicks"]
        return newest

    def wait_until_handled(self) -> None:
        """Wait until every click sent is covered by a committed position."""
        eventually(lambda: self.handled() >= self.sent, "all clicks handled")
        if self.arrivals:
            last = {m.partition() or 0: m.offset() or 0 for m in self.committed(self.arrivals)}
            eventually(
                lambda: all(self.positions("clicks").get(p, 0) > offset for p, offset in last.items()),
                "all arrivals handled",
            )

    def reading(self) -> Reading:
        """Read the outputs."""
        reading = Reading()
        for message in self.committed(self.names["enriched"]):
            reading.events[json.loads(message.value() or b"")["event_id"]] += 1
        for message in self.committed(self.names["metrics"]):
            update = json.loads(message.value() or b"")
            reading.updates[update["user_id"], update["window_start"]].append(update["clicks"])
        for message in self.committed(self.names["deadLetters"]):
            headers = headers_of(message)
            place = int(headers["source-partition"]), int(headers["source-offset"])
            reading.dead[headers["reason"], *place] += 1
        return reading

    def assert_exactly_once(self, unmatched: Iterable[str] = ()) -> Reading:
        """Compare the outputs with what the input says; return them."""
        strangers, reading = set(unmatched), self.reading()
        dead = {(partition, offset) for _, partition, offset in reading.dead}
        expected: Counter[str] = Counter()
        counts: Counter[tuple[str, int]] = Counter()
        for message in self.committed(self.names["clicks"]):
            if (message.partition(), message.offset()) in dead:
                continue
            click = json.loads(message.value() or b"")
            assert click["user_id"] not in strangers
            if click["action"] != "heartbeat":
                expected[f"{self.names['clicks']}-{message.partition()}-{message.offset()}"] += 1
                counts[click["user_id"], click["timestamp"] // WINDOW_MS * WINDOW_MS] += 1
        for what, wrong in (("too many", reading.events - expected), ("lost", expected - reading.events)):
            assert not wrong, f"{what}: {sum(wrong.values())}, such as {wrong.most_common(3)}"
        assert max(reading.dead.values(), default=1) == 1, "dead letters doubled"
        assert {key: values[-1] for key, values in reading.updates.items()} == dict(counts)
        for values in reading.updates.values():
            assert values == sorted(set(values)), "an update was taken back or repeated"
        return reading


@contextmanager
def running(rig: Rig, names: Sequence[str], *, clicks: int) -> Iterator[Rig]:
    """Give a rig whose pod runs and has handled clicks of these users; stop it afterwards."""
    rig.send_profiles(names)
    rig.send_clicks(clicks, names)
    rig.start()
    rig.wait_until_running()
    rig.wait_until_handled()
    yield rig
    rig.stop()
