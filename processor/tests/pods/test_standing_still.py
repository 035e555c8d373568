"""A pod whose commits do not get through says so: its lag, for how long it stands, and with which error."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clickstream_local.parts.kafka import Kafka
from clickstream_local.testing.eventually import eventually
from clickstream_local.testing.fixtures import Topics
from confluent_kafka.admin import AdminClient
from processor_support.runtime_rig import Rig, running, set_option, users

NAMES = users(20)


@pytest.fixture
def rig(kafka: Kafka, topics: Topics, tmp_path: Path) -> Iterator[Rig]:
    with running(Rig(kafka, topics, tmp_path), NAMES, clicks=200) as rig:
        yield rig


def limit(kafka: Kafka, topic: str, record_bytes: int) -> None:
    """Let a topic take records of this size at most."""
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    set_option(admin, topic, "max.message.bytes", str(record_bytes))


def tasks(rig: Rig) -> list[dict[str, Any]]:
    return list(rig.status().get("tasks", {}).values())


def summary(rig: Rig) -> dict[str, Any]:
    return rig.get("/api/summary") or {}


@pytest.mark.timeout(400)
def test_commits_that_do_not_get_through_are_seen_and_the_lag_with_them(rig: Rig, kafka: Kafka) -> None:
    eventually(lambda: [t.get("lag_records") for t in tasks(rig)] == [0, 0], "no lag before")
    positions = f"{rig.id}-positions"
    limit(kafka, positions, 120)  # no click's doing: none can be set aside, no commit gets through
    rig.send_clicks(400, NAMES)

    eventually(lambda: rig.metric("clickstream_consumer_lag_records") == 400, "the metric tells the lag")
    eventually(lambda: min(t.get("lag_records", 0) for t in tasks(rig) or [{}]) > 0, "so does /status")
    seen = eventually(
        lambda: [t for t in summary(rig).get("tasks", []) if t["detail"].startswith("no commit for ")],
        "the summary tells that a task stands",
    )
    assert all(task["standing_ms"] >= 10_000 for task in seen)

    def failures() -> int:
        return int(rig.status().get("commit_health", {}).get("failures_in_a_row", 0))

    eventually(lambda: failures() >= 2, "two failures in a row")
    assert rig.status()["commit_health"]["error"]
    assert rig.metric("clickstream_commit_failures_in_a_row") >= 2
    # The summary is up to a second old.
    eventually(lambda: summary(rig)["pods"][0]["commit_failures_in_a_row"] >= 2, "so does the summary")
    assert summary(rig)["lag"]["records"] == 400  # whatever phase the tasks are in just now

    limit(kafka, positions, 1_000_000)
    rig.wait_until_handled()
    eventually(lambda: failures() == 0, "commits get through again")
    eventually(lambda: [t.get("lag_records") for t in tasks(rig)] == [0, 0], "nothing waits")

    def details() -> set[str]:
        return {task["detail"] for task in summary(rig).get("tasks", [])}

    eventually(lambda: details() == {""}, "all is well")  # the summary is up to a second old
    rig.assert_exactly_once()
