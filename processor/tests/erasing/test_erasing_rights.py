"""An erasure on a broker that denies all but what docs/how-to/prepare-kafka.md lists for it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clickstream_chaos.pipeline import Pipeline, Shape
from clickstream_local.machine.ports import HOST
from clickstream_local.parts.search import SearchEngine
from clickstream_local.pipeline.options import REPOSITORY
from clickstream_local.testing.guarded_kafka import GuardedKafka, Right
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from processor_support.erasures import Erasure, places

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(900)]

USER, NAME = "needle-user-8f3a1c", "storefront"
PAGE = REPOSITORY / "docs" / "how-to" / "prepare-kafka.md"
OURS = {  # the page's names, and those of the pipeline here
    "user-clicks": "clicks",
    "user-sessions": "sessions",
    "user-profiles": "profiles",
    "enriched-clicks": "enriched",
}


class Guarded:
    """A pipeline with a controller, whose erasures have a user of their own."""

    def __init__(self, folder: Path, search: SearchEngine) -> None:
        self.broker = GuardedKafka(folder / "kafka", "erasing")
        self.broker.start()
        shape = Shape(partitions=1, pods=1, standbys=0)
        self.pipeline = Pipeline(folder / "pipeline", self.broker.kafka.bootstrap, NAME, shape)
        self.pipeline.start()
        self._make_identities()
        self._commit_for_sink()
        document = json.loads((self.pipeline.folder / "settings.json").read_text())
        authentication = self.broker.authentication(self.pipeline.folder / "secrets")
        document["kafka"] = {"bootstrapServers": self.broker.bootstrap, "authentication": authentication}
        document["sink"] = {"search": {"engine": search.engine, "url": search.url, "index": "guarded"}}
        settings = folder / "guarded.json"
        settings.write_text(json.dumps(document | {"settingsVersion": 5}))
        self._environment = {
            "CLICKSTREAM_SETTINGS": str(settings),
            "CLICKSTREAM_SECRETS_DIR": str(self.pipeline.folder / "secrets"),
            "CLICKSTREAM_HOST": HOST,
        }
        self._folder = folder
        self.broker.allow(self.documented())

    def stop(self) -> None:
        self.pipeline.stop()
        self.broker.stop()

    def erasure(self) -> Erasure:
        return Erasure(self._folder, self._environment, [USER])

    def documented(self) -> list[Right]:
        """Return the rights of the page's table, each once, for this pipeline."""
        text = PAGE.read_text().partition("An [erasure]")[2].partition("\n```")[0]
        rows = re.findall(r"^\| ((?:topic|group|all).*) \| ([A-Z].*) \|$", text, re.MULTILINE)
        rights: dict[Right, None] = {}
        for where, operations in rows:
            names = self._topics() if where.startswith("all topics") else re.findall(r"`([^`]+)`", where)
            kind = "group" if where.startswith("group") else "topic"
            for name in names:
                for operation in operations.split(", "):
                    rights[kind, self.name_of(name), operation] = None
        return [right for right in rights if right[0] == "group" or right[1] in self._topics()]

    def name_of(self, name: str) -> str:
        """Return the name here of a resource of the page."""
        if name in OURS:
            return self.pipeline.topic(OURS[name])
        return name.replace("shop.storefront-", f"{self.pipeline.id}-")

    def _topics(self) -> list[str]:
        admin = AdminClient({"bootstrap.servers": self.broker.kafka.bootstrap})
        return [name for name in admin.list_topics(timeout=60).topics if name.startswith(self.pipeline.id)]

    def _make_identities(self) -> None:
        admin = AdminClient({"bootstrap.servers": self.broker.kafka.bootstrap})
        topic = f"{self.pipeline.id}-identities"
        admin.create_topics([NewTopic(topic, 1, 1, config={"cleanup.policy": "compact"})])[topic].result(60)
        self.send(
            "profiles", {"user_id": USER, "name": "N", "email": "", "country": "US", "plan_tier": "free"}
        )
        self.send("identities", {"previous_id": "anon", "user_id": USER, "timestamp": 1, "source": "track"})

    def _commit_for_sink(self) -> None:
        """Be the sink connector, which is always at the end."""
        group = f"connect-{NAME}-search"
        reader = Consumer({"bootstrap.servers": self.broker.kafka.bootstrap, "group.id": group})
        place = TopicPartition(self.pipeline.topic("enriched"), 0, 1 << 40)
        reader.commit(offsets=[place], asynchronous=False)
        reader.close()

    def send(self, topic: str, value: dict[str, Any]) -> None:
        producer = Producer({"bootstrap.servers": self.broker.kafka.bootstrap, "enable.idempotence": True})
        producer.produce(self.pipeline.topic(topic), json.dumps(value), USER, 0)
        assert producer.flush(60) == 0


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, search_engine: SearchEngine) -> Iterator[Guarded]:
    guarded = Guarded(tmp_path_factory.mktemp("guarded"), search_engine)
    yield guarded
    guarded.stop()


def test_the_rights_of_the_page_are_enough(guarded: Guarded) -> None:
    receipt = guarded.erasure().run()
    assert (places(receipt)["pods"]["found"], places(receipt)["index"]["left"]) == (1, 0)
    assert receipt["message"] == ""


@pytest.mark.parametrize(
    ("kind", "name", "operation"),
    [
        ("topic", "user-clicks", "Write"),
        ("topic", "user-sessions", "Read"),
        ("topic", "user-sessions", "Write"),
        ("topic", "shop.storefront-identities", "Read"),
        ("topic", "shop.storefront-identities", "Write"),
        ("topic", "shop.storefront-changelog", "Read"),
        ("topic", "shop.storefront-positions", "Read"),
        ("topic", "shop.storefront-assignment", "Read"),
        ("topic", "shop.storefront-acks", "Read"),
        ("topic", "user-profiles", "Read"),
        ("group", "connect-storefront-search", "Describe"),
    ],
)
def test_an_erasure_without_one_right_fails_and_names_it(
    guarded: Guarded, kind: str, name: str, operation: str
) -> None:
    right = kind, guarded.name_of(name), operation
    assert right in guarded.documented()
    guarded.broker.take_back([right])
    try:
        erasure = guarded.erasure()
        assert erasure.end_of(erasure.start()) == 1, erasure.log.read_text()
        receipt = erasure.receipt()
        assert receipt["phase"] == "failed"
        assert right[1] in receipt["message"], receipt["message"]
        assert operation in receipt["message"], receipt["message"]
    finally:
        guarded.broker.allow([right])
