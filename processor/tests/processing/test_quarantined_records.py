"""No record stops a task: each odd click ends as one dead letter, amid other traffic, on real Kafka.

The trials are those that stopped every task of a pod, one after the other (B01 to B04, V1, V2).
"""

import itertools
import json
import random
import string
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from clickstream_local.parts.kafka import Kafka
from clickstream_local.testing.eventually import eventually
from clickstream_local.testing.fixtures import Topics
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from processor_support import deadly_pod
from processor_support.runtime_rig import Rig, headers_of, set_option, users

NAMES = users(50)
TRANSFORM = {
    "filter": 'click.action != "heartbeat" && (!has(click.x) || click.x != 3)',
    "transform": {
        "set": {
            "channel": 'has(click.channel) ? click.channel : "web"',
            **{f"c{n}": 'click.page_url.startsWith("/long") ? click.page_url : ""' for n in range(20)},
        }
    },
}
NESTED = b"[" * 500 + b"]" * 500


@pytest.fixture
def make_rig(kafka: Kafka, topics: Topics, tmp_path: Path) -> Iterator[Callable[..., Rig]]:
    rigs: list[Rig] = []

    def make(**options: Any) -> Rig:
        rig = Rig(kafka, topics, tmp_path / f"rig{len(rigs)}", **options)
        rigs.append(rig)
        rig.send_profiles(NAMES)
        rig.send_clicks(500, NAMES)
        return rig

    yield make
    for rig in rigs:
        rig.stop()


def click(user: str = NAMES[0], **fields: Any) -> bytes:
    now_ms = int(time.time() * 1_000)
    body = {"user_id": user, "page_url": "/p", "action": "view", "timestamp": now_ms} | fields
    return json.dumps(body).encode()


def with_field(name: str, text: bytes) -> bytes:
    return click()[:-1] + b',"' + name.encode() + b'":' + text + b"}"


def send(rig: Rig, value: bytes, key: str = NAMES[0], record_ms: int = 0, **options: Any) -> tuple[int, int]:
    """Write an odd click among others, by a producer of its own; return its place."""
    producer = Producer(
        {
            "bootstrap.servers": rig.kafka.bootstrap,
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
            "message.max.bytes": 8_000_000,
        }
        | options
    )
    places: list[tuple[int, int]] = []
    producer.produce(
        rig.names["clicks"],
        value,
        key,
        timestamp=record_ms,
        on_delivery=lambda error, m: places.append(
            (m.partition() or 0, m.offset() or 0) if not error else (-1, -1)
        ),
    )
    assert producer.flush(30) == 0
    assert places[0][0] >= 0, "the broker did not take the odd click"
    rig.sent += 1
    return places[0]


def amid_traffic(rig: Rig, value: bytes, **options: Any) -> tuple[int, int]:
    """Send clicks of everybody, the odd one, and more clicks; return its place once all are handled."""
    rig.send_clicks(300, NAMES)
    place = send(rig, value, **options)
    rig.send_clicks(300, NAMES)
    rig.wait_until_handled()
    return place


def letters(rig: Rig) -> dict[tuple[int, int], list[tuple[bytes | None, dict[str, str]]]]:
    """Return the dead letters by the place of their click."""
    found: dict[tuple[int, int], list[tuple[bytes | None, dict[str, str]]]] = {}
    for message in rig.committed(rig.names["deadLetters"]):
        headers = headers_of(message)
        place = int(headers["source-partition"]), int(headers["source-offset"])
        found.setdefault(place, []).append((message.value(), headers))
    return found


def the_letter(rig: Rig, place: tuple[int, int]) -> tuple[bytes | None, dict[str, str]]:
    """Return the one letter of a click."""
    found = letters(rig).get(place, [])
    assert len(found) == 1, f"{len(found)} letters of {place}"
    return found[0]


def assert_one_life(rig: Rig) -> None:
    """The pod that has met the odd click is the one that was started."""
    process = rig.processes[0]
    assert process.exit_status is None
    rig.send_clicks(100, NAMES)
    rig.wait_until_handled()
    rig.assert_exactly_once()


def limit(kafka: Kafka, topic: str, name: str, value: str) -> None:
    """Set an option of a topic."""
    set_option(AdminClient({"bootstrap.servers": kafka.bootstrap}), topic, name, value)


ODD = {
    "B01 three megabytes, compressed": (
        click(page_url="/" + "x" * 3_000_000),
        {"compression.type": "gzip"},
        "oversized",
    ),
    "V1 as large as the broker takes": (click(page_url="/" + "x" * 1_048_300), {}, "oversized"),
    "B02 nested in a field the transform reads": (with_field("channel", NESTED), {}, None),
    "V2 nested in a field the filter reads": (with_field("x", NESTED), {}, None),
    "V2 nested beyond any decoder": (with_field("y", b"[" * 5_000 + b"]" * 5_000), {}, None),
    "B04 enriched beyond the topic": (click(page_url="/long" + "x" * 60_000), {}, "output-refused"),
}


def test_odd_clicks_end_as_one_letter_each_and_nobody_stops(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(processing=TRANSFORM)
    rig.start()
    rig.wait_until_running()
    for name, (value, options, reason) in ODD.items():
        place = amid_traffic(rig, value, **options)
        payload, headers = the_letter(rig, place)
        assert headers["source-topic"] == rig.names["clicks"], name
        assert reason is None or headers["reason"] == reason, name
        if len(value) > 1_000_000:
            assert headers["original-size"] == str(len(value)), name
            assert payload == value[: len(payload or b"")], name
        else:
            assert payload == value, name
    assert rig.processes[0].exit_status is None
    assert rig.metric("clickstream_commits_total", result="failed") == 0
    assert rig.metric("clickstream_quarantined_records_total", reason="output-refused") == 1
    assert_one_life(rig)


def test_output_that_a_foreign_topic_refuses_is_set_aside(make_rig: Callable[..., Rig], kafka: Kafka) -> None:
    rig = make_rig()
    limit(kafka, rig.names["enriched"], "max.message.bytes", "20000")
    rig.start()
    rig.wait_until_running()
    text = "".join(random.Random(3).choices(string.ascii_letters, k=40_000))  # no codec makes it fit
    place = amid_traffic(rig, click(page_url="/" + text))
    _, headers = the_letter(rig, place)
    assert headers["reason"] == "output-refused"
    assert rig.names["enriched"] in headers["detail"]
    assert "too large" in headers["detail"].lower()
    log = rig.log()
    assert f"click {rig.names['clicks']}-{place[0]} at offset {place[1]} is set aside (output-refused)" in log
    assert_one_life(rig)


def test_time_that_a_foreign_topic_refuses_is_set_aside(make_rig: Callable[..., Rig], kafka: Kafka) -> None:
    """B03: the broker's default of message.timestamp.after.max.ms, one hour, and an event beyond it."""
    rig = make_rig()
    limit(kafka, rig.names["enriched"], "message.timestamp.after.max.ms", "3600000")
    rig.start()
    rig.wait_until_running()
    now_ms = int(time.time() * 1_000)
    place = amid_traffic(rig, click(timestamp=now_ms + 100 * 60_000), record_ms=now_ms + 50 * 60_000)
    _, headers = the_letter(rig, place)
    assert headers["reason"] == "output-refused"
    assert rig.names["enriched"] in headers["detail"]
    assert_one_life(rig)


def test_letter_that_is_refused_is_sent_without_its_payload(
    make_rig: Callable[..., Rig], kafka: Kafka
) -> None:
    rig = make_rig()
    limit(kafka, rig.names["deadLetters"], "message.timestamp.before.max.ms", "3600000")
    rig.start()
    rig.wait_until_running()
    place = amid_traffic(rig, b"none", record_ms=int(time.time() * 1_000) - 2 * 3_600_000)
    payload, headers = the_letter(rig, place)
    assert payload is None
    assert headers["original-size"] == "4"
    assert headers["reason"] == "output-refused"
    assert_one_life(rig)


def ended_or_done(rig: Rig) -> bool:
    return rig.processes[0].exit_status is not None or rig.handled() >= rig.sent


def deadly(rig: Rig) -> None:
    """Let the pods be those of deadly_pod.py."""
    rig.program = [deadly_pod.__file__]


@pytest.mark.parametrize("action", ["raise-late", "raise-in-flush"])
def test_click_on_which_the_line_raises_is_set_aside(make_rig: Callable[..., Rig], action: str) -> None:
    rig = make_rig()
    deadly(rig)
    rig.start()
    rig.wait_until_running()
    place = amid_traffic(rig, click(action=action))
    _, headers = the_letter(rig, place)
    assert headers["reason"] == "processing-failed"
    assert "Error: this c" in headers["detail"]
    assert rig.metric("clickstream_quarantined_records_total", reason="processing-failed") == 1
    assert_one_life(rig)


@pytest.mark.long
def test_click_that_kills_its_pod_is_set_aside_by_a_later_life(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig()
    deadly(rig)
    rig.send_clicks(100, NAMES)
    place = send(rig, click(action="kill"))
    rig.send_clicks(100, NAMES)
    for life in itertools.count(1):
        process = rig.start()
        eventually(partial(ended_or_done, rig), "the end of the pod, or of the clicks", timeout_s=300)
        if process.exit_status is None:
            break
        assert life < 8, "the click kills forever"
    _, headers = the_letter(rig, place)
    assert headers["reason"] == "processing-failed"
    assert "processes ended" in headers["detail"]
    assert_one_life(rig)
