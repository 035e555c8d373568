"""Outputs whose topics soon drop them are counted and told: their time is the click's (V8)."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from clickstream_local.parts.kafka import Kafka
from clickstream_local.testing.fixtures import Topics
from processor_support.runtime_rig import Rig, users

DAY_MS = 86_400_000
PAST = "clickstream_outputs_past_retention_total"
NAMES = users(5)


@pytest.fixture
def rig(kafka: Kafka, topics: Topics, tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(kafka, topics, tmp_path, partitions=1)
    rig.send_profiles(NAMES)
    yield rig
    rig.stop()


def days_ago(days: float) -> int:
    return int(time.time() * 1_000 - days * DAY_MS)


def test_outputs_older_than_the_topics_keep_are_counted_and_told_until_stream_time_is_newer(rig: Rig) -> None:
    rig.start()
    rig.wait_until_running()
    rig.send_clicks(100, NAMES, start_ms=days_ago(8))
    rig.wait_until_handled()
    first = rig.assert_exactly_once()
    assert rig.metric(PAST, output="enriched") == sum(first.events.values()) > 0
    assert rig.metric(PAST, output="metrics") == sum(map(len, first.updates.values())) > 0
    assert "older than topics.retention (7 days)" in rig.log()

    counted = rig.metric(PAST)
    rig.send_clicks(100, NAMES, start_ms=days_ago(6.9))
    rig.send_clicks(100, NAMES, start_ms=days_ago(8))  # late, and among newer records: they live as long
    rig.wait_until_handled()
    assert rig.metric(PAST) == counted


def test_a_longer_retention_of_the_topics_is_believed(rig: Rig) -> None:
    document = json.loads(rig.settings.read_text())
    document["topics"]["retention"] = "9d"
    rig.settings.write_text(json.dumps(document))
    rig.start()
    rig.wait_until_running()
    rig.send_clicks(100, NAMES, start_ms=days_ago(8))
    rig.wait_until_handled()
    assert rig.metric("clickstream_records_enriched_total") > 0
    assert rig.metric(PAST) == 0
