"""Sessions through real pods, and metrics of them: what the topics say is what the clicks say."""

import json
import random
import shutil
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from clickstream_local.parts.kafka import Kafka
from clickstream_local.testing.eventually import eventually
from clickstream_local.testing.fixtures import Topics
from processor_support.oracles.pods_oracle import clicks_of, last_sessions, pods_sessions
from processor_support.runtime_rig import Rig, users

NAMES = users(40)
MINUTE_MS = 60_000
GAP_MS, GRACE_MS = 3_000, 10_000
COUNTRIES = ("USA", "Chile", "Ghana")
COUNTRY_OF = {user: COUNTRIES[number % 3] for number, user in enumerate(NAMES)}
WINDOW = {"size": "1m", "grace": "5s", "retention": "24h"}
METRICS: list[dict[str, Any]] = [
    {"name": "exits", "by": {"page": "session.exit_page", "country": "profile.country"}, "count": {}},
    {"name": "length", "avg": "session.duration"},
    {"name": "bounces", "where": "session.clicks == 1", "count": {}, "emit": "final"},
]

MakeRig = Callable[[str], Rig]


@dataclass(frozen=True)
class Visit:
    """A session, as its record has it and as the clicks make it."""

    user_id: str
    session_start: int
    session_end: int
    clicks: int
    entry_page: str
    exit_page: str


@pytest.fixture
def make_rig(kafka: Kafka, topics: Topics, tmp_path: Path) -> Iterator[MakeRig]:
    """Return what makes the pods of a pipeline with sessions of a gap."""
    made: list[Rig] = []

    def make(gap: str) -> Rig:
        metrics = [{**metric, "of": "sessions", "window": WINDOW} for metric in METRICS]
        processing = {"sessions": {"gap": gap, "grace": f"{GRACE_MS}ms"}, "metrics": metrics}
        rig = Rig(kafka, topics, tmp_path, partitions=4, pods=2, processing=processing)
        made.append(rig)
        for user, country in COUNTRY_OF.items():
            row = {"user_id": user, "name": user, "email": "", "plan_tier": "free", "country": country}
            rig.send("profiles", user, row)
        rig.flush()
        return rig

    yield make
    for rig in made:
        rig.stop()


def click(user: str, page: str, event_ms: int, action: str = "view") -> dict[str, Any]:
    return {"user_id": user, "page_url": page, "action": action, "timestamp": event_ms}


class Clicks:
    """Writes clicks of some minutes, some out of order, some hours late.

    Times go on with the clock between two calls, as they do for sessions while no click comes.
    """

    def __init__(self, rig: Rig, start_ms: int) -> None:
        self._rig, self.end_ms, self._sent_s = rig, start_ms, time.monotonic()

    def send(self, count: int, seed: int) -> None:
        """Write so many."""
        chance = random.Random(seed)
        start_ms = self.end_ms + int(1_000 * (time.monotonic() - self._sent_s))
        for number in range(count):
            user, event_ms = chance.choice(NAMES), start_ms + number * 50
            late_ms = chance.choice((0, 0, 0, 0, 1_900, 9_000, 7_200_000 if number > 1_000 else 0))
            page = f"/p/{chance.randrange(8)}"
            action = "late" if late_ms > GRACE_MS else "view"
            self._rig.send("clicks", user, click(user, page, event_ms - late_ms, action))
        self._rig.flush()
        self.end_ms, self._sent_s = start_ms + count * 50, time.monotonic()


def truth(rig: Rig) -> set[Visit]:
    """Return the sessions of the clicks as they stand in Kafka: sorted, and cut at the gaps."""
    clicks: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for message in rig.committed(rig.names["clicks"]):
        found = json.loads(message.value() or b"")
        if found["action"] != "late":
            clicks[found["user_id"]].append((found["timestamp"], found["page_url"]))
    visits = set()
    for user, each in clicks.items():
        each.sort(key=lambda one: one[0])  # of one time they stay in the order in which they came
        first = 0
        for at in range(1, len(each) + 1):
            if at == len(each) or each[at][0] - each[at - 1][0] > GAP_MS:
                run = each[first:at]
                visits.add(Visit(user, run[0][0], run[-1][0], len(run), run[0][1], run[-1][1]))
                first = at
    return visits


def told(rig: Rig) -> tuple[set[Visit], set[Visit]]:
    """Return the sessions of the topic as a table has them: those that are open, those that are closed."""
    table: dict[bytes, dict[str, Any] | None] = {}
    for message in rig.committed(f"{rig.id}-sessions"):
        table[message.key() or b""] = json.loads(message.value() or b"null")
    found: tuple[set[Visit], set[Visit]] = set(), set()
    for key, body in table.items():
        if body is not None:
            assert json.loads(key) == [body["user_id"], body["session_start"]]
            found[0 if body.pop("open") else 1].add(Visit(**body))
    return found


def differs(rig: Rig, visits: set[Visit]) -> tuple[str, str]:
    """Return, for people, what is open still, and how the closed sessions differ from these."""
    still_open, closed = told(rig)
    wrong = sorted(map(str, closed ^ visits))[:4]
    return f"open: {len(still_open)}" if still_open else "", " ".join(wrong)


def results(rig: Rig, name: str) -> dict[tuple[int, tuple[Any, ...]], list[Any]]:
    """Return the values of a metric by window and key, in order."""
    found: dict[tuple[int, tuple[Any, ...]], list[Any]] = defaultdict(list)
    for message in rig.committed(f"{rig.id}-{name}"):
        body = json.loads(message.value() or b"")
        found[body["window_start"], tuple(body["keys"].values())].append(body["value"])
    return found


def metrics_are_true(rig: Rig, visits: set[Visit]) -> bool:
    """Tell whether the metrics say what the sessions do; a session counts at the time of its last click."""
    exits: Counter[tuple[int, tuple[Any, ...]]] = Counter()
    lengths: dict[int, list[int]] = defaultdict(list)
    for visit in visits:
        window_ms = visit.session_end // MINUTE_MS * MINUTE_MS
        exits[window_ms, (visit.exit_page, COUNTRY_OF[visit.user_id])] += 1
        lengths[window_ms].append(visit.session_end - visit.session_start)
    means = {(start, ()): sum(each) / len(each) for start, each in lengths.items()}
    last = {name: {at: each[-1] for at, each in results(rig, name).items()} for name in ("exits", "length")}
    return last["exits"] == exits and last["length"] == pytest.approx(means)


def test_sessions_and_metrics_of_them_are_exact_through_kills_and_lost_volumes(make_rig: MakeRig) -> None:
    rig = make_rig(f"{GAP_MS // 1_000}s")
    clicks = Clicks(rig, int(time.time() * 1_000) - 60 * MINUTE_MS)
    clicks.send(3_000, seed=1)
    for ordinal in (0, 1):
        rig.start(ordinal)
    rig.wait_until_handled()
    clicks.send(3_000, seed=2)
    eventually(lambda: rig.handled() > 3_000, "some are handled")
    rig.processes[0].kill()
    eventually(lambda: rig.processes[0].exit_status is not None, "it is dead")
    rig.start(0)
    rig.wait_until_handled()
    rig.processes[1].kill()  # its volume is lost: the state comes back from the changelog
    eventually(lambda: rig.processes[1].exit_status is not None, "it is dead")
    shutil.rmtree(rig.data_dir(1))
    rig.start(1)
    clicks.send(3_000, seed=3)
    rig.wait_until_handled()

    # No click comes any more: the clock closes the last ones.
    visits = truth(rig)
    eventually(lambda: differs(rig, visits) == ("", ""), "all sessions are told as closed")
    eventually(lambda: metrics_are_true(rig, visits), "the metrics of sessions are true")
    streams, shared = pods_sessions(clicks_of(rig, COUNTRY_OF), GAP_MS, GRACE_MS)
    # Kafka Streams says the same.
    assert last_sessions(rig.committed(f"{rig.id}-sessions"), shared) == streams
    late = sum(
        json.loads(message.value() or b"")["action"] == "late"
        for message in rig.committed(rig.names["clicks"])
    )
    assert late > 0
    assert rig.metric("clickstream_sessions_late_total") > 0
    bounces = Counter(visit.session_end // MINUTE_MS * MINUTE_MS for visit in visits if visit.clicks == 1)
    final = {at[0]: each for at, each in results(rig, "bounces").items()}
    assert final, "no window was told: the test shows nothing"
    assert final == {start_ms: [bounces[start_ms]] for start_ms in final}
    assert {start for start in bounces if start < clicks.end_ms - 3 * MINUTE_MS} <= final.keys()


def test_any_pod_tells_the_open_session_of_a_user_also_from_a_lost_volume(make_rig: MakeRig) -> None:
    rig = make_rig("10m")
    for ordinal in (0, 1):
        rig.start(ordinal)
    now_ms = int(time.time() * 1_000)
    for number, page in enumerate(("/in", "/", "/out")):
        rig.send("clicks", NAMES[0], click(NAMES[0], page, now_ms + number))
    rig.flush()
    rig.wait_until_handled()
    wanted = [
        {"session_start": now_ms, "session_end": now_ms + 2, "clicks": 3}
        | {"entry_page": "/in", "exit_page": "/out", "open": True}
    ]

    def shown(ordinal: int) -> Any:
        answer = rig.answer(f"/dashboard/users/{NAMES[0]}/metrics?detail=1", ordinal)
        assert "sessions" not in rig.answer(f"/dashboard/users/{NAMES[0]}/metrics", ordinal)
        return answer["sessions"]

    for ordinal in (0, 1):
        eventually(lambda ordinal=ordinal: shown(ordinal) == wanted, "the open session")  # type: ignore[misc]
    assert told(rig)[1] == set()
    answer = eventually(lambda: rig.answer("/api/metrics"), "the metrics")
    (listed,) = [each for each in answer["metrics"] if each["name"] == "exits"]
    assert listed["of"] == "sessions"
    for ordinal in (0, 1):
        rig.processes[ordinal].kill()
        eventually(lambda ordinal=ordinal: rig.processes[ordinal].exit_status is not None, "it is dead")  # type: ignore[misc]
        shutil.rmtree(rig.data_dir(ordinal))
    for ordinal in (0, 1):
        rig.start(ordinal)
    for ordinal in (0, 1):
        rig.wait_until_running(ordinal)
    for ordinal in (0, 1):
        eventually(lambda ordinal=ordinal: shown(ordinal) == wanted, "the session is back")  # type: ignore[misc]
