"""Rows of the profile table that cannot be used: a letter, a place, a count; no stop, no silence."""

import json
from pathlib import Path
from typing import Any

import pytest
from clickstream_local.parts.kafka import Kafka
from clickstream_local.testing.eventually import eventually
from clickstream_local.testing.fixtures import Topics
from confluent_kafka import Producer
from processor_support.runtime_rig import Rig, headers_of, users

NAMES = users(20)
BAD = {
    "not-json": b"{",
    "missing-field": b'{"name":"A"}',
    "table-truncated": b'{"refused":"table-truncated"}',
}


@pytest.fixture
def rig(kafka: Kafka, topics: Topics, tmp_path: Path) -> Any:
    mine = Rig(kafka, topics, tmp_path)
    yield mine
    mine.stop()


def send(rig: Rig, key: str, value: bytes) -> None:
    producer = Producer(
        {
            "bootstrap.servers": rig.kafka.bootstrap,
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
        }
    )
    producer.produce(rig.names["profiles"], value, key)
    assert producer.flush(30) == 0


def refused(rig: Rig) -> dict[str, float]:
    return {reason: rig.metric("clickstream_profiles_refused_total", reason=reason) for reason in BAD}


def test_refused_profile_of_a_running_task_is_a_dead_letter_a_count_and_a_log_line(rig: Rig) -> None:
    rig.send_profiles(NAMES)
    rig.start()
    rig.wait_until_running()
    for reason, value in BAD.items():
        send(rig, f"bad {reason}", value)
    rig.send_clicks(300, NAMES)
    rig.wait_until_handled()
    letters = eventually(
        lambda: found if len(found := rig.committed(rig.names["deadLetters"])) == len(BAD) else None,
        "letters",
    )
    for letter in letters:
        headers = headers_of(letter)
        assert headers["reason"] == "profile-refused"
        assert headers["source-topic"] == rig.names["profiles"]
        assert BAD[headers["detail"].partition(":")[0]] == letter.value()
        source = rig.committed(rig.names["profiles"])
        places = {(m.partition(), m.offset()): m.key() for m in source}
        assert places[int(headers["source-partition"]), int(headers["source-offset"])] == letter.key()
    assert refused(rig) == dict.fromkeys(BAD, 1)
    assert "profiles refused: " in rig.log()
    assert f"the last at {rig.names['profiles']}-" in rig.log()


def test_refused_profiles_of_a_restore_are_counted_and_named_but_no_letters(rig: Rig) -> None:
    rig.send_profiles(NAMES)
    for reason, value in BAD.items():
        send(rig, f"bad {reason}", value)
    rig.start()
    rig.wait_until_running()
    assert refused(rig) == dict.fromkeys(BAD, 1)
    assert "profiles refused: " in rig.log()
    rig.send_clicks(300, NAMES)
    rig.wait_until_handled()
    assert rig.committed(rig.names["deadLetters"]) == []
    rig.assert_exactly_once()


def test_key_and_columns_of_other_types_join(rig: Rig) -> None:
    send(rig, "42", json.dumps({"user_id": 42, "name": 7, "country": None, "plan_tier": 2.5}).encode())
    rig.start()
    rig.wait_until_running()
    rig.send_clicks(20, ["42"])
    rig.wait_until_handled()
    enriched = [json.loads(m.value() or b"") for m in rig.committed(rig.names["enriched"])]
    assert {(e["user_id"], e["user_name"], e["country"], e["plan_tier"]) for e in enriched} == {
        ("42", "7", None, "2.5")
    }
    answer = eventually(lambda: rig.get("/dashboard/users/42/metrics"), "an answer")
    assert (answer["user_name"], answer["plan_tier"]) == ("7", "2.5")
