"""With `emit: final` the clock closes an idle input's windows, and only at the end of the input (R17)."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clickstream_local.parts.kafka import Kafka
from clickstream_local.testing.eventually import eventually
from clickstream_local.testing.fixtures import Topics
from confluent_kafka import Message
from processor_support.runtime_rig import Rig, users

SIZE_MS, GRACE_MS = 3_000, 1_000
WINDOW = {"size": "3s", "grace": "1s", "retention": "1m", "emit": "final"}
NAMES = users(20)


@pytest.fixture
def rig(kafka: Kafka, topics: Topics, tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(kafka, topics, tmp_path, partitions=1, processing={"window": WINDOW})
    rig.send_profiles(NAMES)
    yield rig
    rig.stop()


def now_ms() -> int:
    return int(time.time() * 1_000)


def value_of(message: Message) -> Any:
    return json.loads(message.value() or b"null")


def test_an_idle_inputs_window_is_emitted_once_its_grace_is_over_and_not_before(rig: Rig) -> None:
    rig.start()
    rig.wait_until_running()
    rig.send_clicks(200, NAMES, start_ms=now_ms())
    results = eventually(lambda: rig.committed(rig.names["metrics"]), "a result without another click")
    seen_ms = now_ms()
    end_ms = max(value_of(result)["window_end"] for result in results)
    assert seen_ms >= end_ms + GRACE_MS
    print(f"emitted {seen_ms - end_ms - GRACE_MS} ms after end and grace")


def test_a_backlog_that_is_older_than_its_windows_is_counted_to_the_last_click(rig: Rig) -> None:
    rig.send_clicks(20_000, NAMES, start_ms=now_ms() - 60_000)
    rig.start()
    rig.wait_until_handled()
    enriched = len(rig.committed(rig.names["enriched"]))

    def counted() -> int:
        return sum(value_of(result)["clicks"] for result in rig.committed(rig.names["metrics"]))

    eventually(lambda: counted() == enriched > 0, "every enriched click is in a final count")
    assert rig.committed(rig.names["deadLetters"]) == []
