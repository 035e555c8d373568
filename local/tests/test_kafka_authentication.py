"""Pods, controller and collector prove themselves to a real broker, in each way that a pipeline can name."""

import asyncio
import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from clickstream_collector.kafka.connection import producer_config
from clickstream_collector.kafka.delivery import Delivery
from clickstream_collector.settings import read_settings
from clickstream_local.machine.ports import HOST
from clickstream_local.pipeline.reference import EXAMPLE
from clickstream_local.testing.eventually import eventually
from clickstream_local.testing.secured_kafka import CLIENT_SECRET, PASSWORD, TYPES, USER, SecuredKafka
from clickstream_operator.assignment.clients import Clients
from clickstream_operator.assignment.options import ControllerOptions, read_options
from clickstream_operator.manifests import collector
from clickstream_operator.manifests.pods import SECRETS_DIR
from clickstream_operator.manifests.settings import settings_document, settings_text
from clickstream_operator.manifests.topics import topic_specs
from clickstream_operator.spec.clickpipeline import ClickPipeline, parse
from clickstream_processor.kafka import client
from clickstream_processor.settings import settings_file
from clickstream_processor.settings.settings import Settings
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

pytestmark = pytest.mark.real

WRONG = "a-password-of-nobody"
SECRETS = {PASSWORD, CLIENT_SECRET, WRONG}
# In the words of the broker, of the provider's client, and of TLS.
REFUSED = {
    "scram-sha-256": "Authentication failed",
    "scram-sha-512": "Authentication failed",
    "plain": "Authentication failed",
    "oauthbearer": "Failed to acquire SASL OAUTHBEARER token",
    "tls": "alert certificate unknown",
}


class User:
    """A pipeline whose user proves itself in one way, as each part of the product is told of it."""

    def __init__(self, secured: SecuredKafka, kind: str, folder: Path, password: str = "") -> None:
        self.secrets = folder / "secrets"
        self.pipeline = pipeline(secured, kind)
        self._file = folder / "settings.json"
        self._file.write_text(settings_text(settings_document(self.pipeline, HOST, 1, 1)))
        secured.write_secrets(self.secrets, kind, password)

    def pod(self) -> Settings:
        """Return what a pod reads at its start."""
        environment = {
            "CLICKSTREAM_SETTINGS": str(self._file),
            "CLICKSTREAM_SECRETS_DIR": str(self.secrets),
            "CLICKSTREAM_ORDINAL": "0",
        }
        return settings_file.load(environment)

    def controller(self) -> ControllerOptions:
        """Return what the controller is told."""
        return read_options(self._file, self.secrets)

    def collector(self) -> dict[str, Any]:
        """Return the collector's client options, of the variables that the operator gives its pod."""
        wanted = self.pipeline.spec.collector
        assert wanted is not None
        variables = collector.environment(self.pipeline, wanted, "INFO")
        here = {name: text.replace(SECRETS_DIR, str(self.secrets)) for name, text in variables.items()}
        return producer_config(read_settings(here).kafka)


def pipeline(secured: SecuredKafka, kind: str) -> ClickPipeline:
    authentication: dict[str, Any] = {"type": kind, "user": USER}
    if kind == "oauthbearer":
        authentication["oauth"] = {
            "tokenEndpoint": secured.tokens.token_endpoint,
            "scope": "kafka clicks",
            "extensions": {"logicalCluster": "lkc-1"},
            "caSecret": "ca",
        }
    document = yaml.safe_load(EXAMPLE.read_text())
    spec = document["spec"]
    spec["id"] = f"shop.{kind}"
    spec["kafka"] |= {
        "bootstrapServers": secured.bootstrap(kind),
        "tls": {"caSecret": "ca"},
        "authentication": authentication,
    }
    spec["topics"] = {"partitions": 1, "replicas": 1, "clicks": f"clicks-{kind}"}
    spec["processors"] = {"replicas": 1}
    spec["collector"] = {"open": True}
    return parse(document)


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    secured = SecuredKafka(tmp_path_factory.mktemp("secured"))
    secured.start()
    admin = AdminClient({"bootstrap.servers": secured.kafka.bootstrap})
    specs = {topic.name: topic for kind in TYPES for topic in topic_specs(pipeline(secured, kind))}
    new = [NewTopic(t.name, t.partitions, 1, config=t.config) for t in specs.values()]
    for future in admin.create_topics(new).values():
        future.result(60)
    yield secured
    secured.stop()


@pytest.fixture(params=TYPES)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_pod_writes_in_a_transaction_and_reads(secured: SecuredKafka, kind: str, tmp_path: Path) -> None:
    settings = User(secured, kind, tmp_path).pod()
    producer = client.make_transactional_producer(settings, 0)
    producer.init_transactions(120)
    write(producer, settings.topics.clicks, "in a transaction")
    assert "in a transaction" in read(settings)
    admin = client.make_admin(settings, "admin")
    assert settings.topics.clicks in admin.list_topics(timeout=120).topics


async def test_the_collector_writes(secured: SecuredKafka, kind: str, tmp_path: Path) -> None:
    user = User(secured, kind, tmp_path)
    topic = user.pipeline.spec.topics.clicks
    delivery = Delivery(user.collector(), [topic])
    delivery.start()
    try:
        await until(lambda: delivery.away is None, delivery)
        await delivery.send([(topic, b"alice", b"collected", None)])
    finally:
        assert await delivery.close(60) == 0
    assert "collected" in read(user.pod())


def test_the_controller_takes_its_office(secured: SecuredKafka, kind: str, tmp_path: Path) -> None:
    options = User(secured, kind, tmp_path).controller()
    with Clients(options.kafka) as clients:
        handle = clients.start(options)
        eventually(lambda: handle.controller.snapshot.term > 0, "the controller has a term")
        assert handle.controller.snapshot.kafka == ""
        handle.leave()
        assert handle.ended.wait(180)


def test_a_pod_that_is_refused_says_so_and_does_not_hang(
    secured: SecuredKafka, kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    said = "Failed to retrieve OIDC token" if kind == "oauthbearer" else REFUSED[kind]
    producer = client.make_transactional_producer(User(secured, kind, tmp_path, WRONG).pod(), 0)
    with pytest.raises(KafkaException):
        producer.init_transactions(5)

    def is_said() -> bool:
        producer.poll(0.1)
        return any(said in record.getMessage() for record in caplog.records)

    eventually(is_said, f"{said} in the log")
    assert not [text for text in SECRETS if text in caplog.text]


async def test_a_collector_that_is_refused_says_so(
    secured: SecuredKafka, kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    user = User(secured, kind, tmp_path, WRONG)
    delivery = Delivery(user.collector(), [user.pipeline.spec.topics.clicks])
    delivery.start()
    try:
        await until(lambda: REFUSED[kind] in (delivery.away or ""), delivery)
    finally:
        await delivery.close(0)
    assert not [text for text in SECRETS if text in caplog.text + str(delivery.away)]


def test_a_controller_that_is_refused_says_so(secured: SecuredKafka, kind: str, tmp_path: Path) -> None:
    options = User(secured, kind, tmp_path, WRONG).controller()
    with Clients(options.kafka) as clients:
        handle = clients.start(options)
        eventually(lambda: REFUSED[kind] in handle.controller.snapshot.kafka, "it says why")
        word = handle.controller.snapshot.kafka
        handle.leave()
        assert handle.ended.wait(180)
    assert not [text for text in SECRETS if text in word]


def test_tokens_are_renewed_while_a_pod_works(secured: SecuredKafka, tmp_path: Path) -> None:
    """The broker ends a session with its token, so one producer goes on by new tokens alone.

    On a busy machine a token comes too late. Then the commit fails, and a pod makes another producer.
    """
    tokens = secured.tokens
    settings = User(secured, "oauthbearer", tmp_path).pod()
    before, tokens.life_s = len(tokens.given), 10
    deadline_s = time.monotonic() + 300
    written: list[str] = []
    try:
        while True:
            first = len(tokens.given)
            try:
                producer = client.make_transactional_producer(settings, 1)
                producer.init_transactions(120)
                while len(tokens.given) < first + 3:
                    text = f"renewed {len(written)} {first}"
                    write(producer, settings.topics.clicks, text)
                    written.append(text)
                break
            except KafkaException:
                assert time.monotonic() < deadline_s, "no producer lived through two tokens"
    finally:
        tokens.life_s = 3_600
    assert written
    assert set(written) <= set(read(settings))
    assert tokens.given[before]["scope"] == ["kafka clicks"]


def test_all_parts_give_their_clients_the_same(secured: SecuredKafka, kind: str, tmp_path: Path) -> None:
    """The controller has the files' texts, as it keeps nothing on a disk; the others have their paths."""
    user = User(secured, kind, tmp_path)
    pod, collects, controls = client.connection(user.pod(), "x"), user.collector(), user.controller().kafka
    texts = {
        f"{name}.pem": f"{name}.location" for name in ("ssl.ca", "ssl.certificate", "ssl.key", "https.ca")
    }
    prefixes = ("security.", "sasl.", "ssl.", "https.")
    of_pod, of_collector = (
        {name: value for name, value in config.items() if name.startswith(prefixes)}
        for config in (pod, collects)
    )
    of_controller = {texts.get(name, name): v for name, v in controls.items() if name.startswith(prefixes)}
    read = {
        name: Path(value).read_text() if name.endswith(".location") else value
        for name, value in of_pod.items()
    }
    assert of_collector == of_pod
    assert of_controller == read
    assert of_pod["security.protocol"] == ("SSL" if kind == "tls" else "SASL_SSL")


def write(producer: Any, topic: str, text: str) -> None:
    producer.begin_transaction()
    producer.produce(topic, text.encode(), b"alice")
    producer.commit_transaction(120)


def read(settings: Settings) -> list[str]:
    """Return the values of the clicks topic, as a pod reads them."""
    consumer = client.make_consumer(settings, "reader", **{"auto.offset.reset": "earliest"})
    consumer.assign([TopicPartition(settings.topics.clicks, 0, 0)])
    values: list[str] = []

    def is_at_the_end() -> bool:
        for message in consumer.consume(1_000, 1):
            if message.error():
                return True  # the end of the partition is told as an error
            values.append((message.value() or b"").decode())
        return False

    eventually(is_at_the_end, "the end of the topic")
    consumer.close()
    return values


async def until(condition: Any, delivery: Delivery) -> None:
    """Return when the condition holds."""
    async with asyncio.timeout(180):
        while not condition():
            await asyncio.sleep(0.05)


def test_a_name_that_no_secret_can_have_comes_from_the_secret(secured: SecuredKafka, tmp_path: Path) -> None:
    user = User(secured, "plain", tmp_path)
    (user.secrets / USER / "username").unlink()
    names = [
        client.connection(user.pod(), "x")["sasl.username"],
        user.collector()["sasl.username"],
        user.controller().kafka["sasl.username"],
    ]
    assert names == [USER] * 3
    (user.secrets / USER / "username").write_text("KEY\n")
    assert json.dumps([client.connection(user.pod(), "x")["sasl.username"]]) == '["KEY"]'
