from collections.abc import Iterator
from pathlib import Path

import pytest
from clickstream_local.parts.kafka import Kafka
from clickstream_local.testing.eventually import eventually
from collector_support.described import Described
from collector_support.running import KEY, RunningCollector


@pytest.fixture(scope="package")
def collector(kafka: Kafka, parts_folder: Path) -> Iterator[RunningCollector]:
    """Give a collector that waits a second for a body; its keys have origins and rates."""
    settings = {"MAX_BODY_BYTES": "65536", "BODY_SECONDS": "1"}
    keys = f"{KEY}\nwk-shop origin=https://shop.example\nwk-slow rate=2"
    with RunningCollector(kafka, parts_folder / "contract", keys, settings) as running:
        yield running


@pytest.fixture(autouse=True)
def _still_taking(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "collector" in request.fixturenames:
        running: RunningCollector = request.getfixturevalue("collector")
        click = {"user_id": "a", "page_url": "/", "action": "after"}
        # A second for a body can be too short on a busy machine.
        eventually(lambda: running.post("/v1/clicks", click).status == 200, "a click is taken")
        assert running.metric("clickstream_collector_requests_total", code="500") == 0
        assert "Traceback" not in running.process.log.read_text()


@pytest.fixture(scope="package")
def described(collector: RunningCollector) -> Described:
    """Give what the collector says of itself."""
    return Described(collector.ask("/openapi.json", port=collector.admin_port).json)
