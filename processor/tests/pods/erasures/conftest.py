from collections.abc import Iterator
from pathlib import Path

import pytest
from clickstream_local.parts.kafka import Kafka
from clickstream_local.testing.fixtures import Topics
from processor_support.erasures import make_rig
from processor_support.runtime_rig import Rig


@pytest.fixture
def straight(kafka: Kafka, topics: Topics, tmp_path: Path) -> Iterator[Rig]:
    """Give a rig whose clicks have their partition already: no task sends them on."""
    rig = make_rig(kafka, topics, tmp_path)
    yield rig
    rig.stop()
