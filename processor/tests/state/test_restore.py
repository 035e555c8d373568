"""Restore and standby: what is applied, what the checkpoint says of it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from clickstream_processor.errors import LayoutChanged, StateCorrupted
from clickstream_processor.state.changelog_applier import ChangelogApplier
from clickstream_processor.state.checkpoint import Checkpoint, Position
from clickstream_processor.state.memory import MemoryShares, StateMemory
from clickstream_processor.state.overlay import TaskState
from clickstream_processor.state.store import TaskStore
from clickstream_processor.topology import keys
from clickstream_processor.topology.pipeline import Pipeline
from clickstream_processor.topology.plan import Plan
from clickstream_processor.topology.records.partitioning import murmur2_partition
from processor_support.lines.sample_line import T0, Captured, click, profile, record

PLAN = Plan("t", 1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[TaskStore]:
    opened = TaskStore.open(tmp_path / "clicks-0", StateMemory(MemoryShares.of_limit(0)))
    yield opened
    opened.close()


def restorer(store: TaskStore, plan: Plan = PLAN) -> ChangelogApplier:
    return ChangelogApplier(store, plan, 0, murmur2_partition)


def test_a_batch_is_stored_with_the_offset_after_it_and_clears_the_owners_mark(store: TaskStore) -> None:
    store.write([], Checkpoint(owner_mark=True, position=Position(5), profiles_offset=3))
    restorer(store).changelog(
        [record(keys.chunk_key(T0, b"a"), b"1", 10), record(keys.chunk_key(T0, b"b"), b"2", 17)]
    )
    assert store.checkpoint.changelog_offset == 18
    assert not store.checkpoint.owner_mark
    assert (store.checkpoint.position, store.checkpoint.profiles_offset) == (Position(5), 3)
    assert [value for _, value in store.scan(b"c", b"d")] == [b"1", b"2"]


def test_the_last_record_of_a_key_stays_and_a_tombstone_removes(store: TaskStore) -> None:
    a, b = keys.chunk_key(T0, b"a"), keys.chunk_key(T0, b"b")
    restorer(store).changelog(
        [record(a, b"1", 1), record(b, b"1", 2), record(a, b"2", 3), record(b, None, 4)]
    )
    assert list(store.scan(b"c", b"d")) == [(a, b"2")]


def test_finish_gives_the_state_to_a_position(store: TaskStore) -> None:
    applier = restorer(store)
    applier.changelog([record(keys.chunk_key(T0, b"a"), b"1", 1)])
    applier.caught_up(5, 6, 7)
    assert (store.checkpoint.changelog_offset, store.checkpoint.profiles_offset) == (5, 6)
    assert (store.checkpoint.proved_at_ms, store.checkpoint.owner_mark) == (7, False)
    applier.finish(Position(9, T0, T0 + 1), 8, 10)
    dropped_ms = PLAN.expired_before_ms(T0 - PLAN.most_ahead_ms)
    assert store.checkpoint == Checkpoint(8, 6, Position(9, T0, T0 + 1), 10, True, PLAN.layout, dropped_ms)
    state = TaskState(store, PLAN)
    assert (state.stream_ms, state.closed_ms, state.profiles_offset) == (T0, T0 + 1, 6)


def test_a_standby_drops_expired_chunks_by_itself(store: TaskStore) -> None:
    applier = restorer(store, replace(PLAN, max_future_ms=0))
    hour = 3_600_000
    applier.changelog(
        [record(keys.chunk_key(T0, b"a"), b"1", 1), record(keys.chunk_key(T0 + hour, b"a"), b"1", 2)]
    )
    assert sum(1 for _ in store.scan(b"c", b"d")) == 2
    applier.changelog([record(keys.chunk_key(T0 + 2 * hour, b"a"), b"1", 3)])
    assert [keys.chunk_start_ms(key) for key, _ in store.scan(b"c", b"d")] == [T0 + hour, T0 + 2 * hour]


def test_a_fast_clock_makes_a_standby_drop_nothing_that_the_owner_keeps(store: TaskStore) -> None:
    plan = replace(PLAN, retention_ms=0)
    fast_ms = T0 + plan.max_future_ms
    restorer(store, plan).changelog(
        [record(keys.chunk_key(T0, b"a"), b"1", 1), record(keys.chunk_key(fast_ms, b"b"), b"1", 2)]
    )
    assert [keys.chunk_start_ms(key) for key, _ in store.scan(b"c", b"d")] == [T0, fast_ms]


def test_refused_profiles_are_named_and_passed(store: TaskStore) -> None:
    applier = restorer(store, Plan("t", 12))  # murmur2: bob is on partition 6 of 12, alice123 on 5
    refused = applier.profiles([profile("bob", 1), profile("alice123", 2), record(None, b"{}", 3)])
    reasons = [(message.offset(), reason) for message, reason, _ in refused]
    assert reasons == [(1, "wrong-partition"), (2, "wrong-partition"), (3, "null-key")]
    assert store.checkpoint.profiles_offset == 4
    fits = ChangelogApplier(store, Plan("t", 12), 5, murmur2_partition)
    refused = fits.profiles([profile("alice123", 5), record(b"alice123", b"{", 6)])
    assert [(message.offset(), reason) for message, reason, _ in refused] == [(6, "not-json")]
    assert store.get(b"palice123") is not None


def test_a_record_that_is_no_change_of_state_is_refused(store: TaskStore) -> None:
    for key in (None, b"", b"pbob", b"c123"):
        with pytest.raises(StateCorrupted):
            restorer(store).changelog([record(key, b"1", 1)])
    assert store.checkpoint == Checkpoint()


def test_a_changelog_of_other_windows_is_not_mixed_in(store: TaskStore) -> None:
    restorer(store).changelog([record(keys.chunk_key(T0, b"a"), b"1", 1)])
    with pytest.raises(LayoutChanged):
        restorer(store, Plan("t", 1, size_ms=60_000))


def test_profile_changes_survive_a_rollback_and_are_written_without_a_transaction(store: TaskStore) -> None:
    state, out = TaskState(store, PLAN), Captured()
    line = Pipeline(PLAN, state, 0, out)
    line.profiles([profile("alice", 4)])
    line.clicks([click("alice", T0)])
    line.flush()
    state.rollback()
    assert (state.stream_ms, store.get(b"palice")) == (-1, None)
    line.clicks([click("alice", T0 + 1)])
    assert len(out.clicks) == 2
    state.rollback()
    state.commit_profiles()
    assert store.get(b"palice") is not None
    assert (store.checkpoint.profiles_offset, store.checkpoint.position) == (5, None)


def test_a_commit_marks_the_owner_and_says_what_was_dropped(store: TaskStore) -> None:
    state = TaskState(store, PLAN)
    line = Pipeline(PLAN, state, 0, Captured())
    line.profiles([profile("alice")])
    line.clicks([click("alice", T0)])
    line.flush()
    state.commit(Position(1, state.stream_ms, state.closed_ms, 99), 42)
    assert store.checkpoint == Checkpoint(
        42, 1, Position(1, T0, T0, 99), 99, True, PLAN.layout, PLAN.expired_before_ms(T0)
    )
    assert PLAN.expired_before_ms(T0) % PLAN.size_ms == 0


def test_users_beyond_the_bound_fall_out_of_memory_and_come_back_as_they_were(store: TaskStore) -> None:
    state, out = TaskState(store, PLAN, cached_users=20), Captured()
    line = Pipeline(PLAN, state, 0, out)
    users = [f"user-{n}" for n in range(200)]
    line.profiles([profile(user) for user in users])
    for round_number in range(3):
        for at, user in enumerate(users):
            line.clicks([click(user, T0 + round_number, at)])
            if at % 10 == 9:
                line.flush()
                state.commit(Position(at, state.stream_ms, state.closed_ms), 1)
                assert len(state.users) + len(state.users.older) <= 40
    assert {v["user_id"]: v["clicks"] for v, _, _ in out.counts} == dict.fromkeys(users, 3)
