"""Erasures through real pods: every place is searched before and after, and nothing brings a user back."""

import json
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clickstream_local.parts.kafka import Kafka
from clickstream_local.testing.eventually import eventually
from clickstream_local.testing.fixtures import Topics
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from processor_support.erasures import (
    OTHER,
    USER,
    Erasure,
    assert_gone,
    clicks_of,
    erasure,
    files_with,
    make_rig,
    places,
    send,
    traces,
)
from processor_support.runtime_rig import Rig, set_option

# The profiles are not an erasure's: without them a store has nothing of a user but what the pods have made.
COUNTED = ("changelog", "compacted")


@pytest.fixture(params=["murmur2", "any"])
def partitioner(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def rig(kafka: Kafka, topics: Topics, tmp_path: Path, partitioner: str) -> Iterator[Rig]:
    rig = make_rig(kafka, topics, tmp_path, partitioner)
    yield rig
    rig.stop()


def test_every_place_has_the_user_before_and_none_has_after(rig: Rig) -> None:
    rig.start()
    at_ms = send(rig, 20, USER, OTHER)
    eventually(lambda: all(traces(rig, USER).values()), "every place has the user")
    others = {name: count for name, count in traces(rig, OTHER).items() if name != "files"}
    receipt = erasure(rig).run()
    assert_gone(rig)
    assert {name: count for name, count in traces(rig, OTHER).items() if name != "files"} == others
    assert (clicks_of(rig, USER, at_ms), clicks_of(rig, OTHER, at_ms)) == (0, 20)
    said = places(receipt)
    assert (said["changelog"]["left"], said["compacted"]["left"]) == (0, 0)
    assert said["changelog"]["found"] >= 4  # a chunk, sessions, when to look at them, ids
    assert receipt["gone_ms"] > time.time_ns() // 1_000_000
    assert USER not in json.dumps(receipt)

    # What comes afterwards counts as new, and stays.
    at_ms = send(rig, 3, USER)
    assert clicks_of(rig, USER, at_ms) == 3


def test_a_dry_run_finds_what_the_erasure_finds_and_takes_nothing(straight: Rig) -> None:
    def counts(receipt: dict[str, Any], count: str) -> dict[str, int]:
        return {each["name"]: each[count] for each in receipt["places"] if each["kind"] in COUNTED}

    rig = straight
    rig.start()
    at_ms = send(rig, 20, USER, OTHER)
    topics = [rig.names["clicks"], *(f"{rig.id}-{name}" for name in ("changelog", "sessions", "identities"))]
    before = [len(rig.committed(topic)) for topic in topics]
    seen = erasure(rig, dry_run=True).run()
    assert [len(rig.committed(topic)) for topic in topics] == before
    assert clicks_of(rig, USER, at_ms) == 20
    assert "dry run" in seen["message"]
    assert seen["gone_ms"] is None
    assert len(counts(seen, "found")) == 3
    assert counts(seen, "left") == counts(seen, "found") == counts(erasure(rig).run(), "found")
    assert_gone(rig)


def test_with_a_profile_the_receipt_says_so_and_once_the_row_is_gone_nothing_is_left(
    kafka: Kafka, topics: Topics, tmp_path: Path
) -> None:
    rig = make_rig(kafka, topics, tmp_path, join="inner")
    try:
        rig.send_profiles([USER, OTHER])
        rig.start()
        at_ms = send(rig, 20, USER, OTHER)
        said = places(erasure(rig).run())["profile"]
        assert (said["found"], said["left"]) == (1, 1)
        assert "database" in said["note"]
        producer = Producer(
            {
                "bootstrap.servers": kafka.bootstrap,
                "enable.idempotence": True,
                "partitioner": "murmur2_random",
            }
        )
        producer.produce(rig.names["profiles"], None, USER)
        assert producer.flush(30) == 0
        path = f"/dashboard/users/{USER}/metrics"
        eventually(lambda: rig.get(path) is None, "a pod that does not know the user", timeout_s=180)
        said = places(erasure(rig).run())["profile"]
        assert (said["found"], said["left"]) == (0, 0)
        assert_gone(rig)
        assert clicks_of(rig, OTHER, at_ms) == 20
    finally:
        rig.stop()


def test_restart_loss_of_the_volume_and_restore_bring_nothing_back(straight: Rig) -> None:
    rig = straight
    rig.start()
    at_ms = send(rig, 20, USER, OTHER)
    erasure(rig).run()
    assert_gone(rig)
    rig.processes[0].stop()
    rig.start()
    rig.wait_until_running()
    assert (clicks_of(rig, USER, at_ms), clicks_of(rig, OTHER, at_ms)) == (0, 20)
    assert_gone(rig)
    rig.processes[0].kill()
    shutil.rmtree(rig.data_dir(0))
    rig.start()
    rig.wait_until_running()
    assert (clicks_of(rig, USER, at_ms), clicks_of(rig, OTHER, at_ms)) == (0, 20)
    assert_gone(rig)


def test_a_state_from_before_the_erasure_forgets_the_user_when_it_comes_back(straight: Rig) -> None:
    """An old copy of the volume: what a pod has that was away."""
    rig = straight
    rig.start()
    at_ms = send(rig, 20, USER, OTHER)
    rig.processes[0].stop()
    old = rig.folder / "old"
    shutil.copytree(rig.data_dir(0), old)
    rig.start()
    erasure(rig).run()
    rig.processes[0].kill()
    shutil.rmtree(rig.data_dir(0))
    old.rename(rig.data_dir(0))
    assert files_with(rig.data_dir(0), USER)
    rig.start()
    rig.wait_until_running()
    assert (clicks_of(rig, USER, at_ms), clicks_of(rig, OTHER, at_ms)) == (0, 20)
    assert_gone(rig)


@pytest.mark.parametrize("step", ["after-begin", "mid", "after-flush", "after-commit", "after-write"])
def test_a_pod_killed_at_each_step_of_the_erasures_commit_ends_without_the_user(
    straight: Rig, step: str
) -> None:
    rig = straight
    rig.start()
    at_ms = send(rig, 20, USER, OTHER)
    rig.processes[0].stop()
    gone = erasure(rig)
    running = gone.start()
    eventually(
        lambda: any(message.headers() for message in rig.committed(rig.names["clicks"])),
        "the record",
        timeout_s=180,
    )
    # The first transaction of a new process says that it begins; the second has the erasure.
    deadly = rig.start(CLICKSTREAM_CRASH_AT=step if step == "mid" else f"{step}:2")
    eventually(lambda: deadly.exit_status is not None, "the kill", timeout_s=180)
    assert deadly.exit_status == -signal.SIGKILL
    rig.start()
    assert gone.end_of(running) == 0, gone.log.read_text()
    rig.wait_until_running()  # until then it answers with what it had
    assert (clicks_of(rig, USER, at_ms), clicks_of(rig, OTHER, at_ms)) == (0, 20)
    assert_gone(rig)


@pytest.mark.long
def test_an_erasure_killed_at_each_step_ends_when_it_is_started_again(straight: Rig) -> None:
    rig = straight
    rig.start()
    at_ms = send(rig, 20, USER, OTHER)
    gone = erasure(rig)
    for step in ("after-survey", "after-records", "after-pods", "after-tombstones", "after-index"):
        assert gone.end_of(gone.start(CLICKSTREAM_CRASH_AT=step)) == -signal.SIGKILL, gone.log.read_text()
    gone.run()
    assert_gone(rig)
    assert (clicks_of(rig, USER, at_ms), clicks_of(rig, OTHER, at_ms)) == (0, 20)


@pytest.fixture
def brisk_kafka(tmp_path: Path) -> Iterator[Kafka]:
    """Give a broker that removes a tombstone within seconds, where the topic says so."""
    broker = Kafka(tmp_path / "kafka", quick=True, properties={"log.cleaner.backoff.ms": "500"})
    broker.start()
    yield broker
    broker.stop()


@pytest.mark.long
@pytest.mark.parametrize("skipped", ["", "R14"], ids=["with R14", "without R14"])
def test_a_state_that_has_missed_its_tombstones_is_rebuilt(
    brisk_kafka: Kafka, tmp_path: Path, skipped: str
) -> None:
    """R14: the pod was away for longer than tombstones are kept. Without the rule the user is back."""
    rig = make_rig(brisk_kafka, Topics(brisk_kafka), tmp_path / "rig")
    changelog, admin = f"{rig.id}-changelog", AdminClient({"bootstrap.servers": brisk_kafka.bootstrap})
    options = {"delete.retention.ms": "500", "segment.ms": "500", "min.cleanable.dirty.ratio": "0.01"}
    for name, value in (options | {"max.compaction.lag.ms": "1000"}).items():
        set_option(admin, changelog, name, value)

    def tombstones_are_gone() -> bool:
        send(rig, 1, OTHER)  # a segment rolls when something is written
        return not any(USER.encode() in (message.key() or b"") for message in rig.committed(changelog))

    try:
        rig.start()
        at_ms = send(rig, 20, USER, OTHER)
        rig.processes[0].stop()
        old = rig.folder / "old"
        shutil.copytree(rig.data_dir(0), old)
        rig.start()
        erasure(rig).run()
        eventually(tombstones_are_gone, "a changelog without the tombstones", timeout_s=180, every_s=1)
        rig.processes[0].kill()
        shutil.rmtree(rig.data_dir(0))
        old.rename(rig.data_dir(0))
        rig.start(CLICKSTREAM_CRASH_AT="", CLICKSTREAM_UNSAFE_SKIP_RULE=skipped)
        rig.wait_until_running()
        assert clicks_of(rig, USER, at_ms) == (20 if skipped else 0)
        if not skipped:
            assert_gone(rig)
    finally:
        rig.stop()


def test_a_wrong_description_ends_at_once_and_names_no_user(straight: Rig) -> None:
    wrong = Erasure(straight.folder, straight.environment(0), [USER], what=1)
    assert wrong.end_of(wrong.start()) == 1
    assert wrong.receipt()["phase"] == "failed"
    assert "unknown field" in wrong.receipt()["message"]
    assert USER not in wrong.word.read_text() + wrong.log.read_text()
