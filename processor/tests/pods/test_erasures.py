"""Erasures through real pods: every place is searched before and after, and nothing brings a user back."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from clickstream_local.demo.demo import RUN_FILE
from clickstream_local.machine.web import request
from clickstream_local.parts.kafka import Kafka
from clickstream_local.parts.search import SearchEngine
from clickstream_local.pipeline.options import REPOSITORY
from clickstream_local.testing.eventually import eventually
from clickstream_local.testing.fixtures import Topics
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from processor_support.erasures import Erasure, alive, files_with, places
from processor_support.runtime_rig import Rig, set_option

# No file of a store may have the id: it is long, so that no other bytes look like it.
USER, OTHER = "needle-user-8f3a1c", "other-user-77d0"
# The profiles are not an erasure's: without them a store has nothing of a user but what the pods have made.
COUNTED = ("changelog", "compacted")
PROCESSING = {
    "sessions": {"gap": "30m", "grace": "10s"},
    "dedup": {"key": "click.message_id"},
}


@pytest.fixture(params=["murmur2", "any"])
def partitioner(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def rig(kafka: Kafka, topics: Topics, tmp_path: Path, partitioner: str) -> Iterator[Rig]:
    rig = make(kafka, topics, tmp_path, partitioner)
    yield rig
    rig.stop()


@pytest.fixture
def straight(kafka: Kafka, topics: Topics, tmp_path: Path) -> Iterator[Rig]:
    rig = make(kafka, topics, tmp_path)
    yield rig
    rig.stop()


def make(kafka: Kafka, topics: Topics, folder: Path, partitioner: str = "murmur2", join: str = "none") -> Rig:
    processing = json.loads(json.dumps(PROCESSING | {"join": {"type": join, "waitForSnapshot": False}}))
    rig = Rig(kafka, topics, folder, processing=processing, partitioner=partitioner)
    document = json.loads(rig.settings.read_text())
    rig.settings.write_text(json.dumps(document | {"settingsVersion": 5}))
    identities = topics.create(f"{rig.id}-identities", 2, cleanup_policy="compact")
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "enable.idempotence": True})
    for user in (USER, OTHER):
        body = {"previous_id": f"anon:{user}", "user_id": user, "timestamp": 1, "source": "track"}
        producer.produce(identities, json.dumps(body), f"anon:{user}")
    assert producer.flush(30) == 0
    return rig


def send(rig: Rig, count: int, *users: str) -> int:
    """Send clicks of these users, and wait until the pods have them; return a time behind all of them."""
    now_ms = time.time_ns() // 1_000_000
    for number in range(count):
        for user in users:
            body = {
                "user_id": user,
                "page_url": f"/{number}",
                "action": "view",
                "timestamp": now_ms - 1_000 + number,
            }
            rig.send("clicks", user, body | {"message_id": f"{user}-{now_ms}-{number}"})
    rig.flush()
    rig.wait_until_handled()
    return now_ms


def erasure(rig: Rig, *users: str, dry_run: bool = False) -> Erasure:
    return Erasure(rig.folder, rig.environment(0), users or (USER,), dry_run=dry_run)


def clicks_of(rig: Rig, user: str, at_ms: int) -> int:
    """Return a user's clicks in the five minutes before a time."""
    answer = rig.get(f"/dashboard/users/{user}/metrics?at={at_ms}")
    return 0 if answer is None else int(answer["clicks_last_5min"])


def traces(rig: Rig, user: str) -> dict[str, int]:
    """Return in how many places a user stands, by what an erasure promises for them."""
    return {
        "changelog": len(alive(rig.committed(f"{rig.id}-changelog"), user)),
        "sessions": len(alive(rig.committed(f"{rig.id}-sessions"), user)),
        "identities": len(alive(rig.committed(f"{rig.id}-identities"), user)),
        "files": len(files_with(rig.data_dir(0), user)),
    }


def assert_gone(rig: Rig, user: str = USER) -> None:
    eventually(lambda: not files_with(rig.data_dir(0), user), "files without the user", timeout_s=180)
    assert traces(rig, user) == dict.fromkeys(("changelog", "sessions", "identities", "files"), 0)


def test_every_place_has_the_user_before_and_none_has_after(rig: Rig) -> None:
    rig.start()
    at_ms = send(rig, 20, USER, OTHER)
    assert all(traces(rig, USER).values()), traces(rig, USER)
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
    rig = make(kafka, topics, tmp_path, join="inner")
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
    rig = make(brisk_kafka, Topics(brisk_kafka), tmp_path / "rig")
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


@pytest.mark.long
def test_the_local_command_erases_users_of_a_demo_and_keeps_no_copy_of_their_ids(
    kafka: Kafka, topics: Topics, tmp_path: Path
) -> None:
    rig = make(kafka, topics, tmp_path / "demo")
    try:
        rig.start()
        send(rig, 5, USER, OTHER)
        (tmp_path / "demo" / RUN_FILE).write_text(json.dumps({"pid": os.getpid()}))
        example = yaml.safe_load((REPOSITORY / "examples" / "erasure.yaml").read_text())
        example["spec"] |= {"pipeline": "rig", "users": [USER]}
        file = tmp_path / "erasure.yaml"
        file.write_text(yaml.safe_dump(example))
        command = [sys.executable, "-m", "clickstream_local", "erase", str(file), "--data", str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert json.loads(done.stdout.splitlines()[-1])["phase"] == "done"
        assert_gone(rig)
        kept = [path for path in (tmp_path / "demo" / "erasures").rglob("*") if path.is_file()]
        assert kept
        assert not any(USER in path.read_text() for path in kept)
    finally:
        rig.stop()


@pytest.fixture
def indexed(straight: Rig, search_engine: SearchEngine) -> str:
    """Let the rig have an index; return its prefix."""
    index = f"clicks{time.time_ns()}"
    document = json.loads(straight.settings.read_text())
    search = {"engine": search_engine.engine, "url": search_engine.url, "index": index}
    straight.settings.write_text(json.dumps(document | {"sink": {"search": search}}))
    straight.start()
    straight.wait_until_running()
    eventually(lambda: straight.status()["search"]["index_ready"], "the template", timeout_s=180)
    return index


@pytest.mark.real
def test_the_index_has_nothing_of_the_user_and_all_of_the_others(
    straight: Rig, indexed: str, search_engine: SearchEngine
) -> None:
    for day in ("2026.01.01", "2026.01.02"):
        for number in range(30):
            for user in (USER, OTHER):
                put(search_engine, f"{indexed}-{day}", user, number)
    put(search_engine, f"{indexed}-eu-2026.01.01", USER, 1)  # of another pipeline
    seen = places(erasure(straight, dry_run=True).run())["index"]
    assert (seen["found"], seen["left"]) == (60, 60)
    receipt = erasure(straight).run()
    said = places(receipt)["index"]
    assert (said["found"], said["left"]) == (60, 0)
    ours = f"{indexed}-2026*"
    assert (count(search_engine, ours, USER), count(search_engine, ours, OTHER)) == (0, 60)
    assert count(search_engine, f"{indexed}-eu-*", USER) == 1
    assert "has no offsets" in receipt["message"]  # there is no connector here


@pytest.mark.real
@pytest.mark.long
def test_it_waits_for_what_the_sink_has_not_written_yet(
    straight: Rig, indexed: str, search_engine: SearchEngine
) -> None:
    """The offsets are those of the connector's group, as a connector commits them."""
    rig = straight
    send(rig, 5, USER, OTHER)
    commit_for_sink(rig, dict.fromkeys(range(rig.partitions), 0))
    gone = erasure(rig)
    running = gone.start()
    eventually(lambda: "the sink has not written all" in gone.log.read_text(), "it waits", timeout_s=180)
    put(search_engine, f"{indexed}-2026.01.01", USER, 1)
    commit_for_sink(
        rig, {m.partition() or 0: (m.offset() or 0) + 1 for m in rig.committed(rig.names["enriched"])}
    )
    assert gone.end_of(running) == 0, gone.log.read_text()
    assert places(gone.receipt())["index"] | {"found": 1, "left": 0} == places(gone.receipt())["index"]
    assert count(search_engine, f"{indexed}-2026*", USER) == 0


def commit_for_sink(rig: Rig, offsets: dict[int, int]) -> None:
    consumer = Consumer({"bootstrap.servers": rig.kafka.bootstrap, "group.id": "connect-rig-search"})
    places = [TopicPartition(rig.names["enriched"], *each) for each in offsets.items()]
    consumer.commit(offsets=places, asynchronous=False)
    consumer.close()


def put(engine: SearchEngine, index: str, user: str, number: int) -> None:
    body = {"event_id": f"{user}-{number}", "user_id": user, "timestamp": number}
    answer = request("PUT", f"{engine.url}/{index}/_doc/{user}-{number}", body, timeout_s=60)
    assert answer.ok, answer.body


def count(engine: SearchEngine, index: str, user: str) -> int:
    request("POST", f"{engine.url}/{index}/_refresh", timeout_s=60)
    body = {"query": {"match": {"user_id": user}}}
    return int(request("POST", f"{engine.url}/{index}/_count", body, timeout_s=60).json()["count"])


def test_a_wrong_description_ends_at_once_and_names_no_user(straight: Rig) -> None:
    wrong = Erasure(straight.folder, straight.environment(0), [USER], what=1)
    assert wrong.end_of(wrong.start()) == 1
    assert wrong.receipt()["phase"] == "failed"
    assert "unknown field" in wrong.receipt()["message"]
    assert USER not in wrong.word.read_text() + wrong.log.read_text()
