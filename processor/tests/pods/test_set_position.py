"""The procedure of docs/how-to/operate.md for a task whose position is lost: it loses and doubles no more."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from clickstream_local.parts.kafka import Kafka
from clickstream_local.testing.eventually import eventually
from clickstream_local.testing.fixtures import Topics
from clickstream_processor.kafka.ends import Log
from clickstream_processor.set_position import NotSet, decide
from clickstream_processor.state.checkpoint import Position
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from processor_support.runtime_rig import Rig, running, users

NAMES = users(20)
NOW = 1_800_000_000_000
HELD = Position(50, stream_ms=7, closed_ms=5, at_ms=3, ordinal=1, epoch=9)


def test_a_position_below_the_log_moves_to_the_first_click_that_is_kept() -> None:
    change = decide(HELD, Log(80, 100), None, NOW, force=False)
    assert change.position == Position(80, 7, 5, NOW, 1, 9)
    assert change.meaning == "clicks 50 to 79 are never processed"


def test_a_position_beyond_the_log_says_that_the_topic_was_created_again() -> None:
    change = decide(HELD, Log(0, 10), None, NOW, force=False)
    assert change.position.clicks == 0
    assert "the topic was created again" in change.meaning


def test_a_position_that_the_log_holds_is_replaced_by_force_only() -> None:
    with pytest.raises(NotSet, match="the log still holds it"):
        decide(HELD, Log(0, 100), 60, NOW, force=False)
    assert decide(HELD, Log(0, 100), 40, NOW, force=True).meaning == (
        "clicks 40 to 49 are processed a second time"
    )


@pytest.mark.parametrize("to", [79, 101])
def test_a_position_is_never_set_outside_the_log(to: int) -> None:
    with pytest.raises(NotSet, match="80 to 100"):
        decide(None, Log(80, 100), to, NOW, force=True, stream_ms=5)


def test_a_lost_position_is_not_set_without_its_stream_time() -> None:
    with pytest.raises(NotSet, match="greatest `timestamp`"):
        decide(None, Log(0, 100), 60, NOW, force=False)
    assert decide(None, Log(0, 100), 60, NOW, force=False, stream_ms=8).position == Position(60, 8, 8, NOW)


@pytest.fixture
def rig(kafka: Kafka, topics: Topics, tmp_path: Path) -> Iterator[Rig]:
    with running(Rig(kafka, topics, tmp_path), NAMES, clicks=400) as rig:
        yield rig


def set_position(rig: Rig, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as `kubectl exec` would in the pod."""
    return subprocess.run(
        [sys.executable, "-m", "clickstream_processor.set_position", *arguments],
        env=rig.environment(0),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def wait_until_stopped(rig: Rig, why: str) -> None:
    eventually(lambda: set(rig.phases().values()) == {"stopped"}, "both tasks stop")
    assert all(why in task["detail"] for task in rig.status()["tasks"].values())


def restart(rig: Rig) -> None:
    rig.processes[0].stop()
    rig.start()
    rig.wait_until_running()


def places(rig: Rig) -> dict[int, int]:
    """Return one more than the greatest offset that came out of each partition: as the page says."""
    reading = rig.reading()
    found = [(int(e.split("-")[-2]), int(e.split("-")[-1])) for e in reading.events]
    found += [(partition, offset) for _, partition, offset in reading.dead]
    return {p: max(offset for at, offset in found if at == p) + 1 for p in range(rig.partitions)}


def test_clicks_that_were_deleted_are_stepped_over_and_no_other(rig: Rig, kafka: Kafka) -> None:
    rig.processes[0].stop()
    before = rig.reading().events
    rig.send_clicks(600, NAMES)
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    keep = 50
    kept = set()
    for partition in range(rig.partitions):
        clicks = [m for m in rig.committed(rig.names["clicks"]) if m.partition() == partition]
        low = clicks[-keep].offset() or 0
        kept |= {f"{rig.names['clicks']}-{partition}-{m.offset()}" for m in clicks[-keep:]}
        where = TopicPartition(rig.names["clicks"], partition, low)
        for future in admin.delete_records([where]).values():
            future.result(30)
    rig.start()
    wait_until_stopped(rig, "outside the log")

    said = set_position(rig, "clicks-0", "first")
    assert said.returncode == 0, said.stderr
    assert "are never processed" in said.stdout
    assert "nothing was written" in said.stdout
    for task in ("clicks-0", "clicks-1"):
        assert set_position(rig, task, "first", "--write").returncode == 0
    restart(rig)
    rig.send_clicks(100, NAMES)
    eventually(lambda: [t.get("lag_records") for t in rig.status()["tasks"].values()] == [0, 0], "caught up")

    after = rig.reading().events
    assert max(after.values()) == 1
    assert before.keys() <= after.keys()
    heartbeats = kept - after.keys()
    assert len(heartbeats) < len(kept)  # the rig's filter leaves them out
    again = set_position(rig, "clicks-0", "first", "--write")
    assert again.returncode == 1
    assert "the log still holds it" in again.stderr


def test_a_lost_position_is_found_again_by_what_came_out(rig: Rig) -> None:
    rig.processes[0].stop()
    found = places(rig)
    enriched = rig.committed(rig.names["enriched"])
    newest = {
        p: max(json.loads(m.value() or b"")["timestamp"] for m in enriched if m.partition() == p)
        for p in found
    }
    rig.send_clicks(300, NAMES)
    rig.create_again(f"{rig.id}-positions")
    rig.start()
    wait_until_stopped(rig, "the positions topic has none")
    unknown = set_position(rig, "clicks-0", str(found[0]), "--write")
    assert unknown.returncode == 1
    assert "--stream-ms" in unknown.stderr
    for partition, offset in found.items():
        stream = str(newest[partition])
        done = set_position(rig, f"clicks-{partition}", str(offset), "--stream-ms", stream, "--write")
        assert done.returncode == 0, done.stderr
    restart(rig)
    rig.wait_until_handled()
    rig.assert_exactly_once()
