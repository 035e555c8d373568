"""The smoke's comparison on a real Kafka: what is committed counts, what is aborted does not."""

import json
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from clickstream_local.load.producer import ClickProducer
from clickstream_local.load.profiles import make_profiles
from clickstream_local.load.traffic import Flaws, Traffic
from clickstream_local.parts.kafka import Kafka
from clickstream_local.pipeline.reference import EXAMPLE, Place, load
from clickstream_local.smoke.checks import Check, Totals, compare
from clickstream_local.smoke.evidence import read_clicks, read_outputs
from clickstream_local.smoke.model import Expected, Rules, expect
from clickstream_local.testing.fixtures import Topics
from clickstream_operator.spec.clickpipeline import ClickPipeline
from confluent_kafka import Producer

PROFILES = {profile.user_id: profile for profile in make_profiles(200)}


@pytest.fixture
def pipeline(kafka: Kafka, topics: Topics) -> ClickPipeline:
    """Give the reference pipeline with topics of the test's own."""
    reference = load(EXAMPLE, Place(kafka.bootstrap, 5432, "http://search:9200", "opensearch", 8080, 8180))
    spec = reference.spec
    purposes = ("clicks", "enriched", "metrics", "dead_letters")
    names = {name: topics.create(topics.unique(name), spec.topics.partitions) for name in purposes}
    return replace(reference, spec=spec.model_copy(update={"topics": spec.topics.model_copy(update=names)}))


def expected_of(kafka: Kafka, pipeline: ClickPipeline) -> Expected:
    """Send traffic with all its flaws and return what must come of it."""
    producer = ClickProducer(kafka.bootstrap, pipeline.spec.topics.clicks)
    flaws = Flaws(malformed=0.05, late=0.02)
    traffic = Traffic(list(PROFILES), pipeline.spec.topics.partitions, flaws=flaws)
    for _ in range(2_000):
        producer.send(traffic.click(int(time.time() * 1000)))
    producer.flush()
    clicks = read_clicks(kafka.bootstrap, pipeline.spec.topics.clicks)
    assert len(clicks) == 2_000
    return expect(clicks, lambda user, _, __: PROFILES.get(user), Rules.of(pipeline))


def write_outputs(producer: Producer, pipeline: ClickPipeline, expected: Expected) -> None:
    """Write what a right processor writes."""
    topics = pipeline.spec.topics
    for record in expected.enriched.values():
        key, event_ms = record["user_id"], record["timestamp"]
        producer.produce(topics.enriched, json.dumps(record), key, timestamp=event_ms)
    for (user, start_ms), clicks in expected.windows.items():
        update = {
            "user_id": user,
            "window_start": start_ms,
            "window_end": start_ms + 300_000,
            "clicks": clicks,
        }
        producer.produce(topics.metrics, json.dumps(update), user)
    for (partition, offset), reason in expected.dead.items():
        headers = {"reason": reason, "source-partition": str(partition), "source-offset": str(offset)}
        producer.produce(topics.dead_letters, b"{", b"k", headers=list(headers.items()))


def transaction(kafka: Kafka, topics: Topics, write: Callable[[Producer], None], *, commit: bool) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": topics.unique("outputs")})
    producer.init_transactions(180)
    producer.begin_transaction()
    write(producer)
    producer.flush(180)
    if commit:
        producer.commit_transaction(180)
    else:
        producer.abort_transaction(180)


def compared(kafka: Kafka, pipeline: ClickPipeline, expected: Expected) -> tuple[list[Check], Totals]:
    evidence = read_outputs(kafka.bootstrap, pipeline)
    evidence.indexed = [(event, "", 0) for event in expected.enriched]
    checks, totals = compare(expected, evidence, "")
    return [check for check in checks if not check.what.startswith("daily index")], totals


def test_committed_outputs_pass_and_aborted_ones_do_not_count(
    kafka: Kafka, topics: Topics, pipeline: ClickPipeline
) -> None:
    expected = expected_of(kafka, pipeline)
    assert set(expected.dead.values()) >= {"not-json", "null-key", "late", "unmatched", "wrong-partition"}
    transaction(kafka, topics, lambda p: write_outputs(p, pipeline, expected), commit=False)
    checks, totals = compared(kafka, pipeline, expected)
    assert not any(
        check.held for check in checks if "exactly once" in check.what and "index" not in check.what
    )
    assert totals.missing == len(expected.enriched) + len(expected.dead)
    transaction(kafka, topics, lambda p: write_outputs(p, pipeline, expected), commit=True)
    checks, totals = compared(kafka, pipeline, expected)
    assert [check for check in checks if not check.held] == []
    assert (totals.duplicates, totals.missing) == (0, 0)


def test_an_output_written_twice_is_found(kafka: Kafka, topics: Topics, pipeline: ClickPipeline) -> None:
    expected = expected_of(kafka, pipeline)
    twice = next(iter(expected.enriched.values()))

    def write(producer: Producer) -> None:
        write_outputs(producer, pipeline, expected)
        producer.produce(
            pipeline.spec.topics.enriched, json.dumps(twice), twice["user_id"], timestamp=twice["timestamp"]
        )

    transaction(kafka, topics, write, commit=True)
    checks, totals = compared(kafka, pipeline, expected)
    assert [check.what for check in checks if not check.held] == ["enriched clicks, exactly once"]
    assert (totals.duplicates, totals.missing) == (1, 0)
