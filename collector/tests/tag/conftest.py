from collections.abc import Iterator
from pathlib import Path

import pytest
from clickstream_local.parts.kafka import Kafka
from collector_support.running import RunningCollector
from collector_support.site import Site, website


@pytest.fixture
def site() -> Iterator[Site]:
    with website() as running:
        yield running


@pytest.fixture
def collector(kafka: Kafka, tmp_path: Path, site: Site) -> Iterator[RunningCollector]:
    """Give a collector of the test's own, and the site its tag."""
    with RunningCollector(kafka, tmp_path / "collector", site.keys) as running:
        site.tag = f"http://127.0.0.1:{running.port}/tag.js"
        yield running
