"""`topics.partitioner: any` through real pods: whatever partition and key a click has, it counts once."""

import itertools
import json
import random
import shutil
import string
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clickstream_local.parts.kafka import Kafka
from clickstream_local.testing.eventually import eventually
from clickstream_local.testing.fixtures import Topics
from confluent_kafka import Producer, murmur2
from confluent_kafka.admin import AdminClient
from processor_support import deadly_pod
from processor_support.runtime_rig import Rig, headers_of, running, set_option, users

NAMES = users(100)
PARTITIONS = 4
DAY_MS = 86_400_000


@pytest.fixture
def rig(kafka: Kafka, topics: Topics, tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(kafka, topics, tmp_path, partitions=PARTITIONS, pods=2, partitioner="any")
    rig.send_profiles(NAMES)
    yield rig
    rig.stop()


def click(user: str, **fields: Any) -> dict[str, Any]:
    now_ms = time.time_ns() // 1_000_000
    return {"user_id": user, "page_url": "/", "action": "view", "timestamp": now_ms} | fields


def send(rig: Rig, count: int, *, seed: int) -> None:
    """Write clicks as clients do that know nothing of the pods: CRC32, no key, somebody else's key."""
    producer = Producer(
        {
            "bootstrap.servers": rig.kafka.bootstrap,
            "enable.idempotence": True,
            "partitioner": "consistent_random",
        }
    )
    chance = random.Random(seed)
    for _ in range(count):
        user = chance.choice(NAMES)
        key = chance.choice((user, None, f"session-{chance.randrange(1_000)}"))
        value = json.dumps(click(user, action=chance.choice(("view", "buy", "heartbeat"))))
        producer.produce(rig.names["clicks"], value, key)
    assert producer.flush(30) == 0
    rig.sent += count


def dead(rig: Rig) -> dict[tuple[str, int, int], tuple[str, str]]:
    """Return reason and detail of each dead letter, by the place that it names."""
    found = {}
    for message in rig.committed(rig.names["deadLetters"]):
        headers = headers_of(message)
        place = headers["source-topic"], int(headers["source-partition"]), int(headers["source-offset"])
        assert place not in found, "a dead letter is there twice"
        found[place] = headers["reason"], headers["detail"]
    return found


def test_clicks_of_any_partition_and_key_count_once_through_kills(rig: Rig) -> None:
    for ordinal in (0, 1):
        rig.start(ordinal)
    send(rig, 3_000, seed=1)
    rig.wait_until_handled()
    assert set(rig.phases(0)) == {"arrivals-0", "arrivals-2", "clicks-0", "clicks-2"}

    send(rig, 6_000, seed=2)
    eventually(lambda: rig.handled() > 3_000, "some are handled")
    rig.processes[0].kill()
    eventually(lambda: rig.processes[0].exit_status is not None, "it is dead")
    rig.start(0)
    send(rig, 3_000, seed=3)
    rig.wait_until_handled()

    # The rig compares with the clicks topic: each event id is the place where its click first arrived.
    reading = rig.assert_exactly_once()
    assert reading.dead == {}
    sources = {(m.partition(), m.offset()): m for m in rig.committed(rig.names["clicks"])}
    moved = 0
    for message in rig.committed(rig.arrivals):
        partition, offset = map(int, headers_of(message)["place"].rsplit("-", 2)[1:])
        source = sources.pop((partition, offset))
        assert (message.value(), message.timestamp()[1]) == (source.value(), source.timestamp()[1])
        user = json.loads(source.value() or b"")["user_id"].encode()
        assert (message.key(), message.partition()) == (user, murmur2(user, PARTITIONS))
        moved += partition != message.partition()
    assert sources == {}
    assert moved > 1_000, "hardly any click was on another partition: the test shows nothing"


@pytest.mark.parametrize("point", ["after-flush", "after-commit"])
def test_killed_in_a_commit_that_moves_clicks_the_pod_loses_and_doubles_none(
    kafka: Kafka, topics: Topics, tmp_path: Path, point: str
) -> None:
    rig = Rig(kafka, topics, tmp_path, partitioner="any")
    try:
        rig.send_profiles(NAMES)
        for turn in (2, 3, 4):
            send(rig, 1_000, seed=turn)
            process = rig.start(CLICKSTREAM_CRASH_AT=f"{point}:{turn}")
            eventually(lambda: process.exit_status is not None, "the end of the process")  # noqa: B023
        rig.start()
        rig.wait_until_handled()
        # A click with which two processes died alone is set aside, as ADR 0050 has it.
        assert {reason for reason, *_ in rig.assert_exactly_once().dead} <= {"processing-failed"}
    finally:
        rig.stop()


def test_dead_letters_of_both_stages_name_where_the_click_first_arrived(rig: Rig) -> None:
    clicks, user = rig.names["clicks"], NAMES[0]
    own = murmur2(user.encode(), PARTITIONS)
    bad: list[tuple[str, str | bytes]] = [
        ("not-json", "{"),
        ("not-json", b"\x1f\x8b\x08"),
        ("missing-field", json.dumps({"page_url": "/"})),
        ("mistyped-field", json.dumps(click(user) | {"user_id": 7})),
        ("mistyped-field", json.dumps(click("\ud800"))),
        ("oversized", json.dumps(click(user, page_url="x" * 100_000))),
        ("oversized", json.dumps(click("u" * 2_000))),
        # What only the stage `clicks` can judge:
        ("missing-field", json.dumps({"user_id": user})),
        ("too-far-in-future", json.dumps(click(user, timestamp=time.time_ns() // 1_000_000 + DAY_MS))),
        ("late", json.dumps(click(user, timestamp=time.time_ns() // 1_000_000 - DAY_MS))),
        ("unmatched", json.dumps(click("nobody"))),
        ("unmatched", json.dumps(click(""))),
    ]
    rig.start(0)
    rig.start(1)
    elsewhere = (own + 1) % PARTITIONS
    rig.send_raw(None, json.dumps(click(user)), elsewhere)  # windows older than its are closed
    rig.wait_until_handled()
    for _, value in bad:
        rig.send_raw("any-key", value, elsewhere)
    rig.wait_until_handled()
    letters = dead(rig)
    assert {place: reason for place, (reason, _) in letters.items()} == {
        (clicks, elsewhere, offset): reason for offset, (reason, _) in enumerate(bad, 1)
    }
    assert all(detail for _, detail in letters.values())
    stored = {(m.partition(), m.offset()): m for m in rig.committed(clicks)}
    for message in rig.committed(rig.names["deadLetters"]):
        place = int(headers_of(message)["source-partition"]), int(headers_of(message)["source-offset"])
        assert (message.value(), message.timestamp()[1]) == (
            stored[place].value(),
            stored[place].timestamp()[1],
        )


def test_records_that_somebody_writes_between_the_stages_are_dead_letters(rig: Rig) -> None:
    rig.start(0)
    rig.start(1)
    send(rig, 200, seed=4)
    rig.wait_until_handled()
    user, topic = NAMES[0].encode(), rig.names["clicks"]
    own = murmur2(user, PARTITIONS)
    odd: list[list[tuple[str, str | bytes | None]] | None] = [
        None,
        [("place", f"{topic}-0-x")],
        [("place", f"{topic}-{PARTITIONS}-1")],
        [("place", "other-clicks-0-1")],
        [("place", None)],
        [("place", f"{topic}-0-1"), ("place", f"{topic}-0-2")],
        [("origin", f"{topic}-0-1")],
    ]
    producer = Producer({"bootstrap.servers": rig.kafka.bootstrap, "enable.idempotence": True})
    for headers in odd:
        producer.produce(rig.arrivals, json.dumps(click(NAMES[0])), user, own, headers=headers)
    assert producer.flush(30) == 0
    send(rig, 200, seed=5)
    rig.wait_until_handled()
    letters = dead(rig)
    assert {(topic, partition, reason) for (topic, partition, _), (reason, _) in letters.items()} == {
        (rig.arrivals, own, "unknown-place")
    }
    assert len(letters) == len(odd)
    assert sum(rig.reading().events.values()) == sum(
        json.loads(m.value() or b"")["action"] != "heartbeat" for m in rig.committed(topic)
    )


@pytest.mark.long
@pytest.mark.skipif(shutil.which("kcat") is None, reason="the client makes no such header")
def test_a_header_that_ends_the_client_stops_nobody_for_ever(
    kafka: Kafka, topics: Topics, tmp_path: Path
) -> None:
    rig = Rig(kafka, topics, tmp_path, partitioner="any")
    try:
        rig.send_profiles(NAMES)
        send(rig, 100, seed=9)
        rig.start()
        rig.wait_until_handled()
        own = str(murmur2(NAMES[0].encode(), 2))
        where: list[str | bytes] = ["-b", kafka.bootstrap, "-t", rig.arrivals, "-p", own]
        subprocess.run(["kcat", "-P", *where, "-H", b"\xff\xfe=1"], input=b"{}", check=True)
        send(rig, 100, seed=10)
        for life in itertools.count(1):
            process = rig.start() if rig.processes[0].exit_status is not None else rig.processes[0]
            eventually(lambda: process.exit_status is not None or dead(rig), "its end", timeout_s=120)  # noqa: B023
            if process.exit_status is None:
                break
            assert life < 8, "the record kills forever"
        rig.wait_until_handled()
        ((topic, partition, _), (reason, _)) = next(iter(dead(rig).items()))
        assert (topic, str(partition)) == (rig.arrivals, own)
        assert reason in ("processing-failed", "unknown-place")  # sometimes the client survives it
        assert sum(rig.reading().events.values()) == sum(
            json.loads(m.value() or b"")["action"] != "heartbeat" for m in rig.committed(rig.names["clicks"])
        )
    finally:
        rig.stop()


def test_a_click_that_the_topic_between_the_stages_refuses_is_set_aside(rig: Rig) -> None:
    admin = AdminClient({"bootstrap.servers": rig.kafka.bootstrap})
    set_option(admin, rig.arrivals, "max.message.bytes", "20000")
    for ordinal in (0, 1):
        rig.start(ordinal)
    send(rig, 500, seed=7)
    rig.wait_until_handled()
    text = "".join(random.Random(3).choices(string.ascii_letters, k=40_000))  # no codec makes it fit
    user = NAMES[0]
    elsewhere = (
        murmur2(user.encode(), PARTITIONS) + 1
    ) % PARTITIONS  # refused is another partition than the task's
    before = sum(m.partition() == elsewhere for m in rig.committed(rig.names["clicks"]))
    rig.send_raw(None, json.dumps(click(user, page_url=text)), elsewhere)
    send(rig, 500, seed=8)
    rig.wait_until_handled()
    place = (rig.names["clicks"], elsewhere, before)
    assert {at: reason for at, (reason, _) in dead(rig).items()} == {place: "output-refused"}
    rig.assert_exactly_once()
    assert all(process.exit_status is None for process in rig.processes)


def test_a_click_that_the_line_cannot_take_is_named_by_its_first_place(
    kafka: Kafka, topics: Topics, tmp_path: Path
) -> None:
    rig = Rig(kafka, topics, tmp_path, partitioner="any")
    rig.program = [deadly_pod.__file__]
    user = NAMES[0]
    elsewhere = 1 - murmur2(user.encode(), 2)
    with running(rig, NAMES, clicks=100):
        before = sum(m.partition() == elsewhere for m in rig.committed(rig.names["clicks"]))
        rig.send_raw(None, json.dumps(click(user, action="raise-late")), elsewhere)
        send(rig, 500, seed=6)
        rig.wait_until_handled()
        place = (rig.names["clicks"], elsewhere, before)
        assert {at: reason for at, (reason, _) in dead(rig).items()} == {place: "processing-failed"}
        (incident,) = rig.status()["quarantined"]
        assert (incident["topic"], incident["partition"], incident["offset"]) == place
        assert f"click {place[0]}-{place[1]} at offset {place[2]} is set aside" in rig.log()
        rig.assert_exactly_once()
