"""The smoke times clicks once the pipeline is warm, and only those."""

import json
import time

import pytest
from clickstream_local.load.producer import ClickProducer
from clickstream_local.load.traffic import record_of
from clickstream_local.parts.kafka import Kafka
from clickstream_local.pipeline.reading import end_offsets
from clickstream_local.smoke.stopwatch import Timing
from clickstream_local.smoke.warm_up import IN_A_ROW, MOST, is_warm
from clickstream_local.testing.eventually import eventually
from clickstream_local.testing.fixtures import Topics
from confluent_kafka import Producer

NEVER = float("inf")


@pytest.mark.parametrize(
    ("medians_ms", "seconds"),
    [
        ([12.0] * 30, IN_A_ROW + 1),
        ([100.0, *[95.0] * 30], IN_A_ROW + 1),
        ([100.0, *[85.0] * 30], IN_A_ROW + 2),
        ([250.0, 180.0, 90.0, *[12.0] * 30], 4 + IN_A_ROW),
        ([250.0, 240.0, 230.0, 220.0, 210.0, *[12.0] * 30], 6 + IN_A_ROW),
        ([1_378.0, 1_333.0, 1_846.0, 2_805.0, 2_541.0, 2_165.0, 1_690.0], IN_A_ROW + 1),
        ([NEVER, NEVER, *[40.0] * 30], 3 + IN_A_ROW),
        ([100.0 * 0.8**second for second in range(40)], MOST),
        ([NEVER] * 6, IN_A_ROW + 1),
    ],
)
def test_warm_is_what_gets_no_quicker_any_more(medians_ms: list[float], seconds: int) -> None:
    warm = [count for count in range(len(medians_ms) + 1) if is_warm(medians_ms[:count])]
    assert warm[0] == seconds


@pytest.mark.real
def test_only_clicks_that_are_written_from_a_moment_on_count(kafka: Kafka, topics: Topics) -> None:
    clicks, enriched = topics.create(topics.unique("clicks"), 1), topics.create(topics.unique("enriched"), 1)
    timing = Timing(kafka.bootstrap, enriched, clicks)
    producer = ClickProducer(kafka.bootstrap, clicks, timing.written)
    outputs = Producer({"bootstrap.servers": kafka.bootstrap, "enable.idempotence": True})
    for topic in (clicks, enriched):  # the broker leads their partitions
        assert end_offsets(kafka.bootstrap, topic, timeout_s=180) == {0: 0}
    timing.start()

    def through(number: int) -> None:
        """Send a click, and the output that a pod would make of it."""
        producer.send(record_of({"user_id": "alice", "page_url": "/", "action": "view", "timestamp": number}))
        producer.flush()
        event = json.dumps({"event_id": f"{clicks}-0-{number}"}, separators=(",", ":"))
        outputs.produce(enriched, event, "alice")
        assert outputs.flush(120) == 0

    through(0)
    eventually(lambda: len(timing.times_ms()) == 1, "the first is timed", timeout_s=180)
    since = time.monotonic()
    assert timing.times_ms(since) == []
    through(1)
    eventually(lambda: len(timing.times_ms(since)) == 1, "the second is timed", timeout_s=180)
    assert len(timing.times_ms()) == 2
    timing.stop()
