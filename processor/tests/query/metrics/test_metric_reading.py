"""Windows read from real stores, against a naive oracle: random clicks, all aggregates, keys of all types."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, Literal

import msgspec
import pytest
from clickstream_local.testing.randomised import examples, seed
from clickstream_processor.aggregation.metric import Metric
from clickstream_processor.aggregation.partials import (
    BY_CLICKS,
    LATEST_MS,
    METRIC,
    encode_mark,
    encode_metric,
    pane_prefix,
)
from clickstream_processor.aggregation.values.aggregates import Kind, encode_aggregate
from clickstream_processor.aggregation.values.keys import encode_key
from clickstream_processor.aggregation.values.numeric import Count, Sum
from clickstream_processor.directory import Directory, Phase, Role, Routes, TaskView
from clickstream_processor.errors import StateCorrupted
from clickstream_processor.query.http.problems import Problem
from clickstream_processor.query.metrics.document import MetricResult
from clickstream_processor.query.metrics.local import LocalMetrics
from clickstream_processor.query.metrics.merge import result
from clickstream_processor.query.metrics.reading.closed_sums import ClosedSums, Span, closed_before_ms
from clickstream_processor.query.metrics.reading.match import Match, text_of
from clickstream_processor.query.metrics.reading.reading import WindowsRead
from clickstream_processor.query.users.turns import TurnLimits
from clickstream_processor.state.memory import MemoryShares, StateMemory
from clickstream_processor.state.store import TaskStore
from clickstream_processor.task_id import METRICS
from processor_support.oracles.naive_metrics import windows
from processor_support.queries.metric_pods import SINCE_MS, Clicks, task
from processor_support.queries.query_pods import PARTITIONS, now_ms

BY = {"page": "click.page_url", "mixed": "click.mixed"}
VALUES: dict[Kind, str] = {
    "count": "",
    "sum": "click.amount",
    "min": "click.amount",
    "max": "click.amount",
    "avg": "click.amount",
    "distinct": "click.mixed",
}
SPAN = range(0, 1_000, 20)  # of windows' starts
PATIENT = TurnLimits(at_once=2, wait_s=60, read_s=60)
NO_TIME = TurnLimits(at_once=2, wait_s=60, read_s=0)


class Pod:
    """One pod that owns all metrics tasks, without servers."""

    def __init__(self, folder: Path) -> None:
        memory = StateMemory(MemoryShares.of_limit(64 << 20))
        self.stores = {p: TaskStore.open(folder / str(task(p)), memory) for p in range(PARTITIONS)}
        routes = Routes(3, (0,) * PARTITIONS, ((),) * PARTITIONS, now_ms())
        self.directory = Directory(0, routes)
        self.directory.stage_routes = {METRICS: routes}
        self.directory.brokers_seen_ms = now_ms()
        self.directory.tasks = {
            task(p): TaskView(task(p), Role.OWNER, Phase.RUNNING, 1, store, now_ms())
            for p, store in self.stores.items()
        }
        self.local = LocalMetrics(self.directory, PARTITIONS, 10**9, PATIENT, PATIENT)

    def clicks(self, *metrics: Metric) -> Clicks:
        """Return clicks that come to its stores."""
        return Clicks(metrics, {partition: [store] for partition, store in self.stores.items()})

    async def read(self, metric: Metric, starts: range, *given: str | None, top: int = 1_000) -> MetricResult:
        """Return the whole answer of this pod."""
        read = WindowsRead(metric, starts, Match(given or (None,) * len(metric.by)), top)
        found = await self.local.result(read, range(PARTITIONS), now_ms(), as_owner=True)
        missing = set(range(PARTITIONS)) - set(found.tasks.partitions)
        return result(metric, found, sorted(missing), top=top, now_ms=now_ms())


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[Pod]:
    """Return a pod; its stores are closed afterwards."""
    one = Pod(tmp_path)
    yield one
    for store in one.stores.values():
        store.close()


def metric_of(kind: Kind, advance_ms: int = 20, **more: Any) -> Metric:
    fields = {"by": BY, "size_ms": 100, "grace_ms": 10**6, "retention_ms": 10**9, **more}
    return Metric(f"m-{kind}", kind, VALUES[kind], advance_ms=advance_ms, **fields)


def rows_of(expected: dict[Any, Any], start_ms: int, given: tuple[str | None, ...]) -> list[Any]:
    """Return what the oracle has for a window: keys with types and values, the largest first."""
    rows = []
    for (window_ms, key), value in expected.items():
        texts = [text_of(part) for _, part in key]
        meant = all(want is None or want == text for want, text in zip(given, texts, strict=True))
        if window_ms == start_ms and meant:
            rows.append((-value, encode_key([part for _, part in key]), key, value))
    return [(key, value) for _, _, key, value in sorted(rows, key=lambda row: row[:2])]


def typed(found: MetricResult, number: int) -> list[Any]:
    """Return the rows of a window of the answer, with the types of their keys."""
    return [
        (tuple((type(part), part) for part in row.keys.values()), row.value)
        for row in found.windows[number].rows
    ]


@pytest.mark.parametrize("advance_ms", [100, 20], ids=["tumbling", "hopping"])
@pytest.mark.parametrize("kind", VALUES)
async def test_windows_have_what_the_oracle_says(kind: Kind, advance_ms: int, pod: Pod) -> None:
    random = Random(seed(advance_ms + len(kind)))
    metric = metric_of(kind, advance_ms)
    clicks = pod.clicks(metric)
    clicks.send_random(random, 300 * examples(1), 0, 900)
    expected = windows(clicks.events[metric.name], 100, advance_ms, kind)
    starts = range(0, 1_000, advance_ms)
    questions: list[tuple[str | None, ...]] = [(None, None), (None, "1"), ("/", None), ("(other)", None)]
    questions += [("/a", text) for text in ("1", "true", "null", "", "0", "never")]
    for given in questions:
        found = await pod.read(metric, starts, *given)
        assert not found.partial
        for number, start_ms in enumerate(starts):
            rows, window = rows_of(expected, start_ms, given), found.windows[number]
            assert (window.window_start, window.window_end) == (start_ms, start_ms + 100)
            assert typed(found, number) == rows
            assert window.keys == len(rows)
            events = [
                dataclasses.replace(event, key=())
                for event in clicks.events[metric.name]
                if any(event.key == key for key, _ in rows)
            ]
            total = windows(events, 100, advance_ms, kind).get((start_ms, ()))
            assert window.total == (None if kind == "distinct" else total)


@pytest.mark.parametrize("emit", ["updates", "final"])
async def test_sums_of_closed_panes_change_no_answer(emit: Literal["updates", "final"], pod: Pod) -> None:
    """Two readers look at the same stores after each commit: one keeps sums, the other reads all anew."""
    metric = metric_of("count", grace_ms=40, emit=emit)
    random, clicks = Random(seed(11)), pod.clicks(metric)
    for step in range(40 * examples(1)):
        clicks.send_random(random, 20, 15 * step, 15 * step + 60)
        start_ms = max(0, 15 * step - random.randrange(200)) // 20 * 20
        starts = range(start_ms, start_ms + random.choice([1, 100]), 20)
        given = random.choice([(None, None), ("/", None)])
        kept = await pod.read(metric, starts, *given)
        pod.local, local = LocalMetrics(pod.directory, PARTITIONS, 10**9, PATIENT, PATIENT), pod.local
        assert kept.windows == (await pod.read(metric, starts, *given)).windows
        pod.local = local


async def test_closed_panes_are_read_once(pod: Pod) -> None:
    metric = metric_of("count", by={"page": "click.page_url"}, grace_ms=10)
    clicks = pod.clicks(metric)
    clicks.send(5, page="/")
    clicks.send(50, page="/")
    clicks.commit(70)  # closed: 0, 20, 40; open: 60, 80
    assert (await pod.read(metric, range(1))).windows[0].total == 2
    for pane_ms in (20, 60):  # what no task does in a closed pane
        place = pane_prefix(metric.identity, pane_ms) + encode_key(["/x"])
        for store in pod.stores.values():
            store.write([(place, encode_aggregate(Count(100)))], store.checkpoint)
    for _ in range(3):
        assert (await pod.read(metric, range(1))).windows[0].total == 2 + 100 * PARTITIONS


@pytest.mark.parametrize(
    ("emit", "marks", "closed_ms"),
    [
        ("final", {0: 70, 1: 90}, 60),
        ("final", {0: 70}, -1),
        ("final", {0: 70, 1: LATEST_MS}, -1),
        ("final", {0: 70, 1: 90, 0 | BY_CLICKS: 30, 1 | BY_CLICKS: 90}, 60),
        ("updates", {0: 70, 1: 90, 0 | BY_CLICKS: 30, 1 | BY_CLICKS: 90}, 20),
        ("updates", {0: 70, 1: 90}, 60),
        ("updates", {0: 70, 1: 90, 2: 5}, 60),
    ],
)
def test_panes_are_closed_when_no_partition_can_add_to_them(
    emit: Literal["updates", "final"], marks: dict[int, int], closed_ms: int
) -> None:
    assert closed_before_ms(metric_of("count", grace_ms=10, emit=emit), marks, 2) == closed_ms


def test_sums_are_bounded_and_the_oldest_go_first(pod: Pod) -> None:
    sums, store = ClosedSums(most_keys=10), pod.stores[0]
    spans = [Span(b"m", start_ms, start_ms + 20) for start_ms in range(5)]
    for number, span in enumerate(spans[:3]):
        sums.put(store, span, {b"%d" % key: number for key in range(4)})
        if number == 1:
            assert sums.get(store, spans[0])
    assert sums.get(store, spans[1]) is None
    assert sums.get(store, spans[2]) == {b"%d" % key: 2 for key in range(4)}
    sums.put(store, spans[3], {b"%d" % key: 1 for key in range(11)})
    assert sums.get(store, spans[3]) is None
    assert sums.get(store, spans[0])
    assert sums.get(pod.stores[1], spans[0]) is None


@pytest.mark.parametrize("kind", ["count", "sum"])
async def test_window_of_many_keys_is_read_in_many_looks_and_each_entry_once(kind: Kind, pod: Pod) -> None:
    metric = metric_of(kind, by={"page": "click.page_url"})
    expected: dict[str, int] = {}
    random = Random(seed(8))
    for partition, store in pod.stores.items():
        changes = []
        for pane_ms in metric.panes.of_window(0):
            for page in random.sample(range(5_000), 1_500):
                count = random.choice([1, 127, 128, 300, 20_000])
                name = f"/{partition}/{page}"
                expected[name] = expected.get(name, 0) + count
                aggregate = Count(count) if kind == "count" else Sum(count)
                place = pane_prefix(metric.identity, pane_ms) + encode_key([name])
                changes.append((place, encode_aggregate(aggregate)))
        store.write(changes, store.checkpoint)
    window = (await pod.read(metric, range(1))).windows[0]
    assert (window.keys, window.total) == (len(expected), sum(expected.values()))
    rows = sorted((-count, encode_key([page])) for page, count in expected.items())[:1_000]
    assert [(-row.value, encode_key(list(row.keys.values()))) for row in window.rows] == rows


async def test_top_are_the_first_of_all_rows(pod: Pod) -> None:
    metric = metric_of("count")
    clicks = pod.clicks(metric)
    clicks.send_random(Random(seed(5)), 500, 0, 900)
    every = await pod.read(metric, SPAN)
    for top in (1, 3, 20):
        some = await pod.read(metric, SPAN, top=top)
        for one, other in zip(every.windows, some.windows, strict=True):
            assert other == type(one)(**{**_fields(one), "rows": one.rows[:top]})


def _fields(window: Any) -> dict[str, Any]:
    return {name: getattr(window, name) for name in window.__struct_fields__}


async def test_metric_without_keys_has_one_total(pod: Pod) -> None:
    for kind in ("count", "distinct"):
        metric = metric_of(kind, by={})
        clicks = pod.clicks(metric)
        for event_ms in (5, 6, 99, 100):
            clicks.send(event_ms, mixed=event_ms // 50)
        clicks.commit()
        first, *_, second = (await pod.read(metric, range(0, 101, 20))).windows
        value = {"count": 3, "distinct": 2}[kind]
        assert ([(row.keys, row.value) for row in first.rows], first.total) == ([({}, value)], value)
        assert (second.rows[0].value, second.keys) == (1, 1)


async def test_keys_beyond_the_bound_are_one_row_merged_over_all_tasks(pod: Pod) -> None:
    metric = metric_of("sum", 100, by={"page": "click.page_url"}, max_keys=2)
    clicks = pod.clicks(metric)
    for number in range(60):
        clicks.send(number, page=f"/{number}", amount=1)
        clicks.commit()
    window = (await pod.read(metric, range(1))).windows[0]
    assert PARTITIONS < window.keys <= 2 * PARTITIONS
    assert (window.rows[0].keys["page"], window.rows[0].value) == ("(other)", 60 - window.keys)
    assert [row.value for row in window.rows[1:]] == [1] * window.keys
    assert window.total == 60
    first = (await pod.read(metric, range(1), top=1)).windows[0]
    assert first.rows == window.rows[:1]
    other = (await pod.read(metric, range(1), "(other)")).windows[0]
    assert [(row.keys["page"], row.value) for row in other.rows] == [("(other)", 60 - window.keys)]
    assert (other.keys, other.total) == (0, 60 - window.keys)


async def test_estimate_says_that_it_is_one_with_its_bounds(pod: Pod) -> None:
    metric = metric_of("distinct", by={"page": "click.page_url"})
    clicks = pod.clicks(metric)
    for number in range(400):
        clicks.send(50, page="/many", mixed=number)
    clicks.send(50, page="/few", mixed="1")
    clicks.commit()
    many, few = (await pod.read(metric, range(1))).windows[0].rows
    assert (many.exact, few.exact, few.value) == (False, True, 1)
    assert isinstance(many.lower, int)
    assert isinstance(many.upper, int)
    assert many.lower <= many.value <= many.upper
    assert 370 < many.value < 430


async def test_window_is_closed_once_all_clicks_partitions_have_passed_it(pod: Pod) -> None:
    metric = metric_of("count", grace_ms=10)
    clicks = pod.clicks(metric)
    clicks.send(50, page="/")
    clicks.commit(109)
    found = await pod.read(metric, range(0, 41, 20))
    assert [window.closed for window in found.windows] == [False, False, False]
    clicks.send(120, page="/")
    clicks.commit(130)
    found = await pod.read(metric, range(0, 41, 20))
    assert (found.time_ms, found.since_ms) == (130, SINCE_MS)
    assert [window.closed for window in found.windows] == [True, True, False]


async def test_since_is_not_known_while_one_task_does_not_count_the_metric(pod: Pod) -> None:
    metric = metric_of("count")
    assert (await pod.read(metric, range(1))).since_ms is None
    for number, store in enumerate(pod.stores.values(), 1):
        store.write([(METRIC + metric.identity, encode_metric(number, -1))], store.checkpoint)
        found = await pod.read(metric, range(1))
        assert found.since_ms == (PARTITIONS if number == PARTITIONS else None)


async def test_time_is_not_known_while_a_clicks_partition_was_not_heard_of(pod: Pod) -> None:
    metric = metric_of("count")
    found = await pod.read(metric, range(1))
    assert (found.time_ms, found.since_ms, found.windows[0].closed) == (None, None, False)
    for heard in range(1, PARTITIONS + 1):
        marks = [encode_mark(partition, 10**9 + partition) for partition in range(heard)]
        for store in pod.stores.values():
            store.write(marks, store.checkpoint)
        found = await pod.read(metric, range(1))
        assert found.time_ms == (10**9 if heard == PARTITIONS else None)


async def test_clicks_partition_that_nobody_need_wait_for_has_no_say_in_the_time(pod: Pod) -> None:
    metric = metric_of("count", 100, by={}, grace_ms=0, retention_ms=0)
    for time_ms in (None, 250):
        marks = [encode_mark(partition, LATEST_MS) for partition in range(PARTITIONS)]
        if time_ms is not None:
            marks[2] = encode_mark(2, time_ms)
        for store in pod.stores.values():
            store.write(marks, store.checkpoint)
        found = await pod.read(metric, range(0, 301, 100))
        assert found.time_ms == time_ms
        assert [window.window_start for window in found.windows][-1:] == [300]


async def test_windows_that_expired_are_left_out(pod: Pod) -> None:
    metric = metric_of("count", 100, by={}, grace_ms=0, retention_ms=200)
    clicks = pod.clicks(metric)
    for event_ms in range(50, 1_000, 100):
        clicks.send(event_ms, page="/")
        clicks.commit()
    clicks.commit(1_050)
    found = await pod.read(metric, range(0, 1_100, 100))
    assert found.kept_from_ms == metric.panes.first_kept_window_ms(1_050)
    assert [window.window_start for window in found.windows] == list(range(found.kept_from_ms, 1_100, 100))
    assert [window.total for window in found.windows][:-1] == [1] * (len(found.windows) - 1)


async def test_task_that_is_closed_or_damaged_is_missing_and_whoever_holds_it_is_told(pod: Pod) -> None:
    metric = metric_of("sum", by={"page": "click.page_url"})
    clicks = pod.clicks(metric)
    clicks.send_random(Random(seed(6)), 100, 0, 99)
    pod.stores[1].close()
    key = pane_prefix(metric.identity, 0) + encode_key(["/damaged"])
    pod.stores[2].write([(key, b"\x02\xff")], pod.stores[2].checkpoint)
    found = await pod.read(metric, range(1))
    assert (found.partial, found.missing_partitions) == (True, (1, 2))
    assert not found.windows[0].closed
    assert isinstance(pod.stores[2].damage, StateCorrupted)
    assert pod.stores[1].damage is None


async def test_question_that_takes_too_long_is_refused_and_a_small_one_is_not(pod: Pod) -> None:
    metric = metric_of("count", by={"page": "click.page_url"})
    many = [(pane_prefix(metric.identity, 0) + encode_key([f"/{n}"]), b"\x01\x01") for n in range(5_000)]
    pod.stores[0].write(many, pod.stores[0].checkpoint)
    pod.local = LocalMetrics(pod.directory, PARTITIONS, 10**9, NO_TIME, NO_TIME)
    with pytest.raises(Problem) as refused:
        await pod.read(metric, range(1))
    assert (refused.value.status, refused.value.kind) == (503, "too-much-to-read")
    assert refused.value.headers["Retry-After"]
    found = await pod.read(metric, range(1), "/4")
    assert found.windows[0].window_start == 0  # a look-up takes one step
    assert (await pod.read(metric, range(200, 201))).windows[0].keys == 0


async def test_large_integers_keep_all_their_digits(pod: Pod) -> None:
    metric = metric_of("sum", by={})
    clicks = pod.clicks(metric)
    for _ in range(9):
        clicks.send(1, amount=2**62 + 1)
    clicks.commit()
    (found,) = (await pod.read(metric, range(1))).windows[0].rows
    assert json.loads(msgspec.json.encode(found))["value"] == 9 * (2**62 + 1)
