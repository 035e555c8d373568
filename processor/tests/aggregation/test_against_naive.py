"""Both stages against a naive oracle: random clicks, every aggregate, up to three keys, both windows."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest
from clickstream_local.testing.randomised import examples, seed
from clickstream_processor.aggregation.gathering.gathering import Gathering
from clickstream_processor.aggregation.merging.results import key_values
from clickstream_processor.aggregation.metric import Metric
from clickstream_processor.aggregation.values.aggregates import Kind
from clickstream_processor.aggregation.windows import read_key, read_window
from clickstream_processor.topology.records.records import Profile
from processor_support.lines.metrics_rig import MetricsTask, Record, routed, row
from processor_support.oracles.naive_metrics import Event, is_close, on_time, windows

CLICKS_PARTITIONS = 3
PARTITIONS = 2
KEYS = [
    {},
    {"page": "click.page_url"},
    {"page": "click.page_url", "country": "profile.country"},
    {"buys": "click.action == 'buy'", "country": "profile.country", "mixed": "click.mixed"},
]
VALUES: dict[Kind, str] = {
    "count": "",
    "sum": "click.amount",
    "min": "click.amount",
    "max": "click.amount",
    "avg": "click.amount",
    "distinct": "click.mixed",
}
AMOUNTS = [1, 2, 2.0, -3, 0.1, 1e16, -1e16, 2**52, 1e-9]
MIXED = ["1", 1, True, False, None, "", 0, "x" * 300]


@dataclass
class Run:
    """What came of random clicks: the metrics stage's tasks, the clicks that count, those that were late."""

    tasks: list[MetricsTask]
    counted: list[Event]
    late: int
    told_late: int


def run(metric: Metric, random: Random, clicks: int) -> Run:
    """Send random clicks through both stages, with random commits, until all windows are closed."""
    gatherings = [Gathering([metric], each, PARTITIONS) for each in range(CLICKS_PARTITIONS)]
    tasks = [MetricsTask([metric], clicks_partitions=CLICKS_PARTITIONS) for _ in range(PARTITIONS)]
    times = [random.randrange(1_000) for _ in gatherings]
    events = []
    newest = [-1] * CLICKS_PARTITIONS
    for _ in range(clicks):
        partition = random.randrange(CLICKS_PARTITIONS)
        times[partition] += random.randrange(20)
        event_ms = max(0, times[partition] - random.choice([0, 0, 5, 50, 200]))
        newest[partition] = max(newest[partition], event_ms)
        page, action = random.choice(["/", "/a", "/b" * 200]), random.choice(["view", "buy"])
        profile = random.choice([None, Profile("u", country="DE"), Profile("u", country=None)])
        amount, mixed = random.choice(AMOUNTS), random.choice(MIXED)
        click = row(
            event_ms, newest[partition], page=page, action=action, profile=profile, amount=amount, mixed=mixed
        )
        gatherings[partition].add([click])
        country = profile.country if profile else None
        cut = page if len(page) <= 256 else page[:253] + "…"
        key = {
            0: (), 1: (cut,), 2: (cut, country), 3: (action == "buy", country, _cut(mixed)),
        }[len(metric.by)]  # fmt: skip
        value = {"count": None, "distinct": mixed}.get(metric.kind, amount)
        events.append(Event(partition, event_ms, tuple((type(part), part) for part in key), value))
        if random.random() < 0.1:
            _send(gatherings[partition], newest[partition], tasks)
        for task in tasks:
            if random.random() < 0.1:
                task.commit()
    for gathering in gatherings:
        _send(gathering, max(times) + 100_000, tasks)
    for task in tasks:
        task.commit()
    counted, late = on_time(events, metric.panes.advance_ms, metric.grace_ms)
    told_late = sum(each.counters[metric.name].late for each in gatherings)
    return Run(tasks, counted, late, told_late)


def _cut(value: Any) -> Any:
    return value[:253] + "…" if isinstance(value, str) and len(value) > 256 else value


def _send(gathering: Gathering, time_ms: int, tasks: Sequence[MetricsTask]) -> None:
    for partition, records in routed(gathering, time_ms).items():
        tasks[partition].take(records)


def results(tasks: Sequence[MetricsTask]) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for task in tasks:
        for each in task.out.results:
            key = tuple((type(part), part) for part in each["keys"].values())
            found[each["window_start"], key] = each["value"]
    return found


@pytest.mark.parametrize("advance_ms", [100, 20], ids=["tumbling", "hopping"])
@pytest.mark.parametrize("keys", range(4), ids=["total", "one key", "two keys", "three keys"])
@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("emit", ["updates", "final"])
def test_every_window_has_what_the_oracle_says(kind: Kind, keys: int, advance_ms: int, emit: Any) -> None:
    random = Random(seed(7 * keys + advance_ms))
    metric = Metric("m", kind, VALUES[kind], by=KEYS[keys], size_ms=100, advance_ms=advance_ms, grace_ms=30,
                    retention_ms=10**9, topic="t", emit=emit)  # fmt: skip
    for _ in range(examples(1)):
        done = run(metric, random, 150)
        expected = windows(done.counted, 100, advance_ms, kind)
        assert results(done.tasks) == expected
        assert (done.told_late, done.late > 0) == (done.late, True)
        if emit == "final":
            assert sum(len(task.out.results) for task in done.tasks) == len(expected), "each window once"
        read = {}
        for task in done.tasks:
            for start in {start for start, _ in expected}:
                for found in read_window(task.state, metric, start):
                    key = tuple((type(part), part) for part in key_values(metric, found.key).values())
                    read[start, key] = found.aggregate.value()
                    one = read_key(task.state, metric, start, found.key)
                    assert one is not None
                    assert one.aggregate.value() == found.aggregate.value()
        assert read == expected


def test_many_different_users_are_estimated_across_tasks_and_commits() -> None:
    metric = Metric("users", "distinct", "click.user_id", size_ms=100, advance_ms=50, topic="t", emit="final")
    random = Random(seed(3))
    gatherings = [Gathering([metric], each, 1) for each in range(2)]
    task = MetricsTask([metric], clicks_partitions=2)
    users: dict[int, set[str]] = {}
    for number in range(3_000):
        gathering, event_ms, user = (
            random.choice(gatherings),
            random.randrange(100),
            f"u{random.randrange(2_000)}",
        )
        gathering.add([row(event_ms, 0, user=user)])
        for start in {0, event_ms // 50 * 50}:
            users.setdefault(start, set()).add(user)
        if number % 100 == 0:
            task.take(routed(gathering, 0)[0]).commit()
    for gathering in gatherings:
        task.take(routed(gathering, 10**9)[0])
    task.commit()
    assert {each["window_start"]: each["exact"] for each in task.out.results} == {0: False, 50: False}
    for each in task.out.results:
        assert is_close(each["value"], len(users[each["window_start"]]))
        assert each["lower"] < each["value"] < each["upper"]


def test_the_bound_of_keys_loses_no_click() -> None:
    metric = Metric("m", by={"page": "click.page_url"}, size_ms=100, topic="t", emit="final", max_keys=5)
    random = Random(seed(5))
    gatherings = [Gathering([metric], each, 1) for each in range(2)]
    task = MetricsTask([metric], clicks_partitions=2)
    for number in range(500):
        gathering = random.choice(gatherings)
        gathering.add([row(random.randrange(200), 0, page=f"/{random.randrange(20)}")])
        if number % 50 == 0:
            task.take(routed(gathering, 0)[0]).commit()
    records: list[Record] = []
    for gathering in gatherings:
        records += routed(gathering, 10**9)[0]
    task.take(records).commit()
    for start in (0, 100):
        pages = [each["keys"]["page"] for each in task.out.results if each["window_start"] == start]
        assert len(pages) == 6
        assert "(other)" in pages
    assert sum(each["value"] for each in task.out.results) == 500
