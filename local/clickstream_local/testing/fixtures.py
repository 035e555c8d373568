"""pytest fixtures on real parts, started once for a session.

Use: `pytest_plugins = ["clickstream_local.testing.fixtures"]` in a suite's conftest.py.
"""

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from clickstream_local.parts.connect import Connect
from clickstream_local.parts.elasticsearch import Elasticsearch
from clickstream_local.parts.kafka import Kafka
from clickstream_local.parts.opensearch import OpenSearch
from clickstream_local.parts.postgres import Postgres
from clickstream_local.parts.search import SearchEngine, choose_engine
from clickstream_local.pipeline.reading import end_offsets
from clickstream_local.testing.eventually import PATIENCE_S, eventually

_numbers = itertools.count()


class Topics:
    """Creates topics with names no other test has."""

    def __init__(self, kafka: Kafka) -> None:
        self._kafka = kafka
        self._admin = AdminClient({"bootstrap.servers": kafka.bootstrap})

    def unique(self, name: str) -> str:
        """Return the name with a suffix no other test of this session has."""
        return f"{name}-{os.getpid()}-{next(_numbers)}"

    def create(self, name: str, partitions: int = 1, **config: str) -> str:
        """Create a topic of this name and return it. Options have underscores for dots."""
        options = {key.replace("_", "."): value for key, value in config.items()}
        topic = NewTopic(
            name, num_partitions=partitions, replication_factor=self._kafka.replicas, config=options
        )
        self._admin.create_topics([topic])[name].result(PATIENCE_S)
        # The answer only says that the controller has it; the broker tells its clients a moment later.
        eventually(lambda: len(self._partitions_of(name)) == partitions, f"topic {name} is known")
        return name

    def end_offsets(self, name: str) -> dict[int, int]:
        """Return the end of what is committed in each partition."""
        return end_offsets(self._kafka.bootstrap, name, PATIENCE_S, committed=True)

    def _partitions_of(self, name: str) -> list[int]:
        """Return the partitions that have a leader."""
        found = self._admin.list_topics(name, timeout=60).topics[name].partitions
        return [number for number, partition in found.items() if partition.leader >= 0]


@pytest.fixture(scope="session")
def parts_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give a folder for the parts' data and logs; removed afterwards unless CLICKSTREAM_KEEP is set."""
    folder = tmp_path_factory.mktemp("parts")
    for path in (folder, *folder.parents):  # PostgreSQL and OpenSearch run as another user
        if path.stat().st_uid == os.geteuid() and path.stat().st_mode & 0o055 != 0o055:
            path.chmod(path.stat().st_mode | 0o055)
        if path.name.startswith("pytest-of-"):
            break
    yield folder
    if not os.environ.get("CLICKSTREAM_KEEP"):
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def kafka(parts_folder: Path) -> Iterator[Kafka]:
    """Give one broker for the session. A test that stops it starts it again."""
    broker = Kafka(parts_folder / "kafka", quick=True)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def three_brokers(tmp_path: Path) -> Iterator[Kafka]:
    """Give three brokers of the test's own."""
    cluster = Kafka(tmp_path / "kafka", brokers=3, heap_mb=300, quick=True)
    cluster.start()
    yield cluster
    cluster.stop()


@pytest.fixture
def topics(kafka: Kafka) -> Topics:
    """Give the means to create topics on the session's broker."""
    return Topics(kafka)


@pytest.fixture(scope="session")
def postgres(parts_folder: Path) -> Iterator[Postgres]:
    """Give one PostgreSQL server for the session."""
    server = Postgres(parts_folder / "postgres")
    server.start()
    yield server
    server.stop()


def _node(folder: Path, make: Callable[[Path], SearchEngine]) -> Iterator[SearchEngine]:
    node = make(folder)
    node.start()
    yield node
    node.stop()


@pytest.fixture(scope="session")
def opensearch(parts_folder: Path) -> Iterator[SearchEngine]:
    """Give one OpenSearch node for the session."""
    yield from _node(parts_folder / "opensearch", OpenSearch)


@pytest.fixture(scope="session")
def elasticsearch(parts_folder: Path) -> Iterator[SearchEngine]:
    """Give one Elasticsearch node for the session."""
    yield from _node(parts_folder / "elasticsearch", Elasticsearch)


@pytest.fixture(scope="session")
def search_engine(request: pytest.FixtureRequest) -> SearchEngine:
    """Give the node of the engine that SEARCH_ENGINE names, else of the one that can run here."""
    node: SearchEngine = request.getfixturevalue(choose_engine())
    return node


@pytest.fixture(scope="session")
def connect_worker(kafka: Kafka, parts_folder: Path) -> Iterator[Connect]:
    """Give one Kafka Connect worker for the session, with Debezium and the built search sink."""
    worker = Connect(parts_folder / "connect", kafka, quick=True)
    worker.start()
    yield worker
    worker.stop()
