"""No click is lost or counted twice, whenever the process is killed and whatever becomes of its volume."""

import json
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from clickstream_local.machine.process import Process
from clickstream_local.parts.kafka import Kafka
from clickstream_local.testing.eventually import eventually
from clickstream_local.testing.fixtures import Topics
from clickstream_processor.state.memory import MemoryShares, StateMemory
from clickstream_processor.state.store import TaskStore
from clickstream_processor.topology import keys
from confluent_kafka import Producer, TopicPartition, murmur2
from confluent_kafka.admin import AdminClient
from processor_support.runtime_rig import Rig, headers_of, users

NAMES = users(200)
MEMORY = StateMemory(MemoryShares.of_limit(1 << 30))
ALL = bytes([keys.CHUNK[0] + 1])


@pytest.fixture
def rig(kafka: Kafka, topics: Topics, tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(kafka, topics, tmp_path)
    rig.send_profiles(NAMES)
    yield rig
    rig.stop()


def store_contents(rig: Rig, ordinal: int, partition: int) -> dict[bytes, bytes]:
    """Return the chunks of a stopped pod's task."""
    store = TaskStore.open(rig.data_dir(ordinal) / "tasks" / f"clicks-{partition}", MEMORY)
    try:
        return dict(store.scan(keys.CHUNK, ALL))
    finally:
        store.close()


def changelog_contents(rig: Rig, partition: int) -> dict[bytes, bytes]:
    """Return the last value of each key."""
    records = rig.committed(f"{rig.id}-changelog")
    return {m.key() or b"": m.value() or b"" for m in records if m.partition() == partition}


def exit_status_of(process: Process) -> int:
    """Wait until a process has ended."""
    eventually(lambda: process.exit_status is not None, "the end of the process")
    return process.exit_status or 0


# The order of a commit breaks first between the commit and the write of the state.
POINTS = ["after-commit"]
MORE_POINTS = ["after-begin", "mid", "after-flush", "after-write"]


@pytest.mark.parametrize(
    "point", [*POINTS, *(pytest.param(point, marks=pytest.mark.long) for point in MORE_POINTS)]
)
def test_killed_at_any_point_of_a_commit_the_pod_loses_and_doubles_nothing(rig: Rig, point: str) -> None:
    for turn in (1, 2, 3):  # the first two transactions hold positions alone, the later ones clicks
        rig.send_clicks(1_500, NAMES)
        process = rig.start(CLICKSTREAM_CRASH_AT=f"{point}:{turn}")
        assert exit_status_of(process) == -signal.SIGKILL
    rig.start()
    rig.wait_until_handled()
    rig.wait_until_running()
    rig.assert_exactly_once()
    rig.stop()
    assert rig.processes[0].exit_status == 0, rig.log()
    for partition in range(rig.partitions):
        assert store_contents(rig, 0, partition) == changelog_contents(rig, partition)


def test_after_a_kill_only_the_tail_of_the_changelog_is_replayed(rig: Rig) -> None:
    rig.send_clicks(3_000, NAMES)
    rig.start()
    rig.wait_until_handled()
    rig.processes[0].kill()
    rig.start()
    rig.wait_until_running()
    assert rig.status()["commits"] == 0
    assert rig.metric("clickstream_restore_records_total", topic=f"{rig.id}-changelog") <= len(NAMES)


def test_a_lost_volume_is_rebuilt_before_the_first_click(rig: Rig) -> None:
    rig.send_clicks(3_000, NAMES)
    rig.start()
    rig.wait_until_handled()
    rig.processes[0].stop()
    before = [store_contents(rig, 0, partition) for partition in range(rig.partitions)]
    shutil.rmtree(rig.data_dir(0))
    rig.start()
    rig.wait_until_running()
    rig.processes[0].stop()
    assert [store_contents(rig, 0, partition) for partition in range(rig.partitions)] == before
    rig.start()
    rig.send_clicks(1_000, NAMES)
    rig.wait_until_handled()
    rig.assert_exactly_once()


def test_stop_under_load_is_orderly(rig: Rig) -> None:
    rig.send_clicks(30_000, NAMES)
    process = rig.start()
    eventually(lambda: rig.status().get("commits", 0) > 1, "commits")
    process.stop()  # kills it when it takes longer than a pod is given
    assert process.exit_status == 0, rig.log()
    assert "clicks per CPU second" in rig.log()
    rig.start()
    rig.wait_until_handled()
    rig.assert_exactly_once()


def test_two_pods_share_the_partitions_and_their_outputs_add_up(
    kafka: Kafka, topics: Topics, tmp_path: Path
) -> None:
    rig = Rig(kafka, topics, tmp_path, partitions=4, pods=2)
    try:
        rig.send_profiles(NAMES)
        rig.start(0)
        rig.start(1)
        rig.send_clicks(4_000, NAMES)
        rig.wait_until_handled()
        rig.assert_exactly_once()
        assert set(rig.phases(0)) == {"clicks-0", "clicks-2"}
        assert set(rig.phases(1)) == {"clicks-1", "clicks-3"}
        path = f"/dashboard/users/{NAMES[0]}/metrics"
        answers = [eventually(lambda pod=pod: rig.answer(path, pod), "an answer") for pod in (0, 1)]  # type: ignore[misc]
        assert answers[0] == answers[1]
    finally:
        rig.stop()


@pytest.mark.long
def test_a_broker_that_dies_and_returns_costs_no_click(rig: Rig) -> None:
    rig.start()
    rig.send_clicks(5_000, NAMES)
    eventually(lambda: rig.status().get("commits", 0) > 1, "commits")
    rig.kafka.kill()
    assert rig.get(f"/dashboard/users/{NAMES[0]}/metrics") is not None
    rig.kafka.start()
    rig.send_clicks(2_000, NAMES)
    rig.wait_until_handled()
    rig.assert_exactly_once()
    assert rig.processes[0].is_running()


def test_what_cannot_be_processed_is_dead_lettered_once_with_its_reason(rig: Rig) -> None:
    now_ms = int(time.time() * 1_000)
    known = {user: partition for partition in range(2) for user in [user_of(rig, partition)]}
    user, partition = next(iter(known.items()))
    good = {"user_id": user, "page_url": "/", "action": "view", "timestamp": now_ms}
    rig.send_raw(user, json.dumps(good), partition)
    bad = {
        "not-json": (user, "{"),
        "missing-field": (user, json.dumps({"user_id": user})),
        "mistyped-field": (user, json.dumps(good | {"timestamp": "now"})),
        "null-key": (None, json.dumps(good)),
        "key-mismatch": (user, json.dumps(good | {"user_id": "somebody"})),
        "too-far-in-future": (user, json.dumps(good | {"timestamp": now_ms + 86_400_000})),
        "late": (user, json.dumps(good | {"timestamp": now_ms - 3_600_000})),
        "oversized": (user, json.dumps(good | {"page_url": "x" * 100_000})),
    }
    for key, value in bad.values():
        rig.send_raw(key, value, partition)
    rig.send_raw(user, json.dumps(good), 1 - partition)
    stranger = next(name for name in users(5_000)[200:] if partition_of(name) == partition)
    rig.send_raw(stranger, json.dumps(good | {"user_id": stranger}), partition)
    process = rig.start(CLICKSTREAM_CRASH_AT="after-flush:2")
    assert exit_status_of(process) == -signal.SIGKILL
    rig.start()
    rig.wait_until_handled()
    dead = rig.committed(rig.names["deadLetters"])
    reasons = sorted(headers_of(message)["reason"] for message in dead)
    assert reasons == sorted([*bad, "wrong-partition", "unmatched"])
    sources = {(m.partition(), m.offset()): m for m in rig.committed(rig.names["clicks"])}
    for message in dead:
        headers = headers_of(message)
        assert headers["source-topic"] == rig.names["clicks"]
        assert headers["detail"]
        source = sources[int(headers["source-partition"]), int(headers["source-offset"])]
        assert (message.key(), message.value()) == (source.key(), source.value())
        assert message.timestamp()[1] == source.timestamp()[1]


def partition_of(user: str) -> int:
    return murmur2(user.encode(), 2)


def user_of(rig: Rig, partition: int) -> str:
    return next(name for name in NAMES if partition_of(name) == partition)


def test_a_position_below_the_start_of_the_log_stops_that_task_and_no_other(rig: Rig) -> None:
    rig.send_clicks(2_000, NAMES)
    rig.start()
    rig.wait_until_handled()
    rig.processes[0].stop()
    rig.send_clicks(2_000, NAMES)
    admin = AdminClient({"bootstrap.servers": rig.kafka.bootstrap})
    end = TopicPartition(rig.names["clicks"], 0, -1)
    next(iter(admin.delete_records([end]).values())).result(60)
    rig.start()
    eventually(lambda: rig.phases() == {"clicks-0": "stopped", "clicks-1": "running"}, "one stopped")
    assert "outside the log" in rig.status()["tasks"]["clicks-0"]["detail"]


def test_a_lost_positions_topic_stops_the_tasks_instead_of_starting_over(rig: Rig) -> None:
    rig.send_clicks(500, NAMES)
    rig.start()
    rig.wait_until_handled()
    rig.processes[0].stop()
    rig.create_again(f"{rig.id}-positions")
    rig.start()
    eventually(lambda: set(rig.phases().values()) == {"stopped"}, "stopped")
    assert "position" in rig.status()["tasks"]["clicks-0"]["detail"]


def test_a_position_by_input_and_those_of_other_stages_are_gone_on_from(kafka: Kafka, rig: Rig) -> None:
    rig.send_clicks(500, NAMES)
    rig.start()
    rig.wait_until_handled()
    rig.processes[0].stop()
    shutil.rmtree(rig.data_dir(0))
    newest = {m.partition() or 0: m for m in rig.committed(f"{rig.id}-positions")}
    later = Producer({"bootstrap.servers": kafka.bootstrap, "enable.idempotence": True})
    for partition, message in newest.items():
        fields = json.loads(message.value() or b"")
        by_input = {"version": 2, "inputs": {rig.names["clicks"]: fields.pop("clicks")}}
        later.produce(f"{rig.id}-positions", json.dumps(fields | by_input), message.key(), partition)
        later.produce(f"{rig.id}-positions", '{"version": 9}', f"a-later-stage-{partition}", partition)
    assert later.flush(30) == 0
    rig.send_clicks(500, NAMES)
    rig.start()
    eventually(lambda: committed_to(rig) >= rig.sent, "all clicks handled")
    rig.assert_exactly_once()


def committed_to(rig: Rig) -> int:
    """Return how many clicks the newest positions of the first format cover."""
    newest: dict[bytes | None, int] = {}
    for message in rig.committed(f"{rig.id}-positions"):
        fields = json.loads(message.value() or b"")
        if fields["version"] == 1:
            newest[message.key()] = fields["clicks"]
    return sum(newest.values())


def test_no_click_is_processed_before_the_snapshot_is_complete(
    kafka: Kafka, topics: Topics, tmp_path: Path
) -> None:
    rig = Rig(kafka, topics, tmp_path, snapshot=True)
    try:
        rig.send_clicks(300, NAMES)
        rig.send_profiles(NAMES[:100])
        rig.start()
        eventually(lambda: set(rig.phases().values()) == {"waiting"}, "waiting")
        rig.send_profiles(NAMES[100:])
        assert rig.committed(rig.names["enriched"]) == []
        assert rig.committed(rig.names["deadLetters"]) == []
        rig.say_snapshot_complete()
        rig.wait_until_handled()
        reading = rig.assert_exactly_once()
        assert reading.dead == {}
        rig.processes[0].kill()
        rig.send_clicks(100, NAMES)
        rig.start()  # it has positions: it does not wait again
        rig.wait_until_handled()
    finally:
        rig.stop()
