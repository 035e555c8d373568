"""Stages that this file adds run through planner, restorer and worker, none of which was told their names.

One counts, one keeps nothing. Two workers in this process on a real broker. The operator's planner says who
owns what; the tasks of all stages share the pods' transactions and the positions topic.
"""

import json
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import pytest
from clickstream_local.parts.kafka import Kafka
from clickstream_local.testing.eventually import eventually
from clickstream_local.testing.fixtures import Topics
from clickstream_operator.assignment.planner import Observation, PodHealth, Policy, plan
from clickstream_operator.assignment.records import Assignment
from clickstream_operator.assignment.tasks import STAGES, task_names
from clickstream_processor.control.assignment import TaskAssignment
from clickstream_processor.directory import Directory, Phase, Role, Routes
from clickstream_processor.processing.worker import Worker
from clickstream_processor.settings import settings_file
from clickstream_processor.stages.listed import stages_of
from clickstream_processor.stages.plain import PlainApplier, PlainLine
from clickstream_processor.stages.programs import compile_programs, plan_of
from clickstream_processor.stages.stage import Stage, by_name
from clickstream_processor.state.memory import MemoryShares, StateMemory
from clickstream_processor.task_id import TaskId
from clickstream_processor.topology import keys
from clickstream_processor.topology.interfaces import Message
from confluent_kafka import Producer
from processor_support.runtime_rig import Rig, headers_of, users
from processor_support.script import Script

NAMES = users(50)
MEMORY = StateMemory(MemoryShares.of_limit(1 << 30))
WELL, DEAD = PodHealth.WELL, PodHealth.DEAD


class CountPages(PlainLine):
    """The stage: how often each page was seen; each count is sent on."""

    def records(self, messages: Sequence[Message], /) -> None:
        for message in messages:
            page = message.key() or b""
            if page == b"/nowhere":
                raise LookupError("no such page")
            count = b"%d" % (int(self.state.get(page) or b"0") + 1)
            self.state.set(page, count)
            self.outputs.send(PAGES.outputs[0], count, page, self.partition)


class Pass(PlainLine):
    """A stage that keeps nothing: each record is sent on."""

    def records(self, messages: Sequence[Message], /) -> None:
        for message in messages:
            self.outputs.send(PASSED.outputs[0], message.value(), message.key(), self.partition)


PASSED = Stage(
    name="pass-on",
    input="to-pass",
    line=lambda store, partition, outputs, _: Pass(store, partition, outputs),
    applier=lambda store, _: PlainApplier(store),
    outputs=("passed",),
)
PAGES = Stage(
    name="pages",
    input="seen-pages",
    line=lambda store, partition, outputs, _: CountPages(store, partition, outputs),
    applier=lambda store, _: PlainApplier(store),
    changelog="pages-changelog",
    outputs=("page-counts",),
)


class Pods:
    """Two pods of one pipeline, and the planner."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.scripts = [Script(0), Script(1)]
        self.directories: list[Directory] = []
        self.workers: list[Worker] = []
        self.health = {0: WELL, 1: WELL}
        self.passed = 0
        self.table: dict[str, Assignment] = {}
        self.policy = Policy(
            task_names(rig.partitions, (*STAGES, PAGES.name, PASSED.name)), replicas=2, standbys=1
        )
        for ordinal in (0, 1):
            self.start(ordinal)

    def start(self, ordinal: int) -> None:
        """Start a pod, with what is on its volume."""
        chosen = settings_file.load(self.rig.environment(ordinal) | {"CLICKSTREAM_ASSIGNMENT": "control"})
        built_in = stages_of(chosen, plan_of(chosen), compile_programs(chosen))
        stages = by_name(*built_in.values(), PAGES, PASSED)
        directory = Directory(ordinal, Routes(0, (None,), ((),), 0))
        worker = Worker(chosen, stages, directory, self.scripts[ordinal], MEMORY)
        self.directories[ordinal : ordinal + 1] = [directory]
        self.workers[ordinal : ordinal + 1] = [worker]
        worker.start()

    def stop(self, *ordinals: int) -> None:
        """End pods in order."""
        for ordinal in ordinals:
            self.workers[ordinal].stop()
        for ordinal in ordinals:
            assert self.workers[ordinal].ended.wait(120)
            assert self.workers[ordinal].failed is None

    def is_at_rest(self) -> bool:
        """Let the planner have a turn; tell whether it is content, and all that it asked for is done."""
        lag: dict[tuple[str, int], int] = {}
        acquired: dict[str, int] = {}
        for ordinal, directory in enumerate(self.directories):
            acquired |= {str(task): epoch for task, epoch in self.scripts[ordinal].acquisitions}
            for task, view in directory.tasks.items():
                if view.role is Role.STANDBY:
                    behind = 0 if view.phase is Phase.RUNNING else self.policy.handover_lag + 1
                    lag[str(task), ordinal] = max(view.restore_records, behind)
        changes = plan(self.table, Observation(self.health, lag, acquired), self.policy, term=1)
        self.table |= {a.task: a for a in changes}
        tasks = {
            TaskId.parse(a.task): TaskAssignment(a.owner, a.epoch, a.fence, a.standbys, a.started)
            for a in self.table.values()
        }
        if changes:
            for script in self.scripts:
                script.write(changes[0].generation, tasks)
        return not changes and all(
            a.started and not a.fence and self.runs(a.task, a.owner, Role.OWNER) for a in self.table.values()
        )

    def runs(self, task: str, ordinal: int | None, role: Role) -> bool:
        """Tell whether a task runs on a pod."""
        view = None if ordinal is None else self.directories[ordinal].tasks.get(TaskId.parse(task))
        return view is not None and (view.role, view.phase) == (role, Phase.RUNNING)

    def settle(self) -> None:
        """Wait until every task has the owner that the planner wants, and runs there."""
        eventually(self.is_at_rest, "the planner is content")

    def positions(self) -> dict[str, int]:
        """Return the newest position of each task."""
        newest = {}
        for message in self.rig.committed(f"{self.rig.id}-positions"):
            newest[(message.key() or b"").decode()] = json.loads(message.value() or b"{}")["clicks"]
        return newest

    def wait_until_handled(self, pages: int) -> None:
        """Wait until every click and page sent is covered by committed positions."""

        def handled(stage: str) -> int:
            return sum(at for task, at in self.positions().items() if TaskId.parse(task).stage == stage)

        eventually(lambda: handled("clicks") >= self.rig.sent, "all clicks handled")
        # Control records do not stand in these inputs, so their offsets count their records.
        eventually(lambda: handled("pages") == pages, "all pages handled")
        eventually(lambda: handled("pass-on") == self.passed, "all is passed on")

    def counts(self, ordinal: int) -> dict[bytes, bytes]:
        """Return the page counts that a pod holds, owned or not."""
        return {page: count for of_task in self.stored(ordinal).values() for page, count in of_task.items()}

    def stored(self, ordinal: int) -> dict[str, dict[bytes, bytes]]:
        """Return the page counts in a pod's stores, by task."""
        found = {}
        for task, view in self.directories[ordinal].tasks.items():
            if task.stage == PAGES.name and view.store is not None:
                with view.store.reader() as database:
                    entries = cast(dict[bytes, bytes], dict(database.items()))
                found[str(task)] = {k[1:]: v for k, v in entries.items() if k.startswith(keys.PLAIN)}
        return found


@pytest.fixture
def pods(kafka: Kafka, topics: Topics, tmp_path: Path) -> Iterator[Pods]:
    rig = Rig(kafka, topics, tmp_path, partitions=2, pods=2)
    for topic in (PAGES.input, *PAGES.outputs, PASSED.input, *PASSED.outputs):
        topics.create(topic, rig.partitions)
    topics.create(PAGES.changelog or "", rig.partitions, cleanup_policy="compact,delete")
    rig.send_profiles(NAMES)
    pods = Pods(rig)
    yield pods
    pods.stop(0, 1)
    rig.stop()


def send_pages(pods: Pods, count: int, seen: Counter[bytes]) -> None:
    """Write pages into one stage's input, and count them; write as many numbers into the other's."""
    producer = Producer(
        {
            "bootstrap.servers": pods.rig.kafka.bootstrap,
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
        }
    )
    for number in range(count):
        page = b"/p/%d" % (number * number % 17)
        producer.produce(PAGES.input, b"", page)
        seen[page] += 1
        producer.produce(PASSED.input, b"%d" % (pods.passed + number), page)
    pods.passed += count
    assert producer.flush(30) == 0


def assert_counted_once(rig: Rig, seen: Counter[bytes]) -> None:
    """Compare what was sent on with what was written: each count once, in order."""
    counts: dict[bytes, list[int]] = defaultdict(list)
    for message in rig.committed(PAGES.outputs[0]):
        counts[message.key() or b""].append(int(message.value() or b""))
    assert counts == {page: list(range(1, count + 1)) for page, count in seen.items()}


def assert_passed_once(pods: Pods) -> None:
    """Compare the numbers that were sent on with those written."""
    passed = Counter(int(message.value() or b"") for message in pods.rig.committed(PASSED.outputs[0]))
    assert passed == Counter(range(pods.passed))


def test_added_stages_move_fail_over_and_restore_exactly_once(kafka: Kafka, pods: Pods) -> None:
    rig, seen = pods.rig, Counter[bytes]()
    rig.send_clicks(1_000, NAMES)
    send_pages(pods, 1_000, seen)
    pods.settle()
    pods.wait_until_handled(1_000)
    assert set(pods.positions()) == {
        f"{stage}-{p}" for stage in ("clicks", "pages", "pass-on") for p in (0, 1)
    }
    for partition in (0, 1):
        assert (
            len({pods.table[f"{stage}-{partition}"].owner for stage in ("clicks", "pages", "pass-on")}) == 1
        )

    # Pod 0 goes, and its volume with it; pod 1 takes its tasks over, of all stages.
    eventually(lambda: len(pods.stored(1)) == 2, "pod 1 stands by for what it does not own")
    pods.stop(0)
    shutil.rmtree(rig.data_dir(0))
    pods.health[0] = DEAD
    pods.settle()
    rig.send_clicks(1_000, NAMES)
    send_pages(pods, 1_000, seen)
    pods.wait_until_handled(2_000)

    # A transaction of pod 1 is in doubt: every task comes back through a restore (R4).
    fencing = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": f"{rig.id}-1"})
    fencing.init_transactions(30)
    rig.send_clicks(1_000, NAMES)
    send_pages(pods, 1_000, seen)
    pods.wait_until_handled(3_000)

    # Pod 0 is back with an empty volume, stands by, and gets a partition again.
    pods.start(0)
    pods.health[0] = WELL
    pods.settle()
    rig.send_clicks(1_000, NAMES)
    send_pages(pods, 1_000, seen)
    pods.wait_until_handled(4_000)
    wanted = {page: b"%d" % count for page, count in seen.items()}
    eventually(lambda: pods.counts(0) == pods.counts(1) == wanted, "both pods have every count")
    assert_counted_once(rig, seen)
    assert_passed_once(pods)
    rig.assert_exactly_once()

    # A record on which the stage's line fails is set aside, as a click would be, and its task goes on.
    send_pages(pods, 500, seen)
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "enable.idempotence": True})
    producer.produce(PAGES.input, b"", b"/nowhere", 0)
    assert producer.flush(30) == 0
    send_pages(pods, 500, seen)
    pods.wait_until_handled(5_001)
    assert_counted_once(rig, seen)
    assert_passed_once(pods)
    (letter,) = rig.committed(rig.names["deadLetters"])
    headers = headers_of(letter)
    assert (headers["reason"], headers["source-topic"]) == ("processing-failed", PAGES.input)
    assert "LookupError: no such page" in headers["detail"]
