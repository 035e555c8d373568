"""Ids of clicks against a list that remembers all: out of order, through commits and restarts."""

import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from clickstream_processor.deduplication.deduplication import Deduplication
from clickstream_processor.deduplication.segment import MAX_ID_BYTES, SEGMENT_BYTES, entries, stored_id
from clickstream_processor.errors import StateCorrupted
from clickstream_processor.state.checkpoint import Checkpoint
from clickstream_processor.topology import keys
from hypothesis import given
from hypothesis import strategies as st
from processor_support.lines.sample_line import DictStore, click

WITHIN = 60_000
USERS = ("a", "ab", "b\x00", "ü")


@dataclass
class Task:
    """The ids of a task as the line uses them, over a store in a dict."""

    cached: int = 100_000
    named: str = "message_id"
    store: DictStore = field(default_factory=DictStore)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Begin with what is committed."""
        self.ids = Deduplication(self.named, WITHIN, self.store, self.cached)

    def take(self, user: str, record_ms: int, name: object, *, goes_on: bool = True) -> bool:
        """Return whether a click goes on."""
        given: dict[str, Any] = {} if name is None else {self.named: name}
        message = click(user, 5, record_ms=record_ms, **given)
        decoded = self.ids.decode(message.value() or b"")
        if self.ids.is_duplicate(decoded, None, user.encode(), message):
            return False
        if goes_on:
            self.ids.remember()
        return True

    def commit(self) -> int:
        """Commit as TaskState does; return how many bytes went to the changelog."""
        changes = self.ids.flush()
        self.store.write(changes, Checkpoint(), expired=self.ids.expired())
        return sum(len(value or b"") for _, value in changes)


class Naive:
    """Remembers all that ever went on."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, int, str]] = []
        self.committed = 0

    def take(self, user: str, record_ms: int, name: str) -> bool:
        if any((user, name) == (who, what) and abs(record_ms - at) <= WITHIN for who, at, what in self.taken):
            return False
        self.taken.append((user, record_ms, name))
        return True


@given(
    seed=st.integers(0, 1 << 30), cached=st.sampled_from((1, 1_000, 1 << 20)), names=st.sampled_from((3, 40))
)
def test_it_is_exact_out_of_order_and_through_commits_and_restarts(
    seed: int, cached: int, names: int
) -> None:
    chance = random.Random(seed)
    task, naive, now_ms = Task(cached), Naive(), 10 * WITHIN
    for _ in range(400):
        now_ms += chance.choice((0, 10, 1_000, 20_000))
        user, name = chance.choice(USERS), f"id-{chance.randrange(names)}"
        record_ms = now_ms - chance.choice((0, 0, 0, 500, WITHIN // 3, WITHIN))
        assert task.take(user, record_ms, name) == naive.take(user, record_ms, name)
        step = chance.random()
        if step < 0.2:
            task.commit()
            naive.committed = len(naive.taken)
        elif step < 0.25:  # the process ends: what was not committed comes again, here it never came
            task.start()
            del naive.taken[naive.committed :]


def name(number: int) -> str:
    """Return an id as long as most are."""
    return f"{number:036x}"


def test_ids_of_many_segments_come_back_after_a_restart_and_a_commit_writes_little() -> None:
    task, many = Task(), 20 * SEGMENT_BYTES // 41 + 7
    for number in range(many):
        assert task.take("a", WITHIN, name(number))
        if number % 10 == 9:
            assert task.commit() < 2 * SEGMENT_BYTES
    task.commit()
    task.start()
    assert not any(task.take("a", WITHIN, name(number)) for number in range(many))
    assert task.take("a", WITHIN, "another")


def test_segments_grow_again_after_a_restart() -> None:
    task, many = Task(), 3 * (SEGMENT_BYTES // 41 + 1)
    for number in range(many):
        assert task.take("a", WITHIN, name(number))
        task.commit()
        task.start()
    segments = [list(entries(value)) for value in task.store.rows.values()]
    assert [len(each) for each in segments] == [SEGMENT_BYTES // 41 + 1] * 3
    assert len({stored for each in segments for stored, _ in each}) == many


def test_an_id_within_another_is_another() -> None:
    """Ids are looked for among bytes: what looks like one in the middle of something else is none."""
    task = Task()
    assert task.take("a", WITHIN, "x\x03abcy")
    assert task.take("a", WITHIN, "abc")
    assert not task.take("a", WITHIN, "abc")
    assert task.take("a", 3 * WITHIN - 1, "\x01")


def test_what_jumps_over_intervals_within_one_commit_is_remembered() -> None:
    task = Task()
    assert task.take("a", 2 * WITHIN, "x")
    for far in (50, 9, 30):
        assert task.take("a", far * WITHIN, "far")
    assert task.take("a", 2 * WITHIN + 1, "y")
    task.commit()
    task.start()
    assert not task.take("a", 2 * WITHIN, "x")
    assert not task.take("a", 2 * WITHIN, "y")


class CountingStore(DictStore):
    """Counts look-ups."""

    looked_up = 0

    def get(self, key: bytes) -> bytes | None:
        self.looked_up += 1
        return super().get(key)


@pytest.mark.parametrize(("cached", "is_read_again"), [(10_000, True), (100_000_000, False)])
def test_memory_is_bounded_and_users_seen_of_late_stay_in_it(cached: int, is_read_again: bool) -> None:
    store = CountingStore()
    task = Task(cached, store=store)
    for number in range(2_000):
        assert task.take(f"user-{number}", WITHIN, name(number))
        assert task.take("always", WITHIN, name(number))
        if number % 100 == 99:
            task.commit()
    store.looked_up = 0
    assert not task.take("always", WITHIN, name(1))
    assert store.looked_up == 0
    assert not task.take("user-0", WITHIN, name(0))
    assert (store.looked_up > 0) == is_read_again


def test_what_did_not_go_on_is_not_remembered() -> None:
    task = Task()
    assert task.take("a", WITHIN, "x", goes_on=False)
    assert task.take("a", WITHIN, "x")
    assert not task.take("a", WITHIN, "x")


def test_old_ids_leave_the_state_and_one_record_from_the_future_takes_none_with_it() -> None:
    task = Task()
    for minute in range(1, 40):
        task.take("a", minute * WITHIN, f"id-{minute}")
        task.take("b", minute * WITHIN + (1 << 45 if minute == 30 else 0), f"id-{minute}")
        task.commit()
    starts = {keys.seen_start_ms(key) // WITHIN for key in task.store.rows}
    assert {start for start in starts if start < 1 << 20} == {37, 38, 39}
    assert not task.take("a", 39 * WITHIN, "id-38")


@pytest.mark.parametrize(
    ("value", "remembered"),
    [
        ("x", b"\1x"),
        ("", None),
        (None, None),
        (7, b"\x017"),
        (True, None),
        (1.5, None),
        (1 << 70, None),
        ({"a": 1}, None),
        (["x"], None),
        (-1, b"\2-1"),
        ("é" * (MAX_ID_BYTES // 2), b"\x40" + "é".encode() * (MAX_ID_BYTES // 2)),
    ],
)
def test_only_text_and_whole_numbers_are_ids(value: object, remembered: bytes | None) -> None:
    assert stored_id(value) == remembered
    task = Task()
    assert task.take("a", WITHIN, value)
    assert task.take("a", WITHIN, value) == (remembered is None)


def test_long_ids_are_told_apart_by_their_digests() -> None:
    task = Task()
    long = "x" * 5_000
    assert task.take("a", WITHIN, long + "1")
    assert task.take("a", WITHIN, long + "2")
    task.commit()
    task.start()
    assert not task.take("a", WITHIN, long + "1")


def test_the_field_is_any() -> None:
    task = Task(named="order_id")
    assert task.take("a", WITHIN, "x")
    assert not task.take("a", WITHIN, "x")


@pytest.mark.parametrize("damage", [b"\1x", b"\0\0\0\0\5a\1x", b"\0\0\0\0\1x\0\0"])
def test_a_damaged_segment_is_found_where_it_is_read(damage: bytes) -> None:
    task = Task()
    task.store.rows[keys.seen_key(WITHIN, b"a", 0)] = damage
    with pytest.raises(StateCorrupted):
        task.take("a", WITHIN, "x")


def test_keys_of_users_do_not_meet() -> None:
    made: dict[Any, Any] = {}
    for user in ("a", "a\0", "aa", "", "a\0\0\0\0"):
        for segment in (0, 1, 256):
            made[keys.seen_key(5, user.encode(), segment)] = user
    assert len(made) == 15
