"""Replays that are killed, stopped or run twice, or lose their pods or topic: each letter once at the end."""

import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clickstream_local.parts.kafka import Kafka
from clickstream_local.testing.eventually import eventually
from clickstream_local.testing.fixtures import Topics
from clickstream_processor.faults import Faults
from clickstream_processor.replaying.report import Report
from clickstream_processor.replaying.request import read_request
from clickstream_processor.replaying.run import ReplayRun
from clickstream_processor.settings import settings_file
from clickstream_processor.stages.listed import stages_of
from clickstream_processor.stages.programs import compile_programs, plan_of
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from processor_support.replays import (
    FIX,
    NAMES,
    Replay,
    counted,
    enriched,
    letters,
    mistyped,
    wait_for_letters,
)
from processor_support.runtime_rig import Rig, headers_of

pytestmark = pytest.mark.timeout(900)  # a process after the other


@pytest.fixture
def straight(kafka: Kafka, topics: Topics, tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(kafka, topics, tmp_path)
    rig.send_profiles(NAMES)
    yield rig
    rig.stop()


def send_many(rig: Rig, count: int) -> None:
    """Send clicks of all users with a time that is text."""
    producer = Producer(
        {
            "bootstrap.servers": rig.kafka.bootstrap,
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
        }
    )
    for number in range(count):
        user = NAMES[number % len(NAMES)]
        producer.produce(rig.names["clicks"], mistyped(user), user)
    assert producer.flush(60) == 0
    rig.sent += count


def replayed_places(rig: Rig) -> Counter[str]:
    """Return how often each first place stands in the clicks topic as one that comes again."""
    said = map(headers_of, rig.committed(rig.names["clicks"]))
    return Counter(headers["replay-of"] for headers in said if "replay-of" in headers)


def places_of_letters(rig: Rig) -> set[str]:
    """Return the first places that letters name."""
    said = map(headers_of, letters(rig))
    return {f"{h['source-topic']}-{h['source-partition']}-{h['source-offset']}" for h in said}


def assert_each_once(rig: Rig, count: int) -> None:
    """Assert that each letter's click came again once, is enriched once and counted once."""
    places = places_of_letters(rig)
    assert len(places) == count
    assert replayed_places(rig) == Counter(places)
    assert {at: len(found) for at, found in enriched(rig).items()} == dict.fromkeys(places, 1)
    assert counted(rig) == count


def test_killed_at_each_step_it_goes_on_and_sends_each_letter_once(straight: Rig) -> None:
    rig, count = straight, 1_300
    rig.start()
    send_many(rig, count)
    wait_for_letters(rig, count)
    replay = Replay(rig, "killed", set=FIX)
    steps = [
        "after-start",
        "after-begin",
        "mid:100",
        "after-flush",
        "after-commit",
        "after-flush:2",
        "before-wait",
    ]
    for step in steps:
        assert replay.end_of(replay.start(CLICKSTREAM_CRASH_AT=step)) == -signal.SIGKILL, (
            replay.log.read_text()
        )
    report = replay.run()
    assert (report["matched"], report["replayed"], report["failed_again"]) == (count, count, 0)
    assert report["scanned"] == report["total"]
    assert_each_once(rig, count)


@pytest.mark.long
def test_stopped_by_a_signal_it_ends_in_order_and_goes_on(straight: Rig) -> None:
    rig, count = straight, 300
    rig.start()
    send_many(rig, count)
    wait_for_letters(rig, count)
    rig.processes[0].stop()  # so the replay waits for it
    replay = Replay(rig, "stopped", set=FIX)
    process = replay.start()
    eventually(lambda: replay.progress().get("phase") == "waiting", "it waits for the pods", timeout_s=180)
    assert replay.progress()["replayed"] == count
    process.stop()
    assert process.exit_status == 1
    assert "goes on where it was" in replay.report()["message"]
    rig.start()
    assert replay.run()["replayed"] == count
    assert_each_once(rig, count)


@pytest.mark.long
def test_two_replays_at_once_send_each_its_own_letters(straight: Rig) -> None:
    rig, count = straight, 600
    rig.start()
    send_many(rig, count)
    wait_for_letters(rig, count)
    replays = [Replay(rig, f"source-{number}", sources=[number], set=FIX) for number in range(2)]
    processes = [replay.start() for replay in replays]
    for replay, process in zip(replays, processes, strict=True):
        assert replay.end_of(process) == 0, replay.log.read_text()
    assert sum(replay.report()["replayed"] for replay in replays) == count
    assert min(replay.report()["replayed"] for replay in replays) > 0
    assert_each_once(rig, count)


def run_here(monkeypatch: pytest.MonkeyPatch, rig: Rig, replay: Replay, **options: Any) -> Report:
    """Run a replay in this process."""
    for name, value in rig.environment(0).items():
        monkeypatch.setenv(name, value)
    settings = settings_file.load()
    stages = stages_of(settings, plan_of(settings), compile_programs(settings))
    return ReplayRun(settings, stages, read_request(replay.file.read_bytes()), **options).run()


def test_where_the_pods_do_not_run_it_ends_and_says_so(
    straight: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig, count = straight, 50
    rig.start()
    send_many(rig, count)
    wait_for_letters(rig, count)
    rig.processes[0].stop()
    replay = Replay(rig, "waits", set=FIX)
    report = run_here(monkeypatch, rig, replay, wait_s=1)
    assert (report.phase, report.replayed) == ("done", count)
    assert "had not processed it" in report.message
    assert "clicks-0" in report.message
    # Another process of the same replay finds all sent, and waits for the pods.
    rig.start()
    again = replay.run()
    assert (again["replayed"], again["message"]) == (count, "")
    assert_each_once(rig, count)


@pytest.mark.long
def test_a_second_process_of_one_replay_ends_the_first(
    straight: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig, count = straight, 1_300
    rig.start()
    send_many(rig, count)
    wait_for_letters(rig, count)
    replay = Replay(rig, "twin", set=FIX)

    class Meanwhile(Faults):
        """Lets another process do it all while a transaction of this one is open."""

        def reach(self, point: str) -> None:
            if point == "after-flush" and not replay.lives:
                replay.run()

    report = run_here(monkeypatch, rig, replay, faults=Meanwhile())
    assert report.phase == "failed"
    assert "another process runs this replay" in report.message
    assert_each_once(rig, count)


@pytest.mark.long
def test_where_the_topic_is_made_again_meanwhile_it_fails_and_says_so(
    straight: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig, topic = straight, straight.names["deadLetters"]
    rig.start()
    send_many(rig, 50)
    wait_for_letters(rig, 50)
    rig.processes[0].stop()
    admin = AdminClient({"bootstrap.servers": rig.kafka.bootstrap})

    class Meanwhile(Faults):
        """Makes the topic again, before the first letter is read."""

        def reach(self, point: str) -> None:
            if point == "after-start":
                admin.delete_topics([topic])[topic].result(30)
                known = admin.list_topics
                eventually(lambda: topic not in known(timeout=60).topics, "it is gone", timeout_s=180)
                rig._topics.create(topic, rig.partitions)

    replay = Replay(rig, "gone", set=FIX)
    report = run_here(monkeypatch, rig, replay, faults=Meanwhile())
    assert report.phase == "failed"
    assert "was created again. Make a new replay" in report.message
    assert replay.run()["total"] == 0  # the brokers have forgotten its position with the topic
