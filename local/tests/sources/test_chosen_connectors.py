"""Connectors that a pipeline chooses, as the operator configures them, in a real Kafka Connect.

Kafka's own connectors of files stand for any source and any sink: names of users come from a file, enriched
clicks go into another.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from clickstream_local.machine.web import request
from clickstream_local.parts.connect import Connect, build_sink, file_connectors
from clickstream_local.parts.kafka import Kafka
from clickstream_local.pipeline.reading import read_all
from clickstream_local.pipeline.reference import EXAMPLE, write_secret
from clickstream_local.testing.eventually import eventually
from clickstream_local.testing.fixtures import Topics
from clickstream_operator.manifests.chosen_connectors import connector_names, connectors_of
from clickstream_operator.manifests.connectors import directory_references
from clickstream_operator.spec.clickpipeline import parse
from confluent_kafka import Message, Producer

SOURCE = "org.apache.kafka.connect.file.FileStreamSourceConnector"
SINK = "org.apache.kafka.connect.file.FileStreamSinkConnector"
_T = "org.apache.kafka.connect.transforms"
# A line is a user's id: it becomes the row's one column, and its key.
ROWS = {
    "transforms": "row,key,id",
    "transforms.row.type": f"{_T}.HoistField$Value",
    "transforms.row.field": "user_id",
    "transforms.key.type": f"{_T}.ValueToKey",
    "transforms.key.fields": "user_id",
    "transforms.id.type": f"{_T}.ExtractField$Key",
    "transforms.id.field": "user_id",
    "topic": "nowhere",  # FileStreamSource asks for one
}


@pytest.fixture(scope="module")
def worker(
    kafka: Kafka, connect_worker: Connect, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Connect]:
    """Give a worker that has Kafka's connectors of files, beside one on the same Kafka that has not."""
    build_sink()
    plugins = {"kafka-files": file_connectors()}
    worker = Connect(tmp_path_factory.mktemp("connect"), kafka, quick=True, plugins=plugins)
    worker.start()
    yield worker
    worker.stop()


class Files:
    """A pipeline from one file to another, and what is in its topics."""

    def __init__(self, worker: Connect, kafka: Kafka, topics: Topics, folder: Path) -> None:
        self._worker, self.kafka = worker, kafka
        self.users, self.clicks = folder / "users.txt", folder / "clicks.txt"
        self.users.touch()
        names = {name: topics.unique(name) for name in ("profiles", "enriched", "deadLetters")}
        for topic in names.values():
            topics.create(topic)
        self.profiles, self.enriched, self.letters = names.values()
        # The file's name comes as a Secret does: Connect resolves it.
        write_secret(worker.secrets, "files", {"users": str(self.users), "clicks": str(self.clicks)})
        document = yaml.safe_load(EXAMPLE.read_text())
        document["metadata"]["name"] = topics.unique("files")
        document["spec"]["topics"] = {**names, "replicas": 1, "partitions": 1}
        document["spec"]["processors"] = {"replicas": 1}
        document["spec"]["processing"] = {}
        document["spec"] |= {
            "source": {"connector": self._connector(SOURCE, "users", ROWS)},
            "sink": None,
            "sinks": [
                {"name": "file", "topic": "enriched", "connector": self._connector(SINK, "clicks", {})}
            ],
        }
        self._document, self._spec = document, document["spec"]
        self.pipeline = parse(document)
        self.source, self.sink = connector_names(self.pipeline)
        self._producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": self.sink})
        self._producer.init_transactions(180)

    @staticmethod
    def _connector(plugin: str, file: str, config: Mapping[str, str]) -> dict[str, Any]:
        return {"class": plugin, "config": dict(config), "secrets": {"file": {"name": "files", "key": file}}}

    def put(self, options: Mapping[str, str] | None = None) -> None:
        """Put both connectors, as the operator has Strimzi do it. `options`: more of the sink's."""
        if options:
            self._spec["sinks"][0]["connector"]["config"] |= options
            self.pipeline = parse(self._document)
        reference = directory_references(self.pipeline, str(self._worker.secrets))
        for connector in connectors_of(self.pipeline, reference):
            self._worker.put(connector.name, connector.rest())
        for name in (self.source, self.sink):
            self._worker.wait_until_running(name)

    def send(self, *values: str, commit: bool = True) -> None:
        """Write enriched clicks in a transaction, and commit it or not."""
        self._producer.begin_transaction()
        for value in values:
            self._producer.produce(self.enriched, value, "ann")
        self._producer.flush(180)
        if commit:
            self._producer.commit_transaction(180)
        else:
            self._producer.abort_transaction(180)

    def read(self, topic: str) -> list[Message]:
        """Return a topic's committed records."""
        return list(read_all(self.kafka.bootstrap, topic))

    def pages(self) -> list[str]:
        """Return the pages of the clicks in the file, each written as Java writes a map."""
        lines = self.clicks.read_text().splitlines() if self.clicks.exists() else []
        return [line.partition("page_url=")[2].rstrip("}").partition(",")[0] for line in lines]


@pytest.fixture
def files(worker: Connect, kafka: Kafka, topics: Topics, tmp_path: Path) -> Iterator[Files]:
    mine = Files(worker, kafka, topics, tmp_path)
    yield mine
    for name in (mine.source, mine.sink):
        worker.delete(name)


def click(page: str) -> str:
    return json.dumps({"page_url": page})


def test_committed_clicks_reach_the_sink_once_and_the_rest_becomes_letters(
    files: Files, worker: Connect
) -> None:
    files.send(click("/before"))  # the sink begins at the beginning
    files.put()
    eventually(lambda: files.pages() == ["/before"], "the first click is in the file")
    files.send(click("/never"), commit=False)
    files.send("no JSON {", click("/after"))
    eventually(lambda: files.pages() == ["/before", "/after"], "what was committed is in the file")
    letters = eventually(lambda: files.read(files.letters), "a letter")
    assert [letter.value() for letter in letters] == [b"no JSON {"]
    worker.restart_tasks(files.sink)
    worker.wait_until_running(files.sink)
    files.send(click("/later"))
    eventually(lambda: "/later" in files.pages(), "the sink goes on")
    assert files.pages().count("/never") == 0


def test_sinks_that_need_a_schema_can_be_given_one(files: Files, worker: Connect) -> None:
    fields = [
        {"field": "page_url", "type": "string"},
        {"field": "country", "type": "string", "optional": True},
    ]
    schema = {
        "value.converter.schemas.enable": "true",
        "value.converter.schema.content": json.dumps({"type": "struct", "fields": fields}),
    }
    files.put(schema)
    files.send(json.dumps({"page_url": "/p", "country": None, "user_id": "ann"}))
    eventually(lambda: files.pages() == ["/p"], "the click is in the file")
    assert files.clicks.read_text() == "Struct{page_url=/p}\n"


def test_rows_of_any_source_come_into_the_profiles_keyed_by_user(files: Files, worker: Connect) -> None:
    files.users.write_text("ann\nbob\n")
    files.put()
    eventually(lambda: len(files.read(files.profiles)) == 2, "two rows")
    with files.users.open("a") as more:
        more.write("eve\n")
    eventually(lambda: len(files.read(files.profiles)) == 3, "a third")
    rows = files.read(files.profiles)
    assert {row.key(): json.loads(row.value() or b"") for row in rows} == {
        name.encode(): {"user_id": name} for name in ("ann", "bob", "eve")
    }
    config = f"{worker.url}/connectors/{files.source}/config"
    told = request("GET", config, timeout_s=180).json()
    assert told["file"].startswith("${secrets:")


def test_connector_that_is_removed_reads_no_more(files: Files, worker: Connect) -> None:
    files.put()
    files.send(click("/one"))
    eventually(lambda: files.pages() == ["/one"], "it works")
    worker.delete(files.sink)
    eventually(lambda: worker.status(files.sink) == {}, "it is gone")
    files.send(click("/two"))
    files.put()  # under its name it goes on where it was
    eventually(lambda: files.pages() == ["/one", "/two"], "nothing is lost or doubled")
