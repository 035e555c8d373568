from collections.abc import Iterator
from pathlib import Path

import pytest
from clickstream_local.parts.kafka import Kafka
from clickstream_local.testing.eventually import eventually
from collector_support.running import RunningCollector

SHOP = "https://shop.example"
KEYS = f"wk-4f1c\nwk-shop origin={SHOP}\nwk-slow rate=2"


@pytest.fixture
def collector(shared: RunningCollector) -> RunningCollector:
    """Give a collector that tests may share, once it takes events: a test may have ended Kafka before."""
    eventually(shared.is_ready, "the shared collector is ready")
    return shared


@pytest.fixture(scope="package")
def shared(kafka: Kafka, parts_folder: Path) -> Iterator[RunningCollector]:
    """Run a collector whose tests send as users of their own."""
    settings = {"MAX_BODY_BYTES": "65536", "TRUSTED_PROXIES": "127.0.0.0/8", "BODY_SECONDS": "1"}
    with RunningCollector(kafka, parts_folder / "collector", KEYS, settings) as running:
        yield running
