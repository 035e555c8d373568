"""What a real pod on real Kafka answers while it starts, and when a task of it stands still."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from clickstream_local.machine.web import Answer, request
from clickstream_local.parts.kafka import Kafka
from clickstream_local.testing.eventually import eventually
from clickstream_local.testing.fixtures import Topics
from confluent_kafka import Producer
from processor_support.runtime_rig import Rig, users


@pytest.fixture
def rig(kafka: Kafka, topics: Topics, tmp_path: Path) -> Iterator[Rig]:
    running = Rig(kafka, topics, tmp_path)
    yield running
    running.stop()


def ask(rig: Rig, user: str) -> Answer:
    """Return a pod's answer about a user, whatever its status; status 0 while it does not listen."""
    return request(
        "GET", f"http://127.0.0.1:{rig.port}/dashboard/users/{user}/metrics?detail=1", timeout_s=60
    )


@contextmanager
def changelog_held(rig: Rig) -> Iterator[None]:
    """Keep a transaction open in each partition of the changelog: an owner's restore waits for its end."""
    settings = {"bootstrap.servers": rig.kafka.bootstrap, "transactional.id": f"{rig.id}-holder"}
    # By default the brokers end it after a minute, which a start takes on a busy machine.
    holder = Producer(settings | {"transaction.timeout.ms": "600000"})
    holder.init_transactions(60)
    holder.begin_transaction()
    for partition in range(rig.partitions):
        holder.produce(f"{rig.id}-changelog", b"", key=b"held", partition=partition)
    holder.flush(60)
    try:
        yield
    finally:
        holder.abort_transaction(60)


def test_no_answer_of_a_pod_that_starts_tells_a_staleness_that_was_not_measured(rig: Rig) -> None:
    began_s, names = time.time(), users(20)
    rig.send_profiles(names)
    rig.send_clicks(200, names)

    told: list[tuple[float, int]] = []

    def is_answered(name: str, is_old: bool) -> bool:
        answer = ask(rig, name)
        if not answer.ok:
            return False
        document = answer.json()
        told.append((document["staleness"], document["as_of"]))
        return bool(document["staleness"]) is is_old

    def wait_until(is_old: bool) -> None:
        for name in names:
            what = f"{'an old' if is_old else 'a fresh'} answer for {name}"
            eventually(partial(is_answered, name, is_old), what)

    rig.start()
    wait_until(is_old=False)
    rig.processes[0].stop()
    with changelog_held(rig):
        rig.start().kill()  # the state of a pod that was killed while it restored
        rig.start()
        wait_until(is_old=True)
    wait_until(is_old=False)
    assert max(staleness for staleness, _ in told) <= time.time() - began_s, "older than the pipeline"
    assert min(as_of for _, as_of in told) >= (began_s - 1) * 1_000


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
