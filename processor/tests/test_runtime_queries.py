"""What a real pod on real Kafka answers while it starts, and when a task of it stands still."""

import json
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from clickstream_local.parts.kafka import Kafka
from clickstream_local.testing import Topics
from clickstream_local.web import Answer, request
from runtime_rig import Rig, eventually, users


@pytest.fixture
def rig(kafka: Kafka, topics: Topics, tmp_path: Path) -> Iterator[Rig]:
    running = Rig(kafka, topics, tmp_path)
    yield running
    running.stop()


def ask(rig: Rig, user: str) -> Answer:
    """Return a pod's answer about a user, whatever its status; status 0 while it does not listen."""
    return request("GET", f"http://127.0.0.1:{rig.port}/dashboard/users/{user}/metrics?detail=1", timeout_s=5)


def test_no_answer_of_a_pod_that_starts_tells_a_staleness_that_was_not_measured(rig: Rig) -> None:
    began_s, names = time.time(), users(20)
    rig.send_profiles(names)
    rig.send_clicks(200, names)
    told: list[float] = []

    def is_fresh(name: str) -> bool:
        answer = ask(rig, name)
        if not answer.ok:
            return False
        document = answer.json()
        if document["staleness"]:
            told.append(document["staleness"])
            assert document["staleness"] <= time.time() - began_s, "older than the pipeline"
            assert document["as_of"] >= (began_s - 1) * 1_000
        return not document["staleness"]

    for start in range(30):  # whether an answer is old is a matter of moments: often none is
        if start >= 3 and told:
            break
        pod = rig.start()
        for name in names:
            eventually(partial(is_fresh, name), f"a fresh answer for {name}")
        pod.kill()
    assert told, "no answer was old: the test asked too late"


def test_question_for_a_task_that_its_pod_has_stopped_says_why(rig: Rig) -> None:
    names = users(20)
    rig.send_profiles(names)
    rig.send_clicks(200, names)
    rig.start()
    rig.wait_until_handled()
    rig.processes[0].stop()
    document = json.loads(rig.settings.read_text())
    document["processing"]["window"] = {"size": "10m"}
    rig.settings.write_text(json.dumps(document))
    rig.start()
    eventually(
        lambda: set(rig.phases().values()) == {"stopped"}, "the tasks stop: the state has other windows"
    )
    for name in names:
        answer = ask(rig, name)
        problem = answer.json()
        assert (answer.status, problem["type"].rpartition("/")[2]) == (503, "task-stopped")
        assert problem["detail"].startswith(f"Task {problem['task']} is stopped on pod 0: ")
        assert "chunk=300000" in problem["reason"]
        assert problem["reason"] == rig.status()["tasks"][problem["task"]]["detail"]


def test_state_that_a_query_finds_damaged_is_rebuilt(rig: Rig) -> None:
    names = users(2_000)
    rig.send_profiles(names)
    rig.send_clicks(6_000, names)
    pod = rig.start()
    rig.wait_until_handled()
    asked = names[::10]
    before = {name: ask(rig, name).json() for name in asked}
    pod.stop()  # the state is in table files
    for task in rig.data_dir(0).glob("tasks/*"):
        damage_middle(max(task.glob("*.sst"), key=lambda file: file.stat().st_size))
    rig.start()
    rig.wait_until_running()  # no click comes: but for queries nobody reads
    assert rig.metric("clickstream_states_damaged_total") == 0, "found at the start: nothing is left to find"

    def is_as_before(name: str) -> bool:
        answer = ask(rig, name)
        if not answer.ok or answer.json()["staleness"]:
            return False
        return all(answer.json()[part] == before[name][part] for part in ("windows", "user_name"))

    for name in asked:
        eventually(partial(is_as_before, name), f"the right answer for {name}")
    assert "Corruption: block checksum mismatch" in rig.log()
    assert rig.metric("clickstream_states_damaged_total") == rig.partitions


def damage_middle(file: Path) -> None:
    """Damage the second quarter of a table file: neither the checkpoint's block nor the index."""
    content = bytearray(file.read_bytes())
    for at in range(len(content) // 4, len(content) // 2):
        content[at] ^= 0x55
    file.write_bytes(content)
