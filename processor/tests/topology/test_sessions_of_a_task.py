"""A clicks task that keeps sessions, on a store of its own: what closes them, and metrics of those closed."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from clickstream_processor.settings.settings_file import load
from clickstream_processor.stages.clicks import ClicksLine, clicks_stage
from clickstream_processor.stages.programs import compile_programs, plan_of
from clickstream_processor.state.checkpoint import Position
from clickstream_processor.state.memory import MemoryShares, StateMemory
from clickstream_processor.state.store import TaskStore
from clickstream_processor.topology.interfaces import Headers
from clickstream_processor.topology.records.records import Click
from processor_support.lines.metrics_rig import MetricsTask, Record
from processor_support.lines.sample_line import T0, Captured, click, profile

GAP, GRACE = 30_000, 10_000
CLOSES = 2 * GAP + GRACE + 1  # after the last click
BY = {"page": "session.exit_page", "plan": "profile.plan_tier"}
DOCUMENT: dict[str, Any] = {
    "settingsVersion": 3,
    "name": "shop",
    "namespace": "shop",
    "id": "shop",
    "kafka": {"bootstrapServers": "nowhere:9092"},
    "topics": {"partitions": 1},
    "peers": {"host": "nowhere", "port": 1},
    "processing": {
        "sessions": {"gap": "30s", "grace": "10s", "topic": "visits"},
        "metrics": [
            {"name": "exits", "of": "sessions", "by": BY, "count": {}, "topic": "exits", "emit": "final"}
            | {"window": {"size": "1m", "grace": "0s"}},
            {"name": "views", "count": {}, "window": {"size": "1m", "grace": "0s"}, "topic": "views"},
        ],
    },
}


@dataclass
class Outputs(Captured):
    """What a task sends: sessions by their key, and partials."""

    bare: bool = False
    visits: dict[str, dict[str, Any] | None] = field(default_factory=dict)
    partials: list[Record] = field(default_factory=list)

    def send(
        self,
        topic: str,
        value: bytes | str | None,
        key: bytes | None,
        partition: int,
        on_delivery: None = None,
        callback: None = None,
        timestamp_ms: int = 0,
        headers: Headers = None,
        /,
    ) -> None:
        assert (partition, on_delivery, callback, headers) == (0, None, None, None)
        if topic == "visits":
            body = None if value is None else json.loads(value)
            assert body is None or body["session_end"] == timestamp_ms
            self.visits[(key or b"").decode()] = body
        else:
            assert topic == "shop-partials"
            self.partials.append(Record(key, cast(bytes, value)))


class Task:
    """The task and, behind it, that of the metrics."""

    def __init__(self, folder: Path) -> None:
        self._store = TaskStore.open(folder, StateMemory(MemoryShares.of_limit(1 << 28)))
        self._file = folder.with_suffix(".json")
        self._offset = 0
        self.configure(DOCUMENT["processing"])
        self.metrics = MetricsTask(self.programs.metrics)
        self.start()

    def configure(self, processing: dict[str, Any]) -> None:
        """Change the settings; `start` goes by them."""
        self._file.write_text(json.dumps(DOCUMENT | {"processing": processing}))
        settings = load({"CLICKSTREAM_SETTINGS": str(self._file), "CLICKSTREAM_ORDINAL": "0"})
        self.programs, plan = compile_programs(settings), plan_of(settings)
        self._stage = clicks_stage(settings, plan, self.programs)

    def start(self) -> None:
        """Begin anew with what is committed."""
        self.out = Outputs()
        self.line = cast(ClicksLine, self._stage.line(self._store, 0, self.out, 1_000))

    def close(self) -> None:
        self._store.close()

    def profile(self, user: str, plan: str) -> None:
        self.line.table([profile(user, 0, plan_tier=plan)])

    def click(self, user: str, event_ms: int, page: str = "/", *, late_ms: int = 0) -> None:
        """Send a click that comes so much after it happened."""
        self.line.records([click(user, event_ms, self._offset, record_ms=event_ms + late_ms, page_url=page)])
        self._offset += 1

    def commit(self) -> None:
        self.line.flush()
        state = self.line.state
        clocks = {name: getattr(state, name) for name in ("stream_ms", "closed_ms", "record_ms", "ahead_ms")}
        clocks |= {name: getattr(state, name) for name in ("metrics_ms", "lag_ms", "sessions_ms")}
        state.commit(Position(self._offset, at_ms=1, **clocks), 0)
        self.metrics.take(self.out.partials).commit()
        self.out.partials = []

    def told(self, metric: str) -> dict[Any, Any]:
        """Return the results of a metric by window and key."""
        return {
            (each["window_start"], tuple(each["keys"].values())): each["value"]
            for each in self.metrics.out.results
            if each["topic"] == metric
        }

    def visits(self) -> list[tuple[int, int, int, bool]]:
        """Return start, end, clicks and whether open of the sessions told since the start."""
        told = [each for each in self.out.visits.values() if each is not None]
        return [(v["session_start"], v["session_end"], v["clicks"], v["open"]) for v in told]


@pytest.fixture
def task(tmp_path: Path) -> Iterator[Task]:
    task = Task(tmp_path / "store")
    for user in ("alice", "bob"):
        task.profile(user, "free")
    yield task
    task.close()


def test_a_session_goes_on_after_a_restart_and_counts_when_it_closes(task: Task) -> None:
    task.click("alice", T0, "/in")
    task.commit()
    task.start()
    task.click("alice", T0 + 20_000, "/out")
    task.commit()
    assert task.visits() == [(T0, T0 + 20_000, 2, True)]
    task.profile("alice", "premium")  # what the user is when the session closes
    task.click("bob", T0 + 20_000 + CLOSES - 1)
    task.commit()
    assert task.visits()[0] == (T0, T0 + 20_000, 2, True)
    task.click("bob", T0 + 20_000 + CLOSES)
    task.commit()
    assert task.visits()[0] == (T0, T0 + 20_000, 2, False)
    task.click("bob", T0 + 60_000 + CLOSES)  # the first minute has passed, with all that sessions may take
    task.commit()
    assert task.told("exits") == {(T0 // 60_000 * 60_000, ("/out", "premium")): 1}
    assert (task.line.counters.sessions, task.line.counters.sessions_late) == (1, 0)


def test_what_was_not_committed_is_forgotten(task: Task) -> None:
    task.click("alice", T0)
    task.commit()
    task.click("alice", T0 + 1_000)
    task.line.flush()
    task.start()
    task.click("alice", T0 + 2_000)
    task.commit()
    assert task.visits() == [(T0, T0 + 2_000, 2, True)]


def test_the_clock_closes_a_session_as_late_as_the_last_click_was(task: Task) -> None:
    late_ms = 90_000
    task.click("alice", T0, late_ms=late_ms)
    task.commit()
    task.line.tick(T0 + CLOSES + late_ms - 1)
    task.commit()
    assert task.visits() == [(T0, T0, 1, True)]
    assert task.line.tick(T0 + CLOSES + late_ms)
    task.commit()
    assert task.visits() == [(T0, T0, 1, False)]
    task.start()
    assert task.line.state.sessions_ms == T0 + CLOSES


def test_a_click_after_the_clock_has_closed_is_late_for_sessions_and_counts_in_updates(task: Task) -> None:
    task.click("alice", T0)
    task.commit()
    assert task.line.tick(T0 + CLOSES)
    task.commit()
    task.click("alice", T0 + 1)  # a producer held it back
    task.commit()
    assert task.line.counters.sessions_late == 1
    assert task.visits() == [(T0, T0, 1, False)]
    assert task.told("views") == {(T0 // 60_000 * 60_000, ()): 2}


def test_a_session_never_closes_after_its_window_was_told(task: Task) -> None:
    """However time jumps: a session counts at the commit at which it closes, before the mark of that time."""
    expected: dict[Any, int] = {}
    time_ms = T0
    for number in range(40):
        time_ms += (7_000, 45_000, 200_000, 3_600_000)[number % 4]
        user = ("alice", "bob")[number % 2]
        task.click(user, time_ms, f"/{number}")
        if number % 3:
            task.commit()
    task.click("alice", time_ms + 86_400_000)
    task.commit()
    task.click("bob", time_ms + 2 * 86_400_000)
    task.commit()
    counters = {name: each.late for name, each in task.line.metric_counters.items()}
    assert counters["exits"] == 0
    closed = [each for each in task.out.visits.values() if each is not None and not each["open"]]
    for each in closed:
        place = each["session_end"] // 60_000 * 60_000, (each["exit_page"], "free")
        expected[place] = expected.get(place, 0) + 1
    told = task.told("exits")
    assert len(closed) > 20
    assert {at: value for at, value in told.items() if at[0] < time_ms} == {
        at: value for at, value in expected.items() if at[0] < time_ms
    }


def test_sessions_that_are_open_while_sessions_go_and_come_close_then(task: Task) -> None:
    processing = DOCUMENT["processing"]
    task.click("alice", T0)
    task.commit()
    task.configure(processing | {"sessions": None, "metrics": processing["metrics"][1:]})
    task.start()
    task.click("alice", T0 + 10_000)
    task.click("bob", T0 + 2 * CLOSES)
    task.commit()
    assert task.out.visits == {}
    task.configure(processing)
    task.start()
    task.click("bob", T0 + 2 * CLOSES + 1)
    task.commit()
    assert sorted(task.visits()) == [(T0, T0, 1, False), (T0 + 2 * CLOSES + 1, T0 + 2 * CLOSES + 1, 1, True)]
    assert {name: each.failed for name, each in task.line.metric_counters.items()} == {"exits": 0, "views": 0}


def test_a_shorter_gap_holds_for_sessions_that_are_open(task: Task) -> None:
    task.click("alice", T0)
    task.commit()
    sessions = DOCUMENT["processing"]["sessions"] | {"gap": "5s"}
    task.configure(DOCUMENT["processing"] | {"sessions": sessions})
    task.start()
    task.click("alice", T0 + 5_001)
    task.commit()
    assert task.visits() == [(T0 + 5_001, T0 + 5_001, 1, True)]
    task.click("bob", T0 + CLOSES)  # it was to be looked at then
    task.commit()
    closed = [each for each in task.visits() if not each[3]]
    assert sorted(closed) == [(T0, T0, 1, False), (T0 + 5_001, T0 + 5_001, 1, False)]


def test_a_page_that_utf_8_cannot_say_stops_nothing(task: Task) -> None:
    session = task.line._sessions  # such a click does not get here by the line
    assert session is not None
    session.add([(Click("alice", "/\ud800" * 2_000, "view", T0), None, None, None, T0)], -1)
    task.commit()
    ((start, _, clicks, _),) = task.visits()
    assert (start, clicks) == (T0, 1)
