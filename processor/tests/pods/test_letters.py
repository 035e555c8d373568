"""A real pod shows the letters that it wrote itself: place, reason, bytes; and answers while it processes."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clickstream_local.machine.web import request
from clickstream_local.parts.kafka import Kafka
from clickstream_local.testing.eventually import eventually
from clickstream_local.testing.fixtures import Topics
from processor_support.runtime_rig import Rig, users

NAMES = users(5)


@pytest.fixture
def rig(kafka: Kafka, topics: Topics, tmp_path: Path) -> Iterator[Rig]:
    running = Rig(kafka, topics, tmp_path)
    running.send_profiles(NAMES)
    running.start()
    running.wait_until_running()
    yield running
    running.stop()


def ask(rig: Rig, path: str = "") -> dict[str, Any]:
    """Return an answer about letters; empty while the brokers of a busy machine give none in time."""
    answer = request("GET", f"http://127.0.0.1:{rig.port}/api/letters{path}", timeout_s=30)
    return dict(answer.json()) if answer.ok else {}


def listed(rig: Rig, path: str = "?limit=100") -> list[dict[str, Any]]:
    return list(ask(rig, path).get("letters", []))


def test_pod_shows_the_letters_that_it_wrote(rig: Rig) -> None:
    wrong = json.dumps({"user_id": NAMES[0], "page_url": "/p", "action": "view", "timestamp": "noon"})
    stranger = {
        "user_id": "stranger",
        "page_url": "/p",
        "action": "view",
        "timestamp": int(time.time() * 1_000),
    }
    rig.send_raw(NAMES[0], wrong, 1)
    rig.send_raw(None, b"\xff\x00", 0)
    rig.send("clicks", "stranger", stranger)
    rig.send_clicks(200, NAMES)
    three = eventually(lambda: found if len(found := listed(rig)) == 3 else None, "three letters are shown")
    letters = {each["reason"]: each for each in three}
    assert set(letters) == {"mistyped-field", "not-json", "unmatched"}
    mistyped = letters["mistyped-field"]
    assert mistyped["first"] == {"topic": rig.names["clicks"], "partition": 1, "offset": 0}
    assert mistyped["place"]["topic"] == rig.names["deadLetters"]
    assert (mistyped["value"]["data"], mistyped["key"]["data"]) == (wrong, NAMES[0])
    assert "timestamp" in mistyped["detail"]
    assert letters["not-json"]["value"]["data"] == "ff00"
    place = letters["not-json"]["place"]
    whole = eventually(lambda: ask(rig, f"/{place['partition']}/{place['offset']}"), "the letter")
    assert {each["name"] for each in whole["headers"]} >= {"reason", "detail", "source-topic"}
    summary = eventually(
        lambda: found if (found := ask(rig, "/summary")).get("total") == 3 else None,
        "the summary counts them",
    )
    assert summary["pipeline"] == {"name": "rig", "namespace": "shop"}
    rig.wait_until_handled()
    rig.assert_exactly_once()
