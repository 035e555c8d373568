"""Random clicks through Kafka Streams' SessionWindows and through SessionsLine: every commit compared.

The store behind Kafka Streams' sessions keeps them for 2 x gap + grace + 1 ms here: exactly as long as a
click can join one by itself, so a session goes from the store at the very ms at which it is closed for us.
Kafka Streams' default, gap + grace, forgets a session while clicks that are not late may still belong to it.

One thing differs. Late clicks may chain: each is within the gap of a session that goes on, and moves its
start back. Where that start comes to the very ms of a closed session's, Kafka Streams has both, for its key
has the end too. Here they have one key, and the later record stands. Such keys are counted, and not compared.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from clickstream_processor.aggregation.sessions.line import SessionsLine
from clickstream_processor.aggregation.sessions.session import SessionWindows

from processor_support.lines.metrics_rig import Panes, row
from processor_support.oracles.comparison import Comparison
from processor_support.oracles.metric_oracle import Click, Sessions, Update, updates_of

Key = tuple[str, int]  # user and start
Shown = tuple[int, int, str, str]  # end, clicks, entry page, exit page
CASES = ((30, 20), (30, 0), (30, 90), (1, 0), (1_800_000, 60_000))  # gap and grace
PAGES = ("/", "/a", "/b?c=d", "/ü", "/日本", '/"\\')
USERS = ("alice", "bob", "żółw", "a b", "\U0001f600")
FAR_MS = 2**50


def oracle_of(gap_ms: int, grace_ms: int) -> Sessions:
    """Return the sessions that Kafka Streams is to count."""
    return Sessions(gap_ms, grace_ms, 2 * gap_ms + grace_ms + 1)


def random_clicks(number: int, random: Random, gap_ms: int, grace_ms: int, start_ms: int) -> list[Click]:
    """Return clicks on time and late, with equal times, and exactly one gap from others, and chains back."""
    clicks: list[Click] = []
    now_ms = start_ms
    for _ in range(number):
        now_ms += random.choice((0, 0, gap_ms // 20, gap_ms // 6, gap_ms // 3))
        if random.random() < 0.02:
            now_ms += random.randrange(5 * gap_ms + grace_ms)
        choice = random.random()
        event_ms = now_ms
        if 0.4 < choice < 0.6:
            event_ms = now_ms - random.randrange(gap_ms + grace_ms + 1)
        elif choice < 0.75:
            event_ms = now_ms - random.randrange(4 * gap_ms + grace_ms + 1)
        elif choice < 0.9 and clicks:
            beside = clicks[-random.randrange(1, min(len(clicks), 8) + 1)]
            event_ms = beside.timestamp + random.choice(
                (0, 0, -1, 1, -gap_ms, gap_ms, -gap_ms - 1, gap_ms + 1)
            )
        event_ms = max(0, event_ms)
        now_ms = max(now_ms, event_ms)
        clicks.append(Click(random.choice(USERS), event_ms, value=random.choice(PAGES)))
    return clicks


@dataclass
class Task:
    """One task over a dict, and what it has committed: a compacted topic of sessions."""

    windows: SessionWindows
    state: Panes = field(default_factory=Panes)
    out: list[tuple[Key, Any]] = field(default_factory=list)
    late: dict[int, bool] = field(default_factory=dict)  # by the number of the click

    def __post_init__(self) -> None:
        self.restart()

    def session(self, value: bytes | None, key: bytes, timestamp_ms: int, /) -> None:
        """Take a record."""
        user, start_ms = json.loads(key)
        body = None if value is None else json.loads(value)
        assert body is None or (body["user_id"], body["session_start"]) == (user, start_ms)
        assert body is None or body["session_end"] == timestamp_ms
        self.out.append(((user, start_ms), body))

    def restart(self) -> None:
        """Begin again from the state alone."""
        self.out = []
        self.line = SessionsLine(self.state, self.windows, self)

    def click(self, number: int, click: Click, time_ms: int) -> None:
        """Read a click."""
        before = self.line.late
        self.line.add([row(click.timestamp, time_ms, user=click.user, page=click.value)])
        self.late[number] = self.line.late > before

    def commit(self, time_ms: int) -> list[tuple[Key, Any]]:
        """Commit; return what became visible, in order."""
        for key, value in self.line.flush(time_ms):
            if value is None:
                self.state.pop(key, None)
            else:
                self.state[key] = value
        self.line.settle()
        visible, self.out = self.out, []
        return visible

    def fail(self, time_ms: int, random: Random) -> None:
        """Lose what is uncommitted: in the middle of a commit, by a rollback, or with the process."""
        if random.random() < 0.5:
            self.line.flush(time_ms)
        if random.random() < 0.5:
            self.restart()
        self.out = []
        self.line.rollback()


def shown(body: Mapping[str, Any]) -> Shown:
    """Return what is compared of a session's record."""
    return body["session_end"], body["clicks"], body["entry_page"], body["exit_page"]


Commits = list[tuple[int, list[tuple[Key, Any]]]]  # how many clicks each covers, and what it made visible


def run(task: Task, clicks: Sequence[Click], random: Random) -> Commits:
    """Read the clicks with commits and failures at random places; the last commit closes everything."""
    times = [0]
    for click in clicks:
        times.append(max(times[-1], click.timestamp))
    commits: Commits = []
    at = committed = 0
    while at < len(clicks):
        task.click(at, clicks[at], times[at + 1])
        at += 1
        choice = random.random()
        if choice < 0.01:
            task.fail(times[at], random)
            at = committed
        elif choice < 0.1 or at == len(clicks):
            commits.append((at, task.commit(times[at])))
            committed = at
    commits.append((at, task.commit(FAR_MS)))
    return commits


class Table:
    """Kafka Streams' sessions as they stand after some of its updates, by user and start."""

    def __init__(self, updates: Iterable[Update]) -> None:
        self._updates, self._at = list(updates), 0
        self.sessions: dict[Key, dict[int, Shown]] = {}  # by user and start, then by end
        self.shared: set[Key] = set()  # those that two sessions have, or had

    def read(self, clicks: int) -> set[Key]:
        """Go on to where so many clicks are read; return the keys that have changed."""
        changed = set()
        while self._at < len(self._updates) and self._updates[self._at].after < clicks:
            update = self._updates[self._at]
            key = update.key, update.start
            ends = self.sessions.setdefault(key, {})
            if update.value is None:
                del ends[update.end]
            else:
                value = json.loads(update.value)
                assert (value["first_ms"], value["last_ms"]) == (update.start, update.end)
                ends[update.end] = update.end, value["clicks"], value["entry"], value["exit"]
                if len(ends) > 1:
                    self.shared.add(key)
            changed.add(key)
            self._at += 1
        return changed

    def all_visible(self) -> dict[Key, Shown]:
        """Return the sessions that are there, by user and start."""
        return {key: max(ends.values()) for key, ends in self.sessions.items() if ends}

    def visible(self, key: Key) -> Shown | None:
        """Return the session of a user and start."""
        ends = self.sessions.get(key)
        return max(ends.values()) if ends else None


def differences(
    updates: Sequence[Update], clicks: Sequence[Click], commits: Commits, task: Task
) -> tuple[list[str], int]:
    """Return where the two differ, and how many keys are shared.

    Compared are what is visible after each commit, which clicks are late, what is closed and stays so.
    """
    found: list[str] = []
    table, here = Table(updates), dict[Key, Shown]()
    closed: dict[Key, Shown] = {}
    for number, records in commits:
        changed = table.read(number)
        told = [(key, body) for key, body in records if key not in table.shared]
        if len(dict(told)) < len(told):
            found.append(f"a key twice in the commit after {number}: {told}")
        for key, body in told:
            if key in closed:
                found.append(f"{key} changes after {number}, and was closed")
            if body is not None:
                here[key] = shown(body)
                if not body["open"]:
                    closed[key] = shown(body)
            elif here.pop(key, None) is None:
                found.append(f"the tombstone of {key} after {number}, which nobody has seen")
        found += [
            f"{key} after {number}: {table.visible(key)} there, {here.get(key)} here"
            for key in sorted((changed - table.shared) | dict(told).keys())
            if here.get(key) != table.visible(key)
        ]
    there = table.all_visible()
    for key in table.shared:
        for sessions in (there, here, closed):
            sessions.pop(key, None)
    if here != there or closed != there:
        found.append(f"in the end: {len(there)} there, {len(here)} here, {len(closed)} closed")
    late = set(range(len(clicks))) - {each.after for each in updates}
    if late != {number for number, is_late in task.late.items() if is_late}:
        found.append(f"late: {len(late)} there, {sum(task.late.values())} here")
    if task.state:
        found.append(f"{len(task.state)} entries are left in the state")
    return found, len(table.shared)


def compare_all(clicks: int, seed: int, cases: Sequence[tuple[int, int]] = CASES) -> list[Comparison]:
    """Compare each case of gap and grace on its own random clicks; everything follows from the seed."""
    inputs = []
    for gap_ms, grace_ms in cases:
        random = Random(f"{seed}-{gap_ms}-{grace_ms}")
        start_ms = random.choice((0, 1_690_000_000_000))
        inputs.append(random_clicks(clicks, random, gap_ms, grace_ms, start_ms))
    runs = [(oracle_of(*case), input_) for case, input_ in zip(cases, inputs, strict=True)]
    compared = []
    for (gap_ms, grace_ms), input_, updates in zip(cases, inputs, updates_of(runs), strict=True):
        task = Task(SessionWindows(gap_ms, grace_ms))
        commits = run(task, input_, Random(f"{seed} {gap_ms} {grace_ms}"))
        figures = {
            "commits": len(commits),
            "closed": sum(bool(body) and not body["open"] for _, records in commits for _, body in records),
            "taken_back": sum(body is None for _, records in commits for _, body in records),
            "late": sum(task.late.values()),
        }
        found, figures["shared_keys"] = differences(updates, input_, commits, task)
        compared.append(Comparison(f"sessions-{gap_ms}-grace-{grace_ms}", found, figures))
    return compared
