"""Topics that change under a running pod, on a real broker: it stops, says why, and goes on when it may."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clickstream_local.parts.kafka import Kafka
from clickstream_local.testing.eventually import eventually
from clickstream_local.testing.fixtures import Topics
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions
from processor_support.runtime_rig import Rig, running, set_option, users

NAMES = users(20)


@pytest.fixture
def rig(kafka: Kafka, topics: Topics, tmp_path: Path) -> Iterator[Rig]:
    with running(Rig(kafka, topics, tmp_path), NAMES, clicks=200) as rig:
        yield rig


@pytest.fixture
def admin(kafka: Kafka) -> AdminClient:
    return AdminClient({"bootstrap.servers": kafka.bootstrap})


def details(rig: Rig) -> set[str]:
    tasks = rig.status().get("tasks", {}).values()
    return {task["detail"] for task in tasks if task["phase"] == "stopped"}


def wait_until_stopped(rig: Rig) -> str:
    """Wait until both tasks are stopped, and return one's reason."""
    eventually(lambda: list(rig.phases().values()) == ["stopped"] * 2, "both tasks are stopped")
    return min(details(rig))


def test_partitions_that_were_added_stop_every_task(rig: Rig, admin: AdminClient) -> None:
    clicks = rig.names["clicks"]
    admin.create_partitions([NewPartitions(clicks, 3)])[clicks].result(30)
    detail = wait_until_stopped(rig)
    assert f"topic {clicks} has 3 partitions on the broker and topics.partitions is 2" in detail


def test_deleted_output_stops_every_task_until_it_is_there_again(
    rig: Rig, topics: Topics, admin: AdminClient
) -> None:
    enriched = rig.names["enriched"]
    admin.delete_topics([enriched])[enriched].result(30)
    assert f"topic {enriched} is not on the broker" in wait_until_stopped(rig)
    topics.create(enriched, 2)
    rig.wait_until_running()
    rig.send_clicks(100, NAMES)
    rig.wait_until_handled()


def test_clicks_deleted_before_they_were_read_stop_their_task(
    rig: Rig, topics: Topics, admin: AdminClient
) -> None:
    rig.processes[0].stop()
    rig.send_clicks(200, NAMES)
    clicks = rig.names["clicks"]
    ends = [TopicPartition(clicks, p, offset) for p, offset in topics.end_offsets(clicks).items()]
    for future in admin.delete_records(ends).values():
        future.result(30)
    rig.start()
    assert "is outside the log of" in wait_until_stopped(rig)


@pytest.mark.parametrize(
    "output",
    ["metrics", *(pytest.param(name, marks=pytest.mark.long) for name in ("enriched", "deadLetters"))],
)
def test_output_with_too_few_partitions_stops_every_task_until_it_has_enough(
    output: str, kafka: Kafka, topics: Topics, tmp_path: Path, admin: AdminClient
) -> None:
    rig = Rig(kafka, topics, tmp_path, partitions=4)
    topic = topics.create(topics.unique("short"), 2)
    settings = json.loads(rig.settings.read_text())
    settings["topics"][output] = rig.names[output] = topic
    rig.settings.write_text(json.dumps(settings))
    rig.send_profiles(NAMES)
    for partition in range(4):  # one that no line takes, so that each of the outputs is written to
        rig.send_raw("user00001", b"not JSON", partition)
    rig.send_clicks(200, NAMES)
    rig.start()
    try:
        eventually(lambda: list(rig.phases().values()) == ["stopped"] * 4, "every task is stopped")
        detail = min(details(rig))
        assert f"topic {topic} has 2 partitions on the broker and topics.partitions is 4" in detail
        assert f"kafka-topics.sh --alter --topic {topic} --partitions 4" in detail
        admin.create_partitions([NewPartitions(topic, 4)])[topic].result(30)
        rig.wait_until_running()
        rig.wait_until_handled()
    finally:
        rig.stop()


def test_output_may_have_more_partitions(kafka: Kafka, topics: Topics, tmp_path: Path) -> None:
    rig = Rig(kafka, topics, tmp_path)
    topic = topics.create(topics.unique("wide"), 5)
    settings = json.loads(rig.settings.read_text())
    settings["topics"]["enriched"] = rig.names["enriched"] = topic
    rig.settings.write_text(json.dumps(settings))
    rig.send_profiles(NAMES)
    rig.start()
    try:
        rig.wait_until_running()
        rig.send_clicks(200, NAMES)
        rig.wait_until_handled()
    finally:
        rig.stop()


def told(rig: Rig, topic: str) -> dict[str, dict[str, Any]]:
    """Return what /status tells of a topic, by option."""
    findings = rig.status().get("topic_findings", [])
    return {found["option"]: found for found in findings if found["topic"] == topic}


@pytest.mark.long
def test_options_of_hand_made_topics_are_told_and_clicks_go_on(rig: Rig, admin: AdminClient) -> None:
    enriched, changelog = rig.names["enriched"], f"{rig.id}-changelog"  # made with Kafka's defaults
    late = eventually(lambda: told(rig, enriched).get("message.timestamp.after.max.ms"), "it is told")
    assert late["value"] == "3600000"
    assert f"topic {enriched}: message.timestamp.after.max.ms is 3600000" in late["message"]
    assert told(rig, changelog)["retention.ms"]["value"] == "604800000"
    assert set(rig.phases().values()) == {"running"}
    set_option(admin, enriched, "message.timestamp.after.max.ms", str(2**63 - 1))
    eventually(lambda: "message.timestamp.after.max.ms" not in told(rig, enriched), "it is told no more")
    assert set(rig.phases().values()) == {"running"}


@pytest.mark.long
def test_more_acknowledgements_than_copies_stop_every_task_until_it_is_mended(
    kafka: Kafka, topics: Topics, tmp_path: Path, admin: AdminClient
) -> None:
    rig = Rig(kafka, topics, tmp_path)
    set_option(admin, rig.names["metrics"], "min.insync.replicas", "2")
    rig.send_profiles(NAMES)
    rig.send_clicks(200, NAMES)
    rig.start()
    try:
        detail = wait_until_stopped(rig)
        assert f"topic {rig.names['metrics']}: min.insync.replicas is 2, needed is at most 1" in detail
        set_option(admin, rig.names["metrics"], "min.insync.replicas", "1")
        eventually(lambda: set(rig.phases().values()) == {"running"}, "running")
        rig.wait_until_handled()
    finally:
        rig.stop()
