"""A pipeline of the version before goes on under this one: its counts, its positions, its answers.

The data was written by that version (processor_support/old_version/README.md).
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from clickstream_local.parts.kafka import Kafka
from clickstream_local.testing.eventually import eventually
from confluent_kafka import Message
from processor_support.old_version import KeptTopics, OldVersion
from processor_support.runtime_rig import WINDOW_MS, Reading, Rig, headers_of, users

GRACE_MS = 60_000
NAMES = users(20)
NOBODY = ("nobody", "deleted")  # who clicked, and has no profile
METRIC = "actions"

Windows = dict[int, int]  # clicks by start


def metrics() -> list[dict[str, Any]]:
    """Return the metric that comes with the upgrade; the rig gives it its topic."""
    window = {"size": "5m", "grace": "1m", "retention": "24h"}
    return [{"name": METRIC, "by": {"action": "click.action"}, "count": {}, "window": window}]


class Upgrade:
    """A rig in whose topics the version before has written, and what it had said."""

    def __init__(self, old: OldVersion, rig: Rig, topics: KeptTopics) -> None:
        self.old, self.rig = old, rig
        old.write_into(rig, topics)
        self.before = rig.reading()
        self.positions = rig.positions("clicks")
        stream_ms = max(positions[-1]["stream_ms"] for positions in positions_of(rig).values())
        self.open_ms = {start for _, start in self.before.updates if start + WINDOW_MS + GRACE_MS > stream_ms}

    def new_clicks(self) -> Iterator[dict[str, Any]]:
        """Yield the clicks that the version before has not counted, and that count."""
        dead = {(partition, offset) for _, partition, offset in self.rig.reading().dead}
        for message in self.rig.committed(self.rig.names["clicks"]):
            place = message.partition() or 0, message.offset() or 0
            if place[1] >= self.positions[place[0]] and place not in dead:
                click: dict[str, Any] = json.loads(message.value() or b"")
                if click["action"] != "heartbeat":
                    yield click

    def send(self, after_s: int) -> None:
        """Let each user click once; the event time is so long after the first window's start."""
        for user in NAMES:
            at_ms = self.old.base_ms + 1_000 * after_s
            click = {"user_id": user, "page_url": "/", "action": "view", "timestamp": at_ms}
            self.rig.send("clicks", user, click)
        self.rig.flush()


@pytest.fixture
def old() -> OldVersion:
    return OldVersion("before-stages")


def start_of(click: Mapping[str, Any]) -> int:
    return int(click["timestamp"]) // WINDOW_MS * WINDOW_MS


def positions_of(rig: Rig) -> dict[str, list[dict[str, Any]]]:
    """Return all positions of each task, in order."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for message in rig.committed(f"{rig.id}-positions"):
        found[(message.key() or b"").decode()].append(json.loads(message.value() or b""))
    return found


def assert_counts_went_on(upgrade: Upgrade, after: Reading) -> None:
    """Compare each window's updates: those of before stand, and the new clicks are added to the last one."""
    wanted = Counter({key: values[-1] for key, values in upgrade.before.updates.items()})
    wanted.update((click["user_id"], start_of(click)) for click in upgrade.new_clicks())
    assert {key: values[-1] for key, values in after.updates.items()} == dict(wanted)
    for key, values in upgrade.before.updates.items():
        assert after.updates[key][: len(values)] == values
        assert key[1] in upgrade.open_ms or after.updates[key] == values
    went_on = {
        key[1] for key, values in upgrade.before.updates.items() if len(after.updates[key]) > len(values)
    }
    assert went_on == upgrade.open_ms, "a window that was open got no click: the test shows nothing"


def assert_no_position_was_taken_back(upgrade: Upgrade) -> None:
    for task, positions in positions_of(upgrade.rig).items():
        for field in ("clicks", "stream_ms", "closed_ms"):
            values = [each[field] for each in positions]
            assert values == sorted(values), (task, field)


def answer_of(rig: Rig, question: str) -> dict[str, Any]:
    """Return what a pod answers, once it does."""
    answer: dict[str, Any] = eventually(lambda: rig.get(f"/dashboard/users/{question}"), "an answer")
    return answer


def answered_windows(rig: Rig, user: str, at_ms: int) -> Windows:
    """Return what a pod answers of a user, all windows there are at a time."""
    answer = answer_of(rig, f"{user}/metrics?at={at_ms}&detail=1&limit=1000")
    assert answer["next"] is None
    return {each["window_start"]: each["clicks"] for each in answer["windows"]}


def assert_answers(rig: Rig, reading: Reading) -> None:
    """Compare what the pod answers with what it has written, of each user there was."""
    said: dict[str, Windows] = defaultdict(dict)
    for (user, start_ms), values in reading.updates.items():
        said[user][start_ms] = values[-1]
    end_ms = max(start_ms for _, start_ms in reading.updates) + WINDOW_MS
    for user, windows in said.items():
        assert answered_windows(rig, user, end_ms) == windows
    assert answer_of(rig, f"{NAMES[0]}/metrics")["user_name"] == "changed"


def assert_counted_from_the_upgrade_on(upgrade: Upgrade) -> None:
    """Wait until the metric has all clicks since the upgrade, and see that it has no other."""
    wanted = Counter((start_of(click), click["action"]) for click in upgrade.new_clicks())

    def is_true() -> bool:
        records = upgrade.rig.committed(f"{upgrade.rig.id}-{METRIC}")
        results = [json.loads(message.value() or b"") for message in records]
        told = {(each["window_start"], each["keys"]["action"]): each["value"] for each in results}
        assert told == dict(wanted)
        return True

    eventually(is_true, "the metric is true")


def late(rig: Rig) -> Sequence[Message]:
    return [each for each in rig.committed(rig.names["deadLetters"]) if headers_of(each)["reason"] == "late"]


@pytest.mark.parametrize(
    ("volume", "measured"),
    [(True, False), (False, False), (True, True)],
    ids=["from the volume", "from the changelog", "with a metric"],
)
def test_counts_go_on_exactly_once_from_those_of_the_version_before(
    kafka: Kafka, tmp_path: Path, old: OldVersion, volume: bool, measured: bool
) -> None:
    topics = KeptTopics(kafka)
    added = {"metrics": metrics()} if measured else {}
    rig = Rig(kafka, topics, tmp_path, processing={**old.processing, **added})
    try:
        upgrade = Upgrade(old, rig, topics)
        assert len(upgrade.open_ms) == 2
        assert rig.handled() < rig.sent, "no click waits for the upgrade: the test shows less"
        if volume:
            old.unpack_volume(rig.data_dir(0))
        rig.start()
        rig.wait_until_running()
        restored = rig.metric("clickstream_restore_records_total")
        assert (restored == 0) == volume, "it begins with what is on its volume, and else with the topics"

        rig.wait_until_handled()
        assert_answers(rig, rig.reading())
        for after_s in (29 * 60, 32 * 60, 35 * 60 + 30, 41 * 60):
            upgrade.send(after_s)
            rig.wait_until_handled()
        after = rig.assert_exactly_once(unmatched=NOBODY)
        assert_counts_went_on(upgrade, after)
        assert_no_position_was_taken_back(upgrade)
        assert_answers(rig, after)
        if measured:
            assert_counted_from_the_upgrade_on(upgrade)

        # Windows that the version before has closed stay so.
        assert not late(rig)
        upgrade.send(24 * 60)
        rig.wait_until_handled()
        assert len(late(rig)) == len(NAMES)
        assert_answers(rig, after)
    finally:
        rig.stop()
