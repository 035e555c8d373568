"""What the sink promises, shown with real Kafka, Kafka Connect, OpenSearch and Elasticsearch."""

import json
import os
import time

import pytest
from clickstream_local.parts.search import SearchEngine
from clickstream_local.testing.eventually import eventually
from indexing import DAY_MS, NOON_MS, Indexing, click
from test_sink_metrics import scraped

OUTAGE_S = int(os.environ.get("CLICKSTREAM_OUTAGE_S", "15"))  # 300 with --timeout=600: as long as promised


def test_every_document_lands_once_on_the_day_of_its_event(indexing: Indexing) -> None:
    clicks = [click(number, NOON_MS + (number % 3) * DAY_MS) for number in range(3_000)]
    indexing.produce(value for _, value in clicks)
    indexing.start(tasks=3)
    indexing.wait_for(3_000)

    days = [f"{indexing.name}-2023.07.{day}" for day in (22, 23, 24)]
    assert indexing.indices() == days
    identity, value = clicks[1]
    assert indexing.document(days[1], identity)["_source"] == json.loads(value)
    eventually(lambda: indexing.states() == {"RUNNING"}, "its tasks run")
    assert indexing.dead_letters() == []


def test_a_bad_document_is_dead_lettered_at_once_and_stalls_nobody(indexing: Indexing) -> None:
    duplicate_key = click(1)[1].replace(b'"action"', b'"user_id"')  # a lenient reader takes it
    bad = {
        b"{broken": "not-json: ",
        b'{"event_id":"a"}': "missing-field: ",
        click(2, event_id="x" * 513)[1]: "mistyped-field: ",
        click(3, timestamp="yesterday")[1]: "mistyped-field: ",
        duplicate_key: "rejected: ",
    }
    good = [click(number)[1] for number in range(100, 2_100)]
    indexing.produce([*good[:1_000], None, *bad, *good[1_000:]])
    indexing.start()
    indexing.wait_for(2_000)

    eventually(lambda: len(indexing.dead_letters()) >= len(bad), "dead-lettered")
    letters = indexing.dead_letters()
    assert sorted(value for value, _ in letters) == sorted(bad)
    for value, reason in letters:
        assert reason.startswith(bad[value])
    eventually(lambda: indexing.committed() == 2_000 + 1 + len(bad), "committed")
    eventually(lambda: indexing.states() == {"RUNNING"}, "its tasks run")


def test_a_replay_makes_no_duplicate(indexing: Indexing) -> None:
    clicks = [click(number) for number in range(2_000)]
    indexing.produce(value for _, value in clicks)
    indexing.start()
    indexing.wait_for(2_000)

    indexing.stop()
    indexing.forget_offsets()
    indexing.start()
    eventually(lambda: indexing.committed() == 2_000, "read again")
    assert indexing.count() == 2_000
    assert indexing.document(indexing.indices()[0], clicks[0][0])["_version"] == 2  # it was written again


def test_an_outage_of_the_engine_loses_nothing_and_dead_letters_nothing(
    indexing: Indexing, engine: SearchEngine
) -> None:
    indexing.produce(click(number)[1] for number in range(1_000))
    indexing.start()
    indexing.wait_for(1_000)

    engine.kill()
    try:
        gone = time.monotonic()
        indexing.produce(click(number)[1] for number in range(1_000, 6_000))
        eventually(lambda: time.monotonic() > gone + OUTAGE_S, "over", timeout_s=OUTAGE_S + 180)
        eventually(lambda: indexing.states() == {"RUNNING"}, "its tasks run")
        assert indexing.committed() <= 1_000
    finally:
        engine.start()
    indexing.wait_for(6_000)
    assert indexing.dead_letters() == []
    eventually(lambda: indexing.committed() == 6_000, "committed")


@pytest.mark.long
def test_a_rebalance_during_an_outage_loses_nothing(
    indexing: Indexing, engine: SearchEngine, exporter_port: int
) -> None:
    """Kafka Connect would commit what it had polled and dropped: a new task would not read it."""
    indexing.produce(click(number)[1] for number in range(600))
    # The first poll after the rebalance comes back empty: an empty delivery is what goes wrong.
    slow = {"fetch.min.bytes": "50000000", "fetch.max.wait.ms": "3000"}
    indexing.start({f"consumer.override.{name}": value for name, value in slow.items()})
    indexing.wait_for(600)

    engine.kill()
    try:
        indexing.produce(click(number)[1] for number in range(600, 3_000))
        blocked = "clickstream_sink_blocked_seconds"
        eventually(lambda: scraped(exporter_port, indexing.name).get(blocked, 0) > 0, "waiting")
        indexing.rebalance()
        gone = time.monotonic()
        eventually(
            lambda: time.monotonic() > gone + OUTAGE_S, "over", timeout_s=OUTAGE_S + 180
        )  # two commits
        assert indexing.committed() <= 600
        indexing.restart()
    finally:
        engine.start()
    indexing.wait_for(3_000)
    assert indexing.dead_letters() == []


def test_a_hundred_thousand_documents_of_two_tasks_are_indexed_once_each(indexing: Indexing) -> None:
    documents = 100_000
    indexing.produce(click(number)[1] for number in range(documents))
    indexing.start(tasks=2)
    indexing.wait_for(documents, timeout_s=600)
    eventually(lambda: indexing.committed() == documents, "committed")
    assert indexing.count() == documents
    assert indexing.dead_letters() == []
