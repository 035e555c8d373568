"""On a real broker and a real pod: one fast clock poisons nobody's time, and a time of 1970 goes nowhere."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from clickstream_local.parts.kafka import Kafka
from clickstream_local.testing.fixtures import Topics
from confluent_kafka import murmur2
from processor_support.runtime_rig import Rig, headers_of, users

SHARED = 0  # the partition of both users
HONEST, FAST = [name for name in users(50) if murmur2(name.encode(), 2) == SHARED][:2]
M50 = 50 * 60_000


@pytest.fixture
def rig(kafka: Kafka, topics: Topics, tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(kafka, topics, tmp_path)
    rig.send_profiles([HONEST, FAST])
    yield rig
    rig.stop()


def send(rig: Rig, user: str, event_ms: int, **fields: object) -> None:
    click = {"user_id": user, "page_url": "/", "action": "view", "timestamp": event_ms} | fields
    rig.send_raw(user, json.dumps(click), SHARED)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def counts(rig: Rig) -> dict[str, int]:
    """Return each user's clicks in all windows, by the last record of each."""
    last: dict[tuple[str, int], int] = {}
    for message in rig.committed(rig.names["metrics"]):
        value = json.loads(message.value() or b"{}")
        last[value["user_id"], value["window_start"]] = value["clicks"]
    return {user: sum(n for (name, _), n in last.items() if name == user) for user in (HONEST, FAST)}


def test_one_device_50_minutes_fast_costs_no_user_a_click_and_itself_none(rig: Rig) -> None:
    """Also after the pod was killed: what is known of times is in the position."""
    rig.start()
    for _ in range(2):
        for _ in range(5):
            send(rig, HONEST, now_ms())
            send(rig, FAST, now_ms() + M50)
        rig.wait_until_handled()
        ahead = rig.metric("clickstream_clicks_ahead_total")
        assert rig.metric("clickstream_stream_time_ahead_seconds", partition=str(SHARED)) == 0
        rig.processes[0].kill()
        rig.start()
    rig.wait_until_handled()
    assert counts(rig) == {HONEST: 10, FAST: 10}
    assert rig.committed(rig.names["deadLetters"]) == []
    assert ahead == 5


def test_event_times_of_1970_are_dead_letters_that_say_why_and_no_output_has_the_wall_clocks_time(
    rig: Rig,
) -> None:
    rig.start()
    for event_ms in (0, now_ms() // 1_000, now_ms() * 1_000):
        send(rig, HONEST, event_ms)
    send(rig, HONEST, now_ms(), title="\ud83d")  # half an emoji where nobody reads
    rig.wait_until_handled()
    letters = [headers_of(message) for message in rig.committed(rig.names["deadLetters"])]
    assert [letter["reason"] for letter in letters] == [
        "implausible-time",
        "implausible-time",
        "too-far-in-future",
    ]
    assert "looks like seconds" in letters[1]["detail"]
    assert "looks like microseconds" in letters[2]["detail"]
    (enriched,) = rig.committed(rig.names["enriched"])
    assert enriched.timestamp()[1] == json.loads(enriched.value() or b"{}")["timestamp"]
