"""Replays of dead letters through real pods: each letter once, under its first event id, whatever happens."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from clickstream_local.demo.demo import RUN_FILE
from clickstream_local.parts.kafka import Kafka
from clickstream_local.pipeline.options import REPOSITORY
from clickstream_local.testing.eventually import eventually
from clickstream_local.testing.fixtures import Topics
from confluent_kafka import Consumer, Producer, TopicPartition, murmur2
from processor_support.replays import (
    FIX,
    NAMES,
    USER,
    Replay,
    click,
    counted,
    enriched,
    letters,
    letters_of,
    mistyped,
    send,
    wait_for_letters,
)
from processor_support.runtime_rig import Rig

DAY_MS = 86_400_000


@pytest.fixture(params=["murmur2", "any"])
def partitioner(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def rig(kafka: Kafka, topics: Topics, tmp_path: Path, partitioner: str) -> Iterator[Rig]:
    rig = Rig(kafka, topics, tmp_path, partitioner=partitioner)
    rig.send_profiles(NAMES)
    yield rig
    rig.stop()


@pytest.fixture
def straight(kafka: Kafka, topics: Topics, tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(kafka, topics, tmp_path)
    rig.send_profiles(NAMES)
    yield rig
    rig.stop()


def test_a_mistyped_click_is_enriched_under_its_first_event_id_and_counted_once(rig: Rig) -> None:
    rig.start()
    place = send(rig, USER, mistyped())
    other = send(rig, NAMES[1], "{")
    wait_for_letters(rig, 2)
    replay = Replay(rig, "fix", reasons=["mistyped-field"], set=FIX)
    report = replay.run()
    assert (report["matched"], report["replayed"], report["failed_again"], report["skipped"]) == (1, 1, 0, 0)
    assert report["by_reason"] == {"mistyped-field": {"matched": 1, "replayed": 1, "failed_again": 0}}
    assert [first["place"] for first in report["first"]] == [place]
    assert report["scanned"] == report["total"] > 0
    assert {at: len(found) for at, found in enriched(rig).items()} == {place: 1}
    assert counted(rig) == 1
    assert other not in enriched(rig)
    # It is done: started again it sends nothing more.
    assert replay.run()["replayed"] == 1
    assert counted(rig) == 1


def test_a_letter_that_fails_again_names_its_first_place_with_attempt_and_history(rig: Rig) -> None:
    rig.start()
    place = send(rig, "nobody", json.dumps(click("nobody")))
    wait_for_letters(rig, 1)
    report = Replay(rig, "as-it-came").run()
    assert (report["replayed"], report["failed_again"]) == (1, 1)
    assert report["by_reason"]["unmatched"] == {"matched": 1, "replayed": 1, "failed_again": 1}
    (said,) = letters_of(rig, "as-it-came")
    assert (said["attempt"], said["history"], said["reason"]) == ("2", "unmatched", "unmatched")
    named = f"{said['source-topic']}-{said['source-partition']}-{said['source-offset']}"
    assert named == place

    report = Replay(rig, "once-more", where="letter.attempt == 2", set={"timestamp": '"now"'}).run()
    assert report["replayed"] == 1
    (said,) = letters_of(rig, "once-more")
    assert (said["attempt"], said["history"]) == ("3", "unmatched,unmatched")
    assert said["reason"] == "mistyped-field"
    assert f"{said['source-topic']}-{said['source-partition']}-{said['source-offset']}" == place

    # Its profile has come: the newest of its letters is as good as the first.
    rig.send_profiles(["nobody"])
    now_ms = str(time.time_ns() // 1_000_000)
    report = Replay(rig, "at-last", where="letter.attempt == 3", set={"timestamp": f"{now_ms}"}).run()
    assert (report["replayed"], report["failed_again"]) == (1, 0)
    assert {at: len(found) for at, found in enriched(rig).items()} == {place: 1}
    assert counted(rig) == 1


def test_a_dry_run_sends_nothing_and_leaves_nothing(straight: Rig) -> None:
    rig = straight
    rig.start()
    place = send(rig, USER, mistyped(page_url="/x"))
    wait_for_letters(rig, 1)
    before = rig._topics.end_offsets(rig.names["clicks"])
    dry = Replay(rig, "dry", set=FIX | {"page_url": "click.page_url + letter.reason"}, dry_run=True)
    report = dry.run()
    assert (report["matched"], report["replayed"]) == (1, 0)
    assert report["by_reason"] == {"mistyped-field": {"matched": 1, "replayed": 0, "failed_again": 0}}
    (first,) = report["first"]
    assert (first["place"], first["reason"]) == (place, "mistyped-field")
    assert json.loads(first["value"])["page_url"] == "/xmistyped-field"
    assert rig._topics.end_offsets(rig.names["clicks"]) == before
    assert offsets_of_group(rig, dry) == {}
    assert enriched(rig) == {}


def offsets_of_group(rig: Rig, replay: Replay) -> dict[int, int]:
    """Return the group's offsets in the dead letters."""
    consumer = Consumer(
        {"bootstrap.servers": rig.kafka.bootstrap, "group.id": f"{rig.id}-replay-{replay.uid}"}
    )
    wanted = [TopicPartition(rig.names["deadLetters"], number) for number in range(rig.partitions)]
    found = consumer.committed(wanted, timeout=30)
    consumer.close()
    return {each.partition: each.offset for each in found if each.offset >= 0}


@pytest.mark.parametrize("dedup", [True, False])
def test_the_same_letters_twice_count_once_with_dedup_and_twice_without(
    kafka: Kafka, topics: Topics, tmp_path: Path, dedup: bool
) -> None:
    processing = {"dedup": {"key": "click.message_id", "for": "1h"}} if dedup else {}
    rig = Rig(kafka, topics, tmp_path, processing=processing)
    try:
        rig.send_profiles(NAMES)
        rig.start()
        place = send(rig, USER, mistyped(message_id="m-1"))
        wait_for_letters(rig, 1)
        for name in ("first", "second"):
            report = Replay(rig, name, set=FIX).run()
            assert (report["replayed"], report["failed_again"]) == (1, 0)
        assert list(enriched(rig)) == [place]  # one document in the index, in any case
        assert counted(rig) == (1 if dedup else 2)
    finally:
        rig.stop()


def test_the_local_command_replays_letters_of_the_running_demo(
    kafka: Kafka, topics: Topics, tmp_path: Path
) -> None:
    (tmp_path / "demo").mkdir()
    rig = Rig(kafka, topics, tmp_path / "demo")
    try:
        rig.send_profiles(NAMES)
        rig.start()
        place = send(rig, USER, mistyped())
        wait_for_letters(rig, 1)
        (tmp_path / "demo" / RUN_FILE).write_text(json.dumps({"pid": os.getpid()}))
        example = yaml.safe_load((REPOSITORY / "examples" / "replay.yaml").read_text())
        file = tmp_path / "replay.yaml"
        command = [sys.executable, "-m", "clickstream_local", "replay", str(file), "--data", str(tmp_path)]
        for dry in (True, False):
            example["spec"] |= {"pipeline": "rig", "dryRun": dry}
            file.write_text(yaml.safe_dump(example))
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
            report = json.loads(done.stdout.splitlines()[-1])
            assert (report["phase"], report["replayed"]) == ("done", 0 if dry else 1)
            assert list(enriched(rig)) == ([] if dry else [place])
        file.write_text("kind: ClickPipeline")
        wrong = subprocess.run(command, capture_output=True, text=True, check=False)
        assert wrong.returncode == 1
        assert "kind: must be ClickReplay" in wrong.stdout
    finally:
        rig.stop()


def test_time_limit_and_late_choose_letters(straight: Rig) -> None:
    rig = straight
    rig.start()
    old_ms = time.time_ns() // 1_000_000 - DAY_MS
    send(rig, USER, json.dumps(click()))
    late = send(rig, USER, json.dumps(click(timestamp=old_ms)))
    wait_for_letters(rig, 1)
    for _ in range(5):
        send(rig, USER, mistyped())
    wait_for_letters(rig, 6)
    times = sorted(message.timestamp()[1] for message in letters(rig))
    report = Replay(rig, "all", dry_run=True, set=FIX).run()
    assert (report["matched"], report["replayed"], report["skipped_by"]) == (6, 0, {"late": 1})
    report = Replay(rig, "limited", dry_run=True, set=FIX, limit=3).run()
    assert report["matched"] - report["skipped"] == 3
    report = Replay(rig, "between", dry_run=True, from_ms=times[2], to_ms=times[4]).run()
    assert report["matched"] == sum(times[2] <= at < times[4] for at in times)
    assert Replay(rig, "after", dry_run=True, from_ms=times[-1] + 1).run()["matched"] == 0
    report = Replay(rig, "limit", set=FIX, limit=2).run()
    assert report["replayed"] == 2
    assert Replay(rig, "late", reasons=["late"], late="enrich").run()["failed_again"] == 1
    assert len(enriched(rig)[late]) == 2


ODD_HEADERS: list[list[tuple[str, str | bytes | None]]] = [
    [],
    [("reason", None)],
    [("reason", b"\xff\xfe"), ("source-topic", b"\xff"), ("source-partition", b"x"), ("source-offset", None)],
    [("reason", "r" * 5_000), ("source-topic", "TOPIC"), ("source-partition", "0"),
     ("source-offset", "9" * 19)],
    [("reason", "unmatched"), ("source-topic", "TOPIC"), ("source-partition", "999"), ("source-offset", "1")],
    [("reason", "not-json"), ("source-path", "/v1/batch")],
    [("reason", "late"), ("source-topic", "TOPIC"), ("source-partition", "0"), ("source-offset", "1")],
    [("reason", "x"), ("source-topic", "TOPIC"), ("source-partition", "0"), ("source-offset", "2"),
     ("replay", b"\xff"), ("attempt", "10" * 200), ("history", "h," * 3_000)],
    [("reason", "oversized"), ("source-topic", "TOPIC"), ("source-partition", "0"), ("source-offset", "3"),
     ("original-size", "100000")],
    [("__connect.errors.topic", "enriched"), ("__connect.errors.exception.message", "rejected: mapping")],
]  # fmt: skip
ODD_VALUES: list[bytes | None] = [
    None,
    b"",
    b"{",
    b"[1]",
    b"\xff\xfe\x00",
    b"[" * 50_000,
    b'{"user_id":"user00000","n":1' + b"0" * 400 + b"}",
    b'{"user_id":"user00000","timestamp":1' + b"0" * 400 + b"}",
    b'{"user_id":"\\ud800","page_url":"\\udfff"}',
    b'{"user_id":"user00000","page_url":"a\\u0000b"}',
    json.dumps(click(page_url="x" * 60_000)).encode(),
    json.dumps(click()).encode(),
]


@pytest.mark.parametrize(
    "fields", [{}, {"set": FIX, "where": 'letter.text.size() >= 0 && letter.detail != "x"'}]
)
def test_no_letter_stops_it_or_the_pods(straight: Rig, fields: dict[str, Any]) -> None:
    rig = straight
    rig.start()
    producer = Producer({"bootstrap.servers": rig.kafka.bootstrap, "enable.idempotence": True})
    topic = rig.names["deadLetters"]
    for headers in ODD_HEADERS:
        named: Any = [(name, value.replace("TOPIC", rig.names["clicks"]) if isinstance(value, str) else value)
                      for name, value in headers]  # fmt: skip
        for value in ODD_VALUES:
            for key in (None, b"\xff", b"user00000"):
                producer.produce(topic, value, key, 0, headers=named)
    assert producer.flush(30) == 0
    if binary := shutil.which("kcat"):
        command: list[str | bytes] = [binary, "-P", "-b", rig.kafka.bootstrap, "-t", topic, "-p", "1"]
        command += ["-H", b"\xff\xfe=1"]
        subprocess.run(command, input=b"{}", check=True)
    report = Replay(rig, "odd", **fields).run()
    assert report["replayed"] > 0
    assert report["matched"] >= report["replayed"]
    assert {"sink", "unknown-letter", "other-topic", "late", "no-value", "cut"} <= set(report["skipped_by"])
    assert rig.processes[0].exit_status is None
    ends = rig._topics.end_offsets(rig.names["clicks"])
    assert sum(ends.values()) >= report["replayed"]
    assert report["message"] == "" or "such as" in report["message"]


def test_a_click_with_odd_headers_is_a_click_as_any_other(rig: Rig) -> None:
    rig.start()
    topic, producer = (
        rig.names["clicks"],
        Producer({"bootstrap.servers": rig.kafka.bootstrap, "enable.idempotence": True}),
    )
    partition = murmur2(USER.encode(), rig.partitions)
    odd: list[list[tuple[str, str | bytes | None]]] = [
        [("replay-of", None)],
        [("replay-of", b"\xff\xfe")],
        [("replay-of", "")],
        [("replay-of", f"{topic}-0")],
        [("replay-of", f"{topic}-{rig.partitions}-1")],
        [("replay-of", f"{topic}-0-{'9' * 19}")],
        [("replay-of", f"{topic}-0-{'1' * 400}")],
        [("replay-of", f"{topic}-0--1")],
        [("replay-of", "other-0-1")],
        [("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")],
        [("traceparent", b"\xff")],
    ]
    for headers in odd:
        producer.produce(topic, json.dumps(click()), USER, partition, headers=headers)
    assert producer.flush(30) == 0
    sound = ("replay-of", f"{topic}-1-77")
    producer.produce(
        topic, json.dumps(click()), USER, partition, headers=[sound, ("replay", b"\xff"), ("attempt", "x")]
    )
    count = len(odd) + 1
    if binary := shutil.which("kcat"):
        where = ["-b", rig.kafka.bootstrap, "-t", topic, "-p", str(partition), "-k", USER]
        command: list[str | bytes] = [binary, "-P", *where, "-H", b"\xff\xfe=1"]
        subprocess.run(command, input=json.dumps(click()).encode(), check=True)
        count += 1
    assert producer.flush(30) == 0
    eventually(lambda: len(enriched(rig)) >= count, "all are enriched", timeout_s=180)
    assert set(enriched(rig)) == {f"{topic}-{partition}-{n}" for n in range(count) if n != len(odd)} | {
        f"{topic}-1-77"
    }
    assert counted(rig) == count
    assert rig.processes[0].exit_status is None
