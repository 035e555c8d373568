"""Random histories against a naive model, with commits, rollbacks and restores from the changelog in between.

The model keeps every counted event in a list and counts from scratch. After each commit the store, a store
restored from the changelog, and the emitted counts must agree with it.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from clickstream_local.testing.randomised import examples
from clickstream_processor.state.changelog_applier import ChangelogApplier
from clickstream_processor.state.checkpoint import Position
from clickstream_processor.state.memory import MemoryShares, StateMemory
from clickstream_processor.state.overlay import TaskState
from clickstream_processor.state.reads import Span, user_metrics, window_page
from clickstream_processor.state.store import TaskStore
from clickstream_processor.topology import keys
from clickstream_processor.topology.pipeline import Pipeline
from clickstream_processor.topology.plan import Plan
from clickstream_processor.topology.records.partitioning import murmur2_partition
from hypothesis import given, settings
from hypothesis import strategies as st
from processor_support.lines.sample_line import Captured, click, profile, read_whole, record

USERS = ("a", "b")
MAX_FUTURE_MS = 60_000
PLANS = [
    replace(plan, max_future_ms=MAX_FUTURE_MS)
    for plan in (
        Plan("t", 1, size_ms=10_000, grace_ms=25_000, retention_ms=20_000),
        Plan("t", 1, size_ms=1_500, grace_ms=0, retention_ms=0, emit="final"),
        Plan("t", 1, size_ms=10_000, advance_ms=3_000, grace_ms=2_000, retention_ms=5_000, join="left"),
        Plan("t", 1, size_ms=4_000, advance_ms=2_000, grace_ms=1_000, retention_ms=5_000, emit="final"),
        Plan("t", 1, size_ms=10_000, advance_ms=7_000, grace_ms=9_000, retention_ms=0),
    )
]

# (what, user, time step, lead): mostly clicks; steps go backwards, too; some clocks are fast
KINDS = ["click"] * 16 + [
    "profile",
    "profile",
    "delete",
    "commit",
    "commit",
    "rollback",
    "restart",
    "rebuild",
]
STEPS = st.one_of(st.integers(-14_000, 9_000), st.integers(-2_500, 3_000), st.integers(-300, 900))
LEADS = st.one_of(st.just(0), st.just(0), st.integers(0, 3_000), st.integers(0, MAX_FUTURE_MS + 1))
EVENTS = st.lists(
    st.tuples(st.sampled_from(KINDS), st.sampled_from(USERS), STEPS, LEADS), min_size=10, max_size=60
)


@dataclass
class Model:
    """What should be, from lists of events."""

    plan: Plan
    profiles: set[str] = field(default_factory=set)
    counted: list[tuple[str, int, list[int]]] = field(default_factory=list)  # user, event time, windows
    stream_ms: int = -1
    enriched: int = 0
    late: int = 0

    def click(self, user: str, event_ms: int, record_ms: int) -> None:
        if event_ms > record_ms + self.plan.max_future_ms:
            return
        if user not in self.profiles and self.plan.join == "inner":
            return
        self.enriched += 1
        self.stream_ms = max(self.stream_ms, min(event_ms, record_ms + self.plan.grace_ms))
        step = self.plan.step_ms
        starts = [
            start
            for start in range(0, event_ms + 1, step)
            if start + self.plan.size_ms > event_ms
            and start + self.plan.size_ms + self.plan.grace_ms > self.stream_ms
        ]
        if starts:
            self.counted.append((user, event_ms, starts))
        else:
            self.late += 1

    def windows(self) -> dict[tuple[str, int], tuple[int, int]]:
        found: dict[tuple[str, int], tuple[int, int]] = {}
        for user, event_ms, starts in self.counted:
            for start in starts:
                count, latest = found.get((user, start), (0, 0))
                found[user, start] = (count + 1, max(latest, event_ms))
        return found

    def rolling(self, user: str, at_ms: int) -> int:
        second = at_ms // 1000
        return sum(
            name == user and second * 1000 - self.plan.size_ms < event_ms // 1000 * 1000 <= second * 1000
            for name, event_ms, _ in self.counted
        )


@contextmanager
def stores() -> Iterator[tuple[Path, StateMemory]]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder), StateMemory(MemoryShares.of_limit(0))


class Task:
    """A task, its log of committed records, and what it has emitted in committed transactions."""

    def __init__(self, plan: Plan, folder: Path, memory: StateMemory) -> None:
        self.plan, self.folder, self.memory = plan, folder, memory
        self.changelog: list[tuple[bytes, bytes]] = []
        self.table: list[tuple[bytes, bytes | None]] = []  # the profiles topic
        self.emitted: list[tuple[str, int, int, int]] = []
        self.stores = 0
        self.store = self.open_new()
        self.begin()

    def open_new(self) -> TaskStore:
        self.stores += 1
        return TaskStore.open(self.folder / str(self.stores), self.memory)

    def begin(self) -> None:
        self.out = Captured()
        self.state = TaskState(self.store, self.plan, cached_users=2)
        self.line = Pipeline(self.plan, self.state, 0, self.out)

    def commit(self, at: int) -> None:
        changes = self.line.flush()
        self.changelog += changes
        self.emitted += self.out.windows()
        self.out.counts.clear()
        state = self.state
        position = Position(
            at, state.stream_ms, state.closed_ms, at, record_ms=state.record_ms, ahead_ms=state.ahead_ms
        )
        self.state.commit(position, len(self.changelog))

    def rollback(self) -> None:
        self.line.flush()  # as when the commit fails
        self.out.counts.clear()
        self.state.rollback()

    def restart(self) -> None:
        self.store.close()
        self.store = TaskStore.open(self.store.path, self.memory)
        self.begin()
        offset = max(0, self.state.profiles_offset)
        self.line.profiles([record(k, v, offset + i) for i, (k, v) in enumerate(self.table[offset:])])

    def rebuild(self) -> None:
        position = self.store.checkpoint.position
        self.store.close()
        self.store = self.restored(position)
        self.begin()

    def restored(self, position: Position | None) -> TaskStore:
        store = self.open_new()
        restorer = ChangelogApplier(store, self.plan, 0, murmur2_partition)
        for at in range(0, len(self.changelog), 3):
            batch = self.changelog[at : at + 3]
            restorer.changelog([record(k, v, at + i) for i, (k, v) in enumerate(batch)])
        restorer.profiles([record(k, v, i) for i, (k, v) in enumerate(self.table)])
        restorer.finish(position, len(self.changelog), 0)
        return store


def chunks(store: TaskStore, from_ms: int) -> list[tuple[bytes, bytes]]:
    return list(store.scan(keys.chunk_bound(from_ms), b"d"))


@pytest.mark.parametrize("plan", PLANS, ids=["tumbling", "final", "hopping", "hopping-final", "uneven"])
@settings(max_examples=examples(20), deadline=None)
@given(events=EVENTS)
def test_any_history_ends_as_the_naive_model_says(
    plan: Plan, events: list[tuple[str, str, int, int]]
) -> None:
    with stores() as (folder, memory):
        task, model = Task(plan, folder, memory), Model(plan)
        now_ms = record_ms = 50_000
        events = [("profile", user, 0, 0) for user in USERS] + events
        saved = Model(plan)  # as of the last commit
        for at, (what, user, step_ms, lead_ms) in enumerate([*events, ("commit", "", 0, 0)]):
            if what == "click":
                now_ms = max(0, now_ms + step_ms)
                record_ms = max(record_ms, now_ms)
                task.line.clicks([click(user, now_ms + lead_ms, at, record_ms)])
                model.click(user, now_ms + lead_ms, record_ms)
            elif what in ("profile", "delete"):
                message = (
                    profile(user, len(task.table))
                    if what == "profile"
                    else record(user.encode(), None, len(task.table))
                )
                task.table.append((user.encode(), message.value()))
                task.line.profiles([message])
                (model.profiles.add if what == "profile" else model.profiles.discard)(user)
            elif what == "commit":
                task.commit(at)
                saved = copied(model)
            elif what == "rollback":
                task.rollback()
                model = copied(saved, model.profiles)
            else:  # a restart: what was not committed is gone, the profiles topic is read on
                task.restart() if what == "restart" else task.rebuild()
                model = copied(saved, model.profiles)
        check(task, model, now_ms)
        task.store.close()


def copied(model: Model, profiles: set[str] | None = None) -> Model:
    return Model(
        model.plan,
        set(model.profiles if profiles is None else profiles),
        list(model.counted),
        model.stream_ms,
        model.enriched,
        model.late,
    )


def check(task: Task, model: Model, now_ms: int) -> None:
    plan, store = task.plan, task.store
    assert task.state.stream_ms == model.stream_ms
    kept_ms = plan.expired_before_ms(model.stream_ms)
    windows = model.windows()
    found: dict[tuple[str, int], int] = {}
    for key, value in chunks(store, kept_ms):
        start_ms = keys.chunk_start_ms(key)
        user = key[keys.CHUNK_USER :].decode()
        page = read_whole(window_page(store, plan, user, start_ms + plan.size_ms, Span(limit=1_000)))
        assert page.next_to_ms is None
        found |= {(user, w.start_ms): w.clicks for w in page.windows}
        assert value
    reach_ms = kept_ms if plan.tumbling else kept_ms + plan.size_ms
    expected = {k: count for k, (count, _) in windows.items() if k[1] >= reach_ms}
    assert {k: v for k, v in found.items() if k[1] >= reach_ms} == expected
    last: dict[tuple[str, int], tuple[int, int]] = {}
    for user, start_ms, count, latest_ms in task.emitted:
        if plan.emit == "final":
            assert (user, start_ms) not in last, "a final result came twice"
        last[user, start_ms] = (count, latest_ms)
    closed = {k: v for k, v in windows.items() if k[1] + plan.size_ms + plan.grace_ms <= model.stream_ms}
    assert last == (closed if plan.emit == "final" else windows)
    for user in USERS:
        for at_ms in (now_ms, model.stream_ms, model.stream_ms - 1_700, now_ms + 20_000, now_ms + 50_000):
            if at_ms - plan.size_ms - 1_000 >= kept_ms:
                metrics = read_whole(user_metrics(store, plan, user, at_ms))
                assert (metrics.rolling if metrics else 0) == model.rolling(user, at_ms)
    other = task.restored(store.checkpoint.position)
    assert chunks(other, kept_ms) == chunks(store, kept_ms)
    assert list(other.scan(b"p", b"q")) == list(store.scan(b"p", b"q"))
    other.close()
