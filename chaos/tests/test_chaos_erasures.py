"""The fault suite's judge of erasures: what it expects of an erased user, and what it finds left behind."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from clickstream_chaos.checking.checker import ARRIVALS, READ, Checker, Verdict
from clickstream_chaos.checking.model import Input, Model
from clickstream_chaos.checking.traces import ChangelogTraces, Heartbeats, sign, users_in_files
from clickstream_chaos.load.pool import page
from clickstream_chaos.pipeline import ADDED
from clickstream_local.parts.kafka import Kafka
from clickstream_local.testing.fixtures import Topics
from confluent_kafka import Message, Producer
from rocksdict import CompactOptions, DBCompressionType, Options, Rdict

USER, OTHER = "returning-0", "returning-1"
PROFILE = {"name": "N", "country": "US", "plan_tier": "free"}
PROFILES = {USER: PROFILE, OTHER: PROFILE}
WINDOW_MS, GRACE_MS = 60_000, 10_000


def click(number: int, user: str = USER) -> bytes:
    body = {"user_id": user, "page_url": "/", "action": "view", "timestamp": 5 + number}
    return json.dumps(body | {"message_id": f"{user}-{number}"}).encode()


def model_of(*steps: int | str, dedup: bool = False) -> Model:
    """Return a model that was fed with clicks by their numbers, and with erasures of users."""
    model = Model("clicks", PROFILES, WINDOW_MS, GRACE_MS, ADDED, dedup=dedup)
    model.feed(
        Input(0, offset, USER.encode(), click(step))
        if isinstance(step, int)
        else Input(0, offset, step.encode(), b"{}", erases=step)
        for offset, step in enumerate(steps)
    )
    return model


def test_an_erased_user_counts_from_the_erasure_on() -> None:
    expected = model_of(0, 1, USER, 2).expected
    assert expected.counts == {(USER, 0): 1}
    assert expected.forgotten == {(USER, 0): 2}
    assert len(expected.enriched) == 3
    assert [each["timestamp"] for each in expected.remembered()] == [7]
    assert expected.gone() == set()


def test_who_never_clicks_again_is_gone_and_others_are_as_they_were() -> None:
    assert model_of(0, USER).expected.gone() == {USER}
    assert model_of(0, OTHER).expected.counts == {(USER, 0): 1}


def test_a_message_id_from_before_the_erasure_is_new_again() -> None:
    assert model_of(0, 0, dedup=True).expected.repeated == 1
    again = model_of(0, USER, 0, dedup=True).expected
    assert (again.repeated, again.counts) == (0, {(USER, 0): 1})


class Outputs:
    """Two clicks of a user, the erasure, and a third; a test changes one thing."""

    def __init__(self, topics: Topics, *, any_key: bool = False) -> None:
        self.names = {name: topics.create(topics.unique(name)) for name in READ}
        if any_key:
            self.names[ARRIVALS] = topics.create(topics.unique(ARRIVALS))
        self.counts = [1, 2, 1]
        self.sessions: list[tuple[int, dict[str, Any] | None]] = [
            (5, self.session(5, 6, 2)),
            (5, None),
            (0, None),
            (7, self.session(7, 7, 1)),
        ]

    def session(self, start: int, end: int, clicks: int) -> dict[str, Any]:
        return {"user_id": USER, "session_start": start, "session_end": end, "clicks": clicks, "open": True}

    def verdict(self, bootstrap: str) -> Verdict:
        """Write everything and return what the checker says."""
        producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True})
        erasure: dict[str, str | bytes | None] = {"erasure": "chaos.run/erasure-0"}
        clicks, arrivals = self.names["clicks"], self.names.get(ARRIVALS)
        for offset in range(3):
            if offset == 2:
                producer.produce(arrivals or clicks, b"{}", USER, 0, headers=erasure)
            producer.produce(clicks, click(offset), USER, 0)
            if arrivals:
                place: dict[str, str | bytes | None] = {"place": f"{clicks}-0-{offset}"}
                producer.produce(arrivals, click(offset), USER, 0, headers=place)
        for number in range(3):
            offset = number if arrivals or number < 2 else 3
            body = {"user_id": USER, "page_url": "/", "action": "view", "timestamp": 5 + number}
            profile = {"user_name": "N", "country": "US", "plan_tier": "free"}
            record = {"event_id": f"{clicks}-0-{offset}", **body, **profile, **ADDED}
            producer.produce(self.names["enriched"], json.dumps(record), USER, 0)
            metric = {"metric": "actions", "window_start": 0, "keys": {"action": "view"}, "value": number + 1}
            producer.produce(self.names["actions"], json.dumps(metric), "view", 0)
        for count in self.counts:
            record = {"user_id": USER, "window_start": 0, "window_end": WINDOW_MS, "clicks": count}
            producer.produce(self.names["metrics"], json.dumps(record), USER, 0)
        for start, session in self.sessions:
            text = None if session is None else json.dumps(session)
            producer.produce(self.names["sessions"], text, json.dumps([USER, start]), 0)
        producer.flush()
        return Checker(bootstrap, self.names, 1, PROFILES, WINDOW_MS, GRACE_MS, ADDED).check()


@pytest.mark.parametrize("any_key", [False, True], ids=["murmur2", "any"])
def test_right_outputs_of_an_erased_user_are_complete(any_key: bool, kafka: Kafka, topics: Topics) -> None:
    verdict = Outputs(topics, any_key=any_key).verdict(kafka.bootstrap)
    assert verdict.complete(), verdict.examples


@pytest.mark.parametrize(
    ("break_it", "expected"),
    [
        pytest.param(lambda o: o.counts.pop(), (1, 0, 0), id="the count does not begin anew"),
        pytest.param(lambda o: o.counts.append(3), (0, 0, 1), id="clicks from before count again"),
        pytest.param(lambda o: o.counts.extend([2, 1]), (0, 0, 1), id="the count falls twice"),
        pytest.param(lambda o: o.sessions.pop(1), (1, 0, 0), id="the old session stays"),
        pytest.param(
            lambda o: o.sessions.append((7, o.session(5, 7, 3))),
            (2, 0, 0),
            id="the session has the old clicks",
        ),
    ],
)
def test_what_an_erasure_left_behind_is_found_in_the_outputs(
    break_it: Callable[[Outputs], object], expected: tuple[int, int, int], kafka: Kafka, topics: Topics
) -> None:
    outputs = Outputs(topics)
    break_it(outputs)
    verdict = outputs.verdict(kafka.bootstrap)
    assert (verdict.missing, verdict.doubled, verdict.contradictions) == expected, verdict.examples


def record(offset: int, key: bytes, value: bytes | None, partition: int = 0) -> Message:
    return Message(topic="t", partition=partition, offset=offset, key=key, value=value)


CHUNK = b"c" + (60_000).to_bytes(8, "big") + USER.encode()


@pytest.mark.parametrize(
    ("records", "said"),
    [
        pytest.param([(CHUNK, b"1"), (CHUNK, None), (sign(USER), None)], "", id="a tombstone"),
        pytest.param([(CHUNK, b"1"), (sign(USER), None), (CHUNK, b"1")], "", id="a value that is newer"),
        pytest.param([(b"p" + OTHER.encode(), b"1"), (sign(USER), None)], "", id="another user"),
        pytest.param([(CHUNK, b"1"), (sign(USER), None)], "the changelog has", id="a value that is older"),
        pytest.param([(CHUNK, b"1")], "no sign", id="no sign"),
        pytest.param([], "", id="all of it compacted away"),
    ],
)
def test_what_an_erasure_left_behind_is_found_in_the_changelog(
    records: list[tuple[bytes, bytes | None]], said: str
) -> None:
    traces = ChangelogTraces([USER])
    traces.take(record(offset, *each) for offset, each in enumerate(records))
    assert (said in " ".join(traces.wrong())) if said else traces.wrong() == []


@pytest.mark.parametrize(
    ("applied", "unpurged", "left"),
    [(8, False, []), (7, False, ["clicks-0 on pod 1"]), (8, True, ["clicks-0 on pod 1"])],
    ids=["done", "it has not come so far", "files are not rewritten"],
)
def test_pods_that_may_have_erased_users_in_their_files_are_named(
    applied: int, unpurged: bool, left: list[str]
) -> None:
    heartbeats = Heartbeats()
    tasks = {"clicks-0": {"applied": applied, "unpurged": unpurged}, "metrics-0": {"applied": -1}}
    body = {"version": 1, "ordinal": 1, "tasks": tasks}
    heartbeats.take([record(0, b"pod/1", json.dumps(body).encode()), record(1, b"task/clicks-0", b"{}")])
    assert heartbeats.unpurged([1], {0: 7}) == left


@pytest.mark.parametrize("purged", [False, True], ids=["deleted", "deleted and rewritten"])
def test_who_is_deleted_is_in_the_files_until_they_are_rewritten(purged: bool, tmp_path: Path) -> None:
    options = Options(raw_mode=True)
    options.set_compression_type(DBCompressionType.lz4())
    options.set_disable_auto_compactions(True)
    database = Rdict(str(tmp_path / "db"), options)
    users = [f"leaving-{number:02d}" for number in range(40)]
    for name in users:
        database[b"s" + name.encode()] = 2 * (b"\x1e" + page(name).encode())
    database.flush()
    for name in users[:20]:
        del database[b"s" + name.encode()]
    database.flush()
    if purged:
        database.compact_range(None, None, CompactOptions())
    database.close()
    found = users_in_files(tmp_path / "db", users)
    assert set(users[:20]) & set(found) == (set() if purged else set(users[:20]))
    assert set(found) >= set(users[20:])
