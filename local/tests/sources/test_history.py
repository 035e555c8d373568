"""docs/how-to/load-old-clicks.md, done: years-old clicks are counted, enriched and found, none is lost."""

import json
import re
import time
from collections.abc import Iterator
from dataclasses import fields
from functools import partial
from pathlib import Path

import pytest
from clickstream_local.load.profiles import make_profiles
from clickstream_local.machine.ports import free_ports
from clickstream_local.machine.web import request
from clickstream_local.parts.kafka import Kafka
from clickstream_local.pipeline import stack as whole
from clickstream_local.pipeline.options import REPOSITORY, Options, Ports
from clickstream_local.pipeline.progress import Progress
from clickstream_local.pipeline.reading import reader
from clickstream_local.pipeline.stack import Stack
from clickstream_local.smoke.checks import compare
from clickstream_local.smoke.drain import wait_until_drained, wait_until_indexed
from clickstream_local.smoke.evidence import gather, read_clicks
from clickstream_local.smoke.model import Rules, expect
from clickstream_operator.manifests.sinks import search_of
from confluent_kafka import Producer, TopicPartition

pytestmark = pytest.mark.real

HOWTO = (REPOSITORY / "docs/how-to/load-old-clicks.md").read_text()
FIRST_MS = 1_700_000_000_000  # 2023-11-14
DAY_MS = 86_400_000
DAYS, CLICKS_A_DAY = 20, 200


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """Give the page's pipeline, running, on a broker that drops what is too old each second."""
    (text,) = re.findall(r"```yaml\n# history.yaml\n(.*?)```", HOWTO, re.DOTALL)
    pipeline = tmp_path / "history.yaml"
    pipeline.write_text(text)
    hasty = {"log.retention.check.interval.ms": "1000", "log.initial.task.delay.ms": "1000"}
    monkeypatch.setattr(whole, "Kafka", partial(Kafka, properties=hasty))
    names = [each.name for each in fields(Ports)]
    options = Options(
        data=tmp_path / "history",
        pipeline=pipeline,
        engine=None,
        pods=1,
        rate=1.0,
        profiles=200,
        changes=1.0,
        seed=1,
        ports=Ports(**dict(zip(names, free_ports(len(names)), strict=True))),
    )
    options.data.mkdir()
    one = Stack(options, Progress())
    try:
        one.start()
        yield one
    finally:
        one.stop()


def send(history: Stack, users: list[str]) -> None:
    """Write the clicks, oldest first; every second one with its own time as the record's."""
    clicks = history.pipeline.spec.topics.clicks
    producer = Producer(
        {
            "bootstrap.servers": history.kafka.bootstrap,
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
        }
    )
    for number in range(DAYS * CLICKS_A_DAY):
        user = users[number * 7 % len(users)]
        event_ms = FIRST_MS + number * (DAY_MS // CLICKS_A_DAY)
        click = {"user_id": user, "page_url": f"/old/{number}", "action": "view", "timestamp": event_ms}
        producer.produce(clicks, json.dumps(click), user, timestamp=event_ms if number % 2 else 0)
    assert producer.flush(60) == 0


def first_offsets(history: Stack, topic: str) -> set[int]:
    with reader(history.kafka.bootstrap) as consumer:
        partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
        return {consumer.get_watermark_offsets(TopicPartition(topic, p), 30)[0] for p in partitions}


def found_by_search(history: Stack) -> int:
    """Return how many clicks the search API finds; a busy engine may take longer than it waits."""
    deadline = time.monotonic() + 120
    while True:
        answer = request("GET", f"{history.pods.pods[0].url}/api/search?q=old", timeout_s=30)
        if answer.ok:
            return int(answer.json()["total"])
        assert time.monotonic() < deadline, answer.body
        time.sleep(0.2)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_clicks_of_three_years_ago_are_counted_enriched_and_found_as_the_page_says(history: Stack) -> None:
    profiles = make_profiles(200)
    send(history, [profile.user_id for profile in profiles])
    wait_until_drained(history)
    topics, index = history.pipeline.spec.topics, search_of(history.pipeline).index
    clicks = read_clicks(history.kafka.bootstrap, topics.clicks)
    by_user = {profile.user_id: profile for profile in profiles}
    expected = expect(clicks, lambda user, *_: by_user.get(user), Rules.of(history.pipeline))
    wait_until_indexed(history, len(expected.enriched))

    # Both have been dropped by now, were the topics' retention the default one.
    assert first_offsets(history, topics.enriched) == first_offsets(history, topics.metrics) == {0}
    evidence = gather(history.kafka.bootstrap, history.pipeline, history.search)
    checks, _ = compare(expected, evidence, index)
    assert [f"{check.what}: {check.found}" for check in checks if not check.held] == []
    assert len(evidence.enriched) == len(evidence.indexed) == len(clicks) == DAYS * CLICKS_A_DAY
    assert evidence.dead == []
    assert history.pods.metric("clickstream_outputs_past_retention_total") == 0
    assert found_by_search(history) == DAYS * CLICKS_A_DAY
