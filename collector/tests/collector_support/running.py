"""A collector as a process on real topics, a client that sends bytes as they are, and a reader of topics."""

import http.client
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from clickstream_local.machine.ports import HOST, free_ports
from clickstream_local.machine.process import Process
from clickstream_local.parts.kafka import Kafka
from clickstream_local.testing.eventually import eventually
from clickstream_local.testing.fixtures import Topics
from confluent_kafka import Consumer, Message, TopicPartition

KEY = "wk-4f1c"
PREFIX = "CLICKSTREAM_COLLECTOR_"
_PATIENCE_S = 180


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Return the body as a document."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a topic."""

    key: str | None
    value: Any
    headers: Mapping[str, str]
    partition: int
    raw: bytes


class _InOnePiece(http.client.HTTPConnection):
    """A connection that sends a request's head and body at once: between them time for the body runs."""

    def request(self, *given: Any, **named: Any) -> None:
        self._pieces: list[bytes] = []
        self.connect()
        super().request(*given, **named)
        self.sock.sendall(b"".join(self._pieces))

    def send(self, data: Any) -> None:
        self._pieces.append(bytes(data))


@dataclass
class RunningCollector:
    """A collector with topics of its own; `settings` are variables without their prefix."""

    kafka: Kafka
    folder: Path
    keys: str | None = KEY
    settings: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        topics = Topics(self.kafka)
        make = [topics.unique(name) for name in ("clicks", "letters", "identities")]
        self.clicks, self.letters, self.identities = (topics.create(name, partitions=3) for name in make)
        self.port, self.admin_port = free_ports(2)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.keys_file = self.folder / "keys"
        if self.keys is not None:
            self.keys_file.write_text(self.keys + "\n")
        given = {
            "BOOTSTRAP_SERVERS": self.kafka.bootstrap,
            "PIPELINE_ID": "shop.storefront",
            "CLICKS_TOPIC": self.clicks,
            "DEAD_LETTERS_TOPIC": self.letters,
            "IDENTITIES_TOPIC": self.identities,
            "HOST": HOST,
            "PORT": str(self.port),
            "ADMIN_PORT": str(self.admin_port),
            "KEYS_FILE": str(self.keys_file),
            **self.settings,
        }
        self.process = Process(
            "collector",
            [sys.executable, "-m", "clickstream_collector"],
            log=self.folder / "collector.log",
            environment={PREFIX + name: value for name, value in given.items()},
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stop()

    def start(self) -> None:
        """Start and wait until events are taken."""
        self.process.start()
        eventually(self.is_ready, "the collector is ready")

    def is_ready(self) -> bool:
        """Tell whether it takes events."""
        assert self.process.is_running(), self.process.tail()
        return self.ask("/readyz", port=self.admin_port).status == 200

    def ask(self, path: str, headers: Mapping[str, str] | None = None, *, port: int | None = None) -> Answer:
        """GET a path."""
        return self.send("GET", path, None, headers, port=port)

    def post(
        self, path: str, body: object, headers: Mapping[str, str] | None = None, *, key: str | None = KEY
    ) -> Answer:
        """POST bytes, or a document as JSON; with the key in a header unless it is None."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.send("POST", path, data, {**({"X-Write-Key": key} if key else {}), **(headers or {})})

    def send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        port: int | None = None,
    ) -> Answer:
        """Send one request on a connection of its own and return its answer."""
        connection = _InOnePiece(HOST, port or self.port, timeout=_PATIENCE_S)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            return Answer(response.status, dict(response.headers), response.read())
        finally:
            connection.close()

    def clicks_of(self, user: str) -> list[Any]:
        """Return the clicks with this key."""
        return [record.value for record in self.read(self.clicks) if record.key == user]

    def metric(self, name: str, **labels: str) -> float:
        """Return a sample's value; 0 where there is none."""
        wanted = {f'{label}="{value}"' for label, value in labels.items()}
        for line in self.ask("/metrics", port=self.admin_port).body.decode().splitlines():
            sample, _, value = line.rpartition(" ")
            if sample.partition("{")[0] == name and all(each in sample for each in wanted):
                return float(value)
        return 0.0

    def read(self, topic: str) -> list[Record]:
        """Return all records of a topic."""
        reader = Consumer({"bootstrap.servers": self.kafka.bootstrap, "group.id": "reader"})
        try:
            left: dict[int, int] = {}
            for number in reader.list_topics(topic, timeout=_PATIENCE_S).topics[topic].partitions:
                low, high = reader.get_watermark_offsets(TopicPartition(topic, number), _PATIENCE_S)
                if high > low:
                    left[number] = high
            reader.assign([TopicPartition(topic, number, 0) for number in left])
            found = []
            while left:
                message = reader.poll(_PATIENCE_S)
                assert message is not None
                assert not message.error()
                found.append(_record(message))
                number, offset = message.partition(), message.offset()
                if number is not None and offset is not None and offset + 1 >= left.get(number, 0):
                    left.pop(number, None)
            return found
        finally:
            reader.close()


def _record(message: Message) -> Record:
    key, value = message.key(), message.value() or b"null"
    headers: Any = message.headers() or []
    named = {name: text.decode() for name, text in headers}
    key_text = key.decode() if key else None
    return Record(key_text, json.loads(value), named, message.partition() or 0, value)
