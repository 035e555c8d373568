"""A clicks task that reads an erasure: what it forgets and tells, what a restore makes of its changelog."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from clickstream_local.testing.eventually import eventually
from clickstream_processor.stages.clicks import ClicksLine
from clickstream_processor.state.memory import MemoryShares, StateMemory
from clickstream_processor.state.store import TaskStore
from clickstream_processor.topology import keys
from clickstream_processor.topology.erasing import (
    body_of,
    erasure_in,
    header_of,
    keys_in,
    keys_of,
    sign_of,
    user_of,
)
from clickstream_processor.topology.interfaces import Message
from confluent_kafka import Message as KafkaMessage
from processor_support.lines.dedup_task import WITHIN, Task
from processor_support.lines.sample_line import T0, Captured, profile, record

USER, KEY = "alice", b"alice"
SESSIONS = {"gap": "30s", "grace": "10s", "topic": "visits"}


class Outputs(Captured):
    """What a task sends beside enriched clicks and counts: sessions, by key."""

    def __init__(self) -> None:
        super().__init__()
        self.visits: list[tuple[str, bool]] = []  # key, whether it has a value
        self.bare = False

    def send(self, topic: str, value: bytes | None, key: bytes, *_: Any) -> None:
        assert topic == "visits"
        self.visits.append((key.decode(), value is not None))


class ErasedTask(Task):
    """A task with dedup and sessions."""

    out: Outputs

    def start(self) -> None:
        self.out = Outputs()
        self.line = cast(ClicksLine, self.stage.line(self.store, 0, cast(Any, self.out), 1_000))

    def erase(self, user: str = USER, pipeline: str = "shop", more: Sequence[bytes] = ()) -> None:
        self.line.records([self.erasure(user, pipeline, more)])

    def erasure(self, user: str = USER, pipeline: str = "shop", more: Sequence[bytes] = ()) -> Message:
        name, value = header_of(pipeline, "gone")
        return self.kafka_record(user, body_of(more), [(name, str(value).encode())])

    def kafka_record(self, user: str, value: bytes, headers: Any = None) -> Message:
        made = KafkaMessage(  # type: ignore[call-overload,unused-ignore]
            topic="user-clicks",
            partition=0,
            offset=self.offset,
            key=user.encode(),
            value=value,
            headers=headers,
            timestamp=(1, T0),
        )
        self.offset += 1
        return cast(Message, made)

    def as_kafka_has_it(self, user: str = USER, after_ms: int = 0) -> Message:
        whole = {"user_id": user, "page_url": "/", "action": "view", "timestamp": T0 + self.offset + after_ms}
        return self.kafka_record(user, json.dumps(whole).encode())

    def of(self, user: bytes = KEY) -> list[bytes]:
        return list(keys_of(self.store, [user]))

    def counts(self) -> list[tuple[str, int]]:
        return [(body["user_id"], body["clicks"]) for body, _, _ in self.out.counts]


@pytest.fixture
def task(tmp_path: Path) -> Iterator[ErasedTask]:
    task = ErasedTask(tmp_path / "store", sessions=SESSIONS)
    task.line.table([profile("alice"), profile("alice2"), profile("bob")])
    task.line.state.commit_profiles()
    yield task
    task.store.close()


def filled(task: ErasedTask) -> None:
    """Let three users have counts in two windows, ids of two intervals and open sessions."""
    for at, user in enumerate(("alice", "bob", "alice2") * 3):
        task.click(f"x{at}", user)
    task.commit()
    for at, user in enumerate(("alice", "bob", "alice2")):
        task.click(f"y{at}", user, late_ms=WITHIN)
    task.commit()


def test_a_user_has_keys_of_every_kind_and_they_are_of_nobody_else(task: ErasedTask) -> None:
    filled(task)
    kinds = [key[:1] for key in task.of()]
    assert kinds == [keys.SESSIONS, keys.WAKE, keys.CHUNK, keys.SEEN, keys.SEEN]
    assert all(user_of(key) == KEY for key in task.of())
    in_store = [key for key, _ in task.store.scan(b"\0", b"\xff")]
    of_users = sorted(key for user in (b"alice", b"alice2", b"bob") for key in task.of(user))
    assert of_users == sorted(key for key in in_store if user_of(key) is not None)


def test_an_erasure_deletes_all_but_the_profile_and_writes_a_tombstone_for_each_key(task: ErasedTask) -> None:
    filled(task)
    before, others, written = task.of(), task.of(b"alice2") + task.of(b"bob"), len(task.changelog)
    task.out.visits.clear()
    task.erase()
    task.commit()
    assert task.of() == []
    assert task.of(b"alice2") + task.of(b"bob") == others
    assert task.store.get(keys.profile_key(KEY)) is not None
    assert dict(task.changelog[written:]) == dict.fromkeys([*before, sign_of(KEY)])
    assert task.out.visits == [(f'["alice",{T0}]', False), ('["alice",0]', False)]
    assert task.out.dead == []
    assert task.store.checkpoint.unpurged


def test_users_who_leave_together_go_as_they_would_one_by_one(task: ErasedTask) -> None:
    filled(task)
    before = task.of() + task.of(b"bob")
    written = len(task.changelog)
    task.line.records([task.erasure("alice"), task.erasure("bob"), task.as_kafka_has_it("alice2")])
    task.commit()
    assert task.of() + task.of(b"bob") == []
    told = {key for key, value in task.changelog[written:] if value is None}
    assert told - {key for key in told if user_of(key) == b"alice2"} == {
        *before,
        sign_of(KEY),
        sign_of(b"bob"),
    }
    assert task.counts()[-1] == ("alice2", 5)


def test_what_is_not_committed_yet_goes_as_well(task: ErasedTask) -> None:
    task.click("x")
    task.click("x", "bob")
    task.erase()
    task.commit()
    assert (task.of(), task.counts()) == ([], [("bob", 1)])


def test_uncommitted_counts_of_many_windows_go_wherever_they_are_held(task: ErasedTask) -> None:
    task.configure({"dedup": {}, "sessions": SESSIONS, "window": {"grace": "1h"}})
    task.start()
    times = [0, 300_000, 600_000, 0, 900_000, 300_000]  # more than a user has in hand at once
    task.line.records([task.as_kafka_has_it(user, after) for after in times for user in ("alice", "bob")])
    task.line.records([task.erasure(), task.as_kafka_has_it(after_ms=600_000)])
    task.commit()
    assert [count for user, count in task.counts() if user == "alice"] == [1]
    assert sorted(count for user, count in task.counts() if user == "bob") == [1, 1, 2, 2]


def test_clicks_behind_an_erasure_count_as_new_even_in_its_own_commit(task: ErasedTask) -> None:
    filled(task)
    written = len(task.changelog)
    task.out.counts.clear()
    task.erase()
    task.click("x0", late_ms=WITHIN)  # a duplicate of one that is forgotten
    task.commit()
    assert task.counts() == [("alice", 1)]
    chunk = keys.chunk_key(T0 - T0 % 300_000, KEY)
    said = [value is None for key, value in task.changelog[written:] if key == chunk]
    assert said == [True, False]  # the tombstone first
    task.start()
    task.click("z", late_ms=WITHIN)
    task.commit()
    assert task.counts() == [("alice", 2)]


def test_in_one_batch_it_parts_what_is_before_from_what_is_behind(task: ErasedTask) -> None:
    batch = [task.as_kafka_has_it() for _ in range(3)]
    batch.append(task.erasure())
    batch.append(task.as_kafka_has_it("bob"))
    batch.append(task.as_kafka_has_it())
    task.line.records(batch)
    task.commit()
    assert sorted(task.counts()) == [("alice", 1), ("bob", 1)]
    assert task.enriched() == [0, 1, 2, 4, 5]


def test_an_erasure_that_is_not_committed_has_not_been(task: ErasedTask) -> None:
    filled(task)
    before = task.of()
    task.erase()
    task.line.flush()
    task.line.state.rollback()
    assert task.of() == before
    task.start()
    task.click("z", late_ms=WITHIN)
    task.commit()
    assert task.counts() == [("alice", 5)]


def test_an_erasure_for_another_pipeline_is_passed_over(task: ErasedTask) -> None:
    filled(task)
    before = task.of()
    task.erase(pipeline="shop.other")
    task.commit()
    assert (task.of(), task.out.dead) == (before, [])


def test_keys_that_only_the_changelog_has_get_tombstones_and_those_of_others_do_not(task: ErasedTask) -> None:
    filled(task)
    expired, others = keys.chunk_key(300_000, KEY), keys.chunk_key(T0 - T0 % 300_000, b"bob")
    task.erase(more=[expired, others, keys.profile_key(KEY), b"m", b""])
    task.commit()
    said = dict(task.changelog)
    assert said[expired] is None
    assert said[others] is not None
    assert task.of(b"bob")
    assert task.store.get(keys.profile_key(KEY)) is not None


def test_a_restore_and_a_standby_end_where_the_owner_is(task: ErasedTask, tmp_path: Path) -> None:
    filled(task)
    task.erase()
    task.click("z", late_ms=WITHIN)
    task.commit()
    other = TaskStore.open(tmp_path / "clicks-0", StateMemory(MemoryShares.of_limit(0)))
    messages = [record(key, value, offset) for offset, (key, value) in enumerate(task.changelog)]
    task.stage.applier(other, 0).changelog(messages)
    assert other.checkpoint.unpurged
    assert [each for each in other.scan(b"\0", b"\xff") if each[0] != keys.CHECKPOINT] == [
        each for each in task.store.scan(b"\0", b"\xff") if each[0][:1] not in (keys.CHECKPOINT, keys.PROFILE)
    ]
    eventually(lambda: not other.unpurged, "the purge")
    other.close()


@pytest.mark.parametrize("value", [None, b"", b"[]", b"{", b"\xff", b'{"keys":[1]}', b'{"keys":["*"]}'])
def test_an_odd_value_names_no_keys(value: bytes | None) -> None:
    assert keys_in(value) == []


def test_headers_say_for_which_pipeline_an_erasure_is() -> None:
    assert erasure_in([("erasure", b"shop.storefront/gone")]) == "shop.storefront"
    assert erasure_in([("erasure", b"\xff/gone")]) != "shop"
    for other in ([], [("erasure", None)], [("replay", b"shop/gone")]):
        assert erasure_in(cast(Any, other)) is None
    assert keys_in(body_of([b"ca", b"\xff"])) == [b"ca", b"\xff"]
