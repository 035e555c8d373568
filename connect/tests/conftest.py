"""The sink in a real Kafka Connect worker that Prometheus could scrape, with each of the two engines."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from clickstream_local.machine.ports import free_port
from clickstream_local.machine.tools import java_is_to_be_had
from clickstream_local.parts.connect import Connect, build_sink
from clickstream_local.parts.kafka import Kafka
from clickstream_local.parts.search import ENGINES, OPENSEARCH_JAVA, SearchEngine
from clickstream_local.testing.fixtures import Topics
from indexing import Indexing

pytest_plugins = ["clickstream_local.testing.fixtures"]


@pytest.fixture(scope="session", autouse=True)
def _built_sink() -> None:
    """Build the jar the worker loads, unless it is current."""
    build_sink()


@pytest.fixture(scope="session")
def exporter_port() -> int:
    """Give the port on which the worker tells its metrics."""
    return free_port()


@pytest.fixture(scope="session")
def connect_worker(kafka: Kafka, parts_folder: Path, exporter_port: int) -> Iterator[Connect]:
    """Give one Kafka Connect worker for the session, with Prometheus' JMX exporter in it."""
    worker = Connect(parts_folder / "connect", kafka, metrics_port=exporter_port)
    worker.start()
    yield worker
    worker.stop()


@pytest.fixture(scope="session", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> SearchEngine:
    """Give a node of each engine in turn. A test that stops it starts it again."""
    if request.param == "opensearch" and not java_is_to_be_had(OPENSEARCH_JAVA):
        pytest.skip(f"no JDK {OPENSEARCH_JAVA} for OpenSearch")
    node: SearchEngine = request.getfixturevalue(request.param)
    return node


@pytest.fixture
def indexing(
    _built_sink: None, kafka: Kafka, topics: Topics, connect_worker: Connect, engine: SearchEngine
) -> Iterator[Indexing]:
    """Give a topic, an index template and a connector of the test's own; removed afterwards."""
    mine = Indexing(kafka, topics, connect_worker, engine)
    mine.put_template()
    yield mine
    mine.remove()
