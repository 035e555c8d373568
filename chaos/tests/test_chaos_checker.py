"""The fault suite's own judge: its model on single clicks, its checker on outputs wrong in one way."""

import json
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from clickstream_chaos.checking.checker import ARRIVALS, READ, Checker, Verdict
from clickstream_chaos.checking.database import Damaged, State, compare
from clickstream_chaos.checking.model import Input, Model
from clickstream_chaos.pipeline import ADDED
from clickstream_local.parts.kafka import Kafka
from clickstream_local.testing.fixtures import Topics
from confluent_kafka import Producer
from rocksdict import Options, Rdict

PROFILES = {"alice": {"name": "Alice", "country": "US", "plan_tier": "free"}}
WINDOW_MS, GRACE_MS = 60_000, 10_000


def click(timestamp: object = 5, user: str = "alice", **other: object) -> bytes:
    return json.dumps(
        {"user_id": user, "page_url": "/", "action": "view", "timestamp": timestamp, **other}
    ).encode()


def model_of(*values: bytes, key: bytes | None = b"alice") -> Model:
    model = Model("clicks", PROFILES, WINDOW_MS, GRACE_MS, ADDED)
    model.feed(Input(0, offset, key, value) for offset, value in enumerate(values))
    return model


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        pytest.param(b"{", "not-json", id="not JSON"),
        pytest.param(b'{"user_id": "alice"}', "missing-field", id="fields missing"),
        pytest.param(click(timestamp="now"), "mistyped-field", id="time is text"),
        pytest.param(click(user="nobody"), "unmatched", id="no profile"),
    ],
)
def test_a_click_that_cannot_be_used_is_a_dead_letter(value: bytes, reason: str) -> None:
    assert model_of(value).expected.dead == {(0, 0): reason}


def test_a_heartbeat_leaves_no_trace() -> None:
    expected = model_of(click(action="heartbeat")).expected
    assert (expected.enriched, expected.counts, expected.dead) == ({}, {}, {})


def test_a_late_click_is_enriched_and_a_dead_letter_and_not_counted() -> None:
    expected = model_of(click(5), click(WINDOW_MS + GRACE_MS), click(6)).expected
    assert len(expected.enriched) == 3
    assert expected.counts == {("alice", 0): 1, ("alice", WINDOW_MS): 1}
    assert expected.dead == {(0, 2): "late"}


def test_a_click_within_grace_is_counted() -> None:
    expected = model_of(click(5), click(WINDOW_MS + GRACE_MS - 1), click(6)).expected
    assert expected.counts["alice", 0] == 2


def again(value: bytes, user: str) -> Input:
    """Return a click that a replay has sent once more; it lay at (0, 0) first."""
    return Input(0, 1, user.encode(), value, place=(0, 0), is_replayed=True)


@pytest.mark.parametrize(
    ("user", "first"),
    [
        pytest.param("alice", click("now"), id="a click corrected"),
        pytest.param("newcomer-1", click(user="newcomer-1"), id="a profile that came after the click"),
    ],
)
def test_a_replayed_click_is_enriched_under_its_first_place(user: str, first: bytes) -> None:
    model = Model("clicks", PROFILES | {user: PROFILES["alice"]}, WINDOW_MS, GRACE_MS, ADDED)
    model.feed([Input(0, 0, user.encode(), first)])
    assert (len(model.expected.dead), model.expected.enriched) == (1, {})
    model.feed([again(click(user=user), user)])
    assert list(model.expected.dead) == [(0, 0)]
    assert list(model.expected.enriched) == ["clicks-0-0"]
    assert model.expected.counts == {(user, 0): 1}


class Outputs:
    """Two good clicks and a bad one, and what should come of them; a test changes one thing."""

    def __init__(self, topics: Topics) -> None:
        self.names = {name: topics.create(topics.unique(name)) for name in READ}
        self.enriched = [self._enriched(0), self._enriched(1)]
        self.metrics = [self._count(1), self._count(2)]
        self.actions = [self._action(1), self._action(2)]
        self.sessions: list[tuple[int, dict[str, Any] | None]] = [self._session(1), self._session(2)]
        self.moved: list[int] = []  # offsets of clicks, where they come with any key
        self.replayed: list[tuple[int, bytes]] = []  # first places and values, after all others
        self.dead = [(2, "not-json"), (3, "processing-failed")]  # the last: of an odd record

    def _enriched(self, offset: int) -> dict[str, Any]:
        return {
            "event_id": f"{self.names['clicks']}-0-{offset}",
            "user_id": "alice",
            "user_name": "Alice",
            "country": "US",
            "plan_tier": "free",
            "page_url": "/",
            "action": "view",
            "timestamp": 5 + offset,
            "channel": "web",
            "blown": "",
        }

    def _count(self, clicks: int) -> dict[str, Any]:
        return {"user_id": "alice", "window_start": 0, "window_end": WINDOW_MS, "clicks": clicks}

    def _action(self, value: int) -> dict[str, Any]:
        return {"metric": "actions", "window_start": 0, "keys": {"action": "view"}, "value": value}

    def _session(self, clicks: int, end: int = 6, start: int = 5) -> tuple[int, dict[str, Any]]:
        body = {"user_id": "alice", "session_start": start, "session_end": end, "clicks": clicks}
        return start, body | {"open": True}

    def verdict(self, bootstrap: str) -> Verdict:
        """Write everything and return what the checker says."""
        producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True})
        for value in (click(5), click(6), b"{"):
            producer.produce(self.names["clicks"], value, b"alice", 0)
        producer.produce(self.names["clicks"], b"[[", b"\xff", 0, headers={"odd": "brackets"})
        for offset, value in self.replayed:
            first: dict[str, str | bytes | None] = {"replay-of": f"{self.names['clicks']}-0-{offset}"}
            producer.produce(self.names["clicks"], value, b"alice", 0, headers=first)
        for topic, values in (
            ("enriched", self.enriched),
            ("metrics", self.metrics),
            ("actions", self.actions),
        ):
            for record in values:
                producer.produce(self.names[topic], json.dumps(record), b"alice", 0)
        for start, body in self.sessions:
            text = None if body is None else json.dumps(body)
            producer.produce(self.names["sessions"], text, f'["alice",{start}]', 0)
        for offset in self.moved:
            place: dict[str, str | bytes | None] = {"place": f"{self.names['clicks']}-0-{offset}"}
            producer.produce(self.names[ARRIVALS], click(5 + offset), b"alice", 0, headers=place)
        for offset, reason in self.dead:
            headers: dict[str, str | bytes | None] = {
                "reason": reason,
                "source-partition": "0",
                "source-offset": str(offset),
            }
            producer.produce(self.names["dead"], b"{", b"alice", 0, headers=headers)
        producer.flush()
        return Checker(bootstrap, self.names, 1, PROFILES, WINDOW_MS, GRACE_MS, ADDED).check()


def test_right_outputs_are_complete(kafka: Kafka, topics: Topics) -> None:
    assert Outputs(topics).verdict(kafka.bootstrap).complete()


@pytest.mark.parametrize(("place", "missing"), [(2, 0), (4, 1)], ids=["its first place", "where it lies now"])
def test_a_replayed_click_comes_out_under_its_first_place(
    place: int, missing: int, kafka: Kafka, topics: Topics
) -> None:
    outputs = Outputs(topics)
    outputs.replayed = [(2, click(9))]
    outputs.enriched.append(outputs._enriched(place) | {"timestamp": 9})
    outputs.metrics.append(outputs._count(3))
    outputs.actions.append(outputs._action(3))
    outputs.sessions.append(outputs._session(3, 9))
    verdict = outputs.verdict(kafka.bootstrap)
    assert (verdict.missing, verdict.contradictions) == (missing, missing), verdict.examples


@pytest.mark.parametrize(
    ("break_it", "expected"),
    [
        pytest.param(lambda o: o.enriched.pop(), (1, 0, 0), id="a click is missing"),
        pytest.param(lambda o: o.enriched.append(o.enriched[0]), (0, 1, 0), id="a click comes twice"),
        pytest.param(lambda o: o.enriched[1].update(country="FR"), (0, 0, 1), id="another country"),
        pytest.param(lambda o: o.metrics.pop(), (1, 0, 0), id="the last count is missing"),
        pytest.param(lambda o: o.metrics.append(o._count(3)), (0, 0, 1), id="counted too often"),
        pytest.param(lambda o: o.metrics.insert(1, o._count(1)), (0, 0, 1), id="a count stands still"),
        pytest.param(lambda o: o.actions.pop(), (1, 0, 0), id="the metric's last value is missing"),
        pytest.param(lambda o: o.actions.append(o._action(3)), (0, 1, 0), id="the metric counts too much"),
        pytest.param(lambda o: o.actions.insert(1, o._action(1)), (0, 0, 1), id="a value stands still"),
        pytest.param(lambda o: o.sessions.pop(), (1, 0, 0), id="a session's last record is missing"),
        pytest.param(lambda o: o.sessions.append(o._session(3)), (0, 1, 0), id="a session has too many"),
        pytest.param(lambda o: o.sessions.append(o._session(2, 7)), (0, 0, 1), id="it ends elsewhere"),
        pytest.param(lambda o: o.sessions.append(o._session(2, 6, 4)), (0, 0, 2), id="an old key stays"),
        pytest.param(lambda o: o.sessions.append((5, None)), (2, 0, 0), id="a tombstone too many"),
        pytest.param(lambda o: o.dead.pop(), (1, 0, 0), id="a dead letter is missing"),
        pytest.param(lambda o: o.dead.append((2, "not-json")), (0, 1, 0), id="a dead letter comes twice"),
        pytest.param(lambda o: o.dead.append((1, "late")), (0, 0, 1), id="a good click is a dead letter"),
        pytest.param(lambda o: o.dead.append((3, "late")), (0, 1, 0), id="an odd record comes twice"),
        pytest.param(
            lambda o: o.enriched.append(o._enriched(3)), (0, 1, 0), id="an odd record comes both ways"
        ),
    ],
)
def test_the_checker_finds_one_wrong_thing(
    break_it: Callable[[Outputs], object], expected: tuple[int, int, int], kafka: Kafka, topics: Topics
) -> None:
    outputs = Outputs(topics)
    break_it(outputs)
    verdict = outputs.verdict(kafka.bootstrap)
    assert (verdict.missing, verdict.doubled, verdict.contradictions) == expected, verdict.examples


@pytest.mark.parametrize(
    ("moved", "said"),
    [
        pytest.param([0, 1], "", id="each once"),
        pytest.param([1, 0], "", id="in another order"),
        pytest.param([0, 1, 1], "doubled: (0, 1) was moved twice", id="one twice"),
        pytest.param([0], "missing: (0, 1) is not moved", id="one not at all"),
    ],
)
def test_the_checker_finds_a_click_of_any_key_that_is_not_moved_once(
    moved: list[int], said: str, kafka: Kafka, topics: Topics
) -> None:
    outputs = Outputs(topics)
    outputs.names[ARRIVALS], outputs.moved = topics.create(topics.unique(ARRIVALS)), moved
    verdict = outputs.verdict(kafka.bootstrap)
    assert verdict.complete() is not bool(said)
    assert not said or said in verdict.examples


def chunk(count: int) -> bytes:
    """Return a stored chunk with one window, as docs/adr/0001-state-layout.md says."""
    return struct.pack("<BHII", 1, 1, 5, count) + struct.pack("<HII", 0, count, 5_000)


def database_of(folder: Path, entries: dict[bytes, bytes]) -> Path:
    database = Rdict(str(folder), Options(raw_mode=True))
    for key, value in entries.items():
        database[key] = value
    database.close()
    return folder


GOOD = {
    b"m": b"a checkpoint",
    b"palice": json.dumps({"user_id": "alice", **PROFILES["alice"]}).encode(),
    b"c" + WINDOW_MS.to_bytes(8, "big") + b"alice": chunk(3),
}
STATE = State(PROFILES, {("alice", WINDOW_MS): 3}, {"alice"})


def test_a_right_database_agrees_with_the_model(tmp_path: Path) -> None:
    assert compare(database_of(tmp_path / "db", GOOD), STATE, WINDOW_MS) == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        pytest.param(
            {b"c" + WINDOW_MS.to_bytes(8, "big") + b"alice": chunk(4)},
            "count of ('alice', 60000) is 4, not 3",
            id="counted too often",
        ),
        pytest.param(
            {b"c" + bytes(8) + b"alice": chunk(1)},
            "count of ('alice', 0) is 1, not None",
            id="a window that should not be there",
        ),
        pytest.param({b"palice": b"{}"}, "profile of alice is {}", id="another profile"),
    ],
)
def test_a_database_wrong_in_one_entry_is_found(wrong: dict[bytes, bytes], said: str, tmp_path: Path) -> None:
    assert compare(database_of(tmp_path / "db", GOOD | wrong), STATE, WINDOW_MS) == [said]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        pytest.param(b"c", "count of ('alice', 60000) is None, not 3", id="count"),
        pytest.param(b"p", "profile of alice is {}", id="profile"),
    ],
)
def test_a_missing_entry_is_found(kind: bytes, said: str, tmp_path: Path) -> None:
    entries = {key: value for key, value in GOOD.items() if not key.startswith(kind)}
    assert compare(database_of(tmp_path / "db", entries), STATE, WINDOW_MS) == [said]


def test_a_damaged_block_is_damage_and_not_the_end(tmp_path: Path) -> None:
    others = {
        b"pz%05d" % number: json.dumps(random.Random(number).randbytes(40).hex()).encode()
        for number in range(2_000)
    }
    folder = database_of(tmp_path / "db", GOOD | others)
    table = max(folder.glob("*.sst"), key=lambda file: file.stat().st_size)
    content = bytearray(table.read_bytes())
    content[len(content) // 3] ^= 0x55
    table.write_bytes(content)
    with pytest.raises(Damaged):
        compare(folder, STATE, WINDOW_MS)
