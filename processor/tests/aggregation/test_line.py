"""The metrics stage: one task's line from partials and marks to state and results."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from clickstream_processor.aggregation.gathering.gathering import Gathering
from clickstream_processor.aggregation.merging.line import SWEPT
from clickstream_processor.aggregation.metric import Metric
from clickstream_processor.aggregation.partials import (
    BY_CLICKS,
    IDLE_MS,
    MARK,
    METRIC,
    encode_mark,
    metric_prefix,
    pane_of,
    pane_prefix,
)
from clickstream_processor.aggregation.values.aggregates import decode_aggregate
from clickstream_processor.aggregation.values.keys import encode_key
from clickstream_processor.aggregation.values.numeric import Count
from clickstream_processor.errors import StateCorrupted
from processor_support.lines.metrics_rig import NOW_MS, MetricsTask, Panes, Record, partials_of, row

M1 = 60_000
BY_PAGE = {"page": "click.page_url"}
TUMBLING = Metric("tumbling", by=BY_PAGE, size_ms=M1, grace_ms=10_000, retention_ms=5 * M1, topic="t")
HOPPING = Metric("hopping", by=BY_PAGE, size_ms=3 * M1, advance_ms=M1, grace_ms=0, retention_ms=0, topic="h")
FINAL = Metric("final", by=BY_PAGE, size_ms=M1, grace_ms=10_000, retention_ms=0, topic="f", emit="final")


def mark(partition: int, closed_ms: int) -> Record:
    return Record(*encode_mark(partition, closed_ms))


def partial(metric: Metric, pane_ms: int, page: str, count: int = 1) -> Record:
    return Record(pane_prefix(metric.identity, pane_ms) + encode_key([page]), b"\x01" + Count(count).encode())


def records(metrics: Sequence[Metric], *events: tuple[int, str]) -> list[Record]:
    return partials_of(metrics, [row(event_ms, page=page) for event_ms, page in events])[0]


def test_updates_are_the_last_value_of_each_window_that_a_commit_has_touched() -> None:
    task = MetricsTask([TUMBLING])
    task.take(records([TUMBLING], (1, "/a"), (2, "/a"), (3, "/b"))).take(records([TUMBLING], (4, "/a")))
    task.commit()
    assert [(each["keys"]["page"], each["value"]) for each in task.out.results] == [("/a", 3), ("/b", 1)]
    task.take(records([TUMBLING], (5, "/b"))).commit()
    assert [(each["keys"]["page"], each["value"]) for each in task.out.results[2:]] == [("/b", 2)]
    assert task.commit().changes == []
    assert len(task.out.results) == 3


def test_a_hopping_window_is_told_with_all_its_panes() -> None:
    task = MetricsTask([HOPPING], clicks_partitions=2)
    task.take(records([HOPPING], (1, "/a"), (M1, "/a"), (2 * M1, "/a"))).commit()
    first = {window: value for (window, _), value in task.out.values().items()}
    assert first == {0: 3, M1: 2, 2 * M1: 1}
    task.take(records([HOPPING], (M1 + 1, "/a"))).commit()
    assert {each["window_start"]: each["value"] for each in task.out.results[3:]} == {0: 4, M1: 3}


def test_a_final_result_waits_for_every_clicks_partition() -> None:
    task = MetricsTask([FINAL], clicks_partitions=2)
    task.take([partial(FINAL, 0, "/a", 3), mark(0, 10 * M1)]).commit()
    assert (task.line.time_ms, task.out.results) == (-1, [])
    task.take([partial(FINAL, 0, "/a", 4), mark(1, M1 + 9_999)]).commit()
    assert (task.line.time_ms, task.out.results) == (M1 + 9_999, [])
    task.take([mark(1, M1 + 10_000)]).commit()
    assert task.out.values() == {(0, ("/a",)): 7}
    task.take([mark(1, 10 * M1)]).commit()
    assert len(task.out.results) == 1


def test_the_clock_closes_final_results_and_takes_no_pane_from_updates() -> None:
    """A click that a producer held back is in time for updates, and must find what its window had."""
    metrics = [replace(TUMBLING, retention_ms=0), FINAL]
    task = MetricsTask(metrics)
    for time_ms, held_back in ((0, 0), (100 * M1, 1), (100 * M1, 1)):
        task.take([partial(each, 0, "/a", 1) for each in metrics[: 2 - held_back]])
        task.take([mark(0, time_ms), mark(BY_CLICKS, 30_000)]).commit()
        task = MetricsTask(metrics, task.state)
    assert [key for key in task.state if key.startswith(metric_prefix(FINAL.identity))] == []
    (left,) = (each for each in task.state if each.startswith(metric_prefix(metrics[0].identity)))
    assert decode_aggregate(task.state[left]).value() == 3
    task.take([mark(0, 101 * M1), mark(BY_CLICKS, 100 * M1)]).commit()
    assert left not in task.state


def test_without_final_results_no_second_mark_is_told_or_asked_for() -> None:
    gathering = Gathering([TUMBLING], 0, 1)
    gathering.add([row(1, 1)])
    assert sum(key[:1] == MARK for _, key, _, _ in gathering.flush(1, stream_ms=1)) == 1
    assert not gathering.mark_is_due(10 * M1)  # the clock says nothing
    assert gathering.flush(10 * M1, stream_ms=10 * M1) != []  # clicks do
    task = MetricsTask([replace(TUMBLING, retention_ms=0)])
    task.take([partial(TUMBLING, 0, "/a"), mark(BY_CLICKS, 0), mark(0, 100 * M1)]).commit()
    assert [key for key in task.state if key.startswith(metric_prefix(TUMBLING.identity))] == []


def test_nobody_waits_for_a_partition_that_never_had_a_click() -> None:
    task = MetricsTask([FINAL], clicks_partitions=3)
    task.take([mark(0, IDLE_MS), mark(1, IDLE_MS)]).commit()
    assert task.line.time_ms == -1  # one was not heard of
    task.take([mark(2, IDLE_MS)]).commit()
    assert task.line.time_ms == -1  # and none has a time
    task.take([partial(FINAL, 0, "/a", 3), mark(0, M1 + 10_000)]).commit()
    assert task.out.values() == {(0, ("/a",)): 3}
    # Its first clicks may be old. They count, and what was told stays told.
    task.take([partial(FINAL, 0, "/a"), mark(1, 5), mark(2, 10 * M1), mark(1, IDLE_MS)]).commit()
    assert task.line.time_ms == 5
    task.take([mark(0, 10 * M1), mark(1, 10 * M1)]).commit()
    assert [each["value"] for each in task.out.results] == [3]
    assert MetricsTask([FINAL], task.state, clicks_partitions=3).line.time_ms == 10 * M1


def test_skew_between_clicks_partitions_loses_nothing() -> None:
    task = MetricsTask([FINAL], clicks_partitions=2)
    task.take([partial(FINAL, 60 * M1, "/a"), mark(0, 60 * M1)]).commit()
    for minute in range(60):
        task.take([partial(FINAL, minute * M1, "/a"), mark(1, minute * M1)]).commit()
    task.take([mark(0, 90 * M1), mark(1, 90 * M1)]).commit()
    assert task.out.values() == {(minute * M1, ("/a",)): 1 for minute in range(61)}


def test_a_mark_never_goes_back() -> None:
    task = MetricsTask([FINAL]).take([mark(0, 100), mark(0, 50)])
    assert task.line.time_ms == 100
    task.commit()
    assert MetricsTask([FINAL], task.state).line.time_ms == 100


def test_panes_expire_in_bulk_with_the_last_window_that_has_them() -> None:
    task = MetricsTask([HOPPING])
    task.take(records([HOPPING], *[(minute * M1, "/a") for minute in range(6)]))
    flushed = task.commit()
    assert [pane_of(end) for _, end in flushed.expired] == [3 * M1]
    assert [pane_of(key) for key in sorted(task.state) if key[:1] == b"v"] == [3 * M1, 4 * M1, 5 * M1]
    again = MetricsTask([HOPPING], task.state)
    assert again.commit().expired == flushed.expired, "what a restored state has of it goes again"
    assert again.commit().expired == []


def test_a_backlog_beyond_the_retention_is_told_all_the_same() -> None:
    task = MetricsTask([TUMBLING, FINAL])
    task.take([partial(metric, minute * M1, "/a") for minute in range(20) for metric in (TUMBLING, FINAL)])
    task.take([mark(0, 90 * M1)]).commit()
    assert len([each for each in task.out.results if each["metric"] == "tumbling"]) == 20
    assert len([each for each in task.out.results if each["metric"] == "final"]) == 20
    assert [key for key in task.state if key[:1] == b"v"] == []


def test_keys_beyond_the_bound_of_a_pane_count_as_other_also_after_a_restart() -> None:
    metric = Metric("m", by=BY_PAGE, size_ms=M1, topic="t", max_keys=2)
    task = MetricsTask([metric]).take([partial(metric, 0, page) for page in "abcd"])
    task.take([partial(metric, M1, "c")]).commit()
    expected = {(0, ("a",)): 1, (0, ("b",)): 1, (0, ("(other)",)): 2, (M1, ("c",)): 1}
    assert task.out.values() == expected
    again = MetricsTask([metric], task.state).take([partial(metric, 0, page) for page in "cab"])
    again.commit()
    assert again.out.values() == {(0, ("a",)): 2, (0, ("b",)): 2, (0, ("(other)",)): 3}
    assert again.line.counters["m"].other == 1


def test_a_partial_of_an_unknown_metric_is_counted_and_passed_over() -> None:
    task = MetricsTask([TUMBLING]).take([partial(FINAL, 0, "/a"), partial(TUMBLING, 0, "/a")])
    task.commit()
    assert (task.line.unknown, task.line.malformed, len(task.out.results)) == (1, 0, 1)


@pytest.mark.parametrize(
    "bad",
    [
        Record(None, None),
        Record(b"", b""),
        Record(b"v123", b"x"),
        Record(b"z" * 30, b"x"),
        mark(1, 5),
        Record(b"k\0\0\0\0", b"short"),
        partial(TUMBLING, 1, "/a"),
        Record(pane_prefix(TUMBLING.identity, 0) + encode_key(["/", "/"]), b"\x01\x01"),
        Record(pane_prefix(TUMBLING.identity, 0) + encode_key(["/"]), b"\x02\x00\x01"),
        Record(pane_prefix(TUMBLING.identity, 0) + encode_key(["/a"]), b"\x02\x00\x01"),
        Record(pane_prefix(TUMBLING.identity, 0) + encode_key(["/a"]), b""),
        Record(pane_prefix(TUMBLING.identity, 2**63) + encode_key(["/a"]), b"\x01\x01"),
    ],
    ids=[
        "nothing", "empty", "short key", "other kind", "partition", "short mark", "pane between", "two keys",
        "other aggregate", "other aggregate at hand", "no aggregate at hand", "pane too late",
    ],
)  # fmt: skip
def test_what_is_no_partial_and_no_mark_is_counted_and_passed_over(bad: Record) -> None:
    task = MetricsTask([TUMBLING]).take([partial(TUMBLING, 0, "/a"), bad, partial(TUMBLING, 0, "/a")])
    task.commit()
    assert task.line.malformed == 1
    assert task.out.values() == {(0, ("/a",)): 2}


def test_a_metric_is_counted_since_the_state_knows_it() -> None:
    task = MetricsTask([TUMBLING], now_ms=5)
    assert task.line.has_work()
    task.commit()
    assert not task.line.has_work()
    changed = Metric("tumbling", by={"action": "click.action"}, size_ms=M1)
    again = MetricsTask([TUMBLING, FINAL], task.state, now_ms=9)
    assert again.line.since_ms() == {"tumbling": 5, "final": 9}
    assert MetricsTask([changed], task.state, now_ms=9).line.since_ms() == {"tumbling": 9}


def test_what_a_removed_metric_left_is_deleted_in_bounded_steps() -> None:
    task = MetricsTask([TUMBLING, FINAL])
    task.take([partial(FINAL, 0, f"/{number}") for number in range(2 * SWEPT + 10)])
    task.take([partial(TUMBLING, 0, "/kept")]).commit()
    again = MetricsTask([TUMBLING], task.state)
    steps = 0
    while again.line.has_work():
        deleted = [key for key, value in again.commit().changes if value is None]
        assert 0 < len(deleted) <= SWEPT + 1
        steps += 1
    assert steps == 3
    assert set(task.state) == {
        METRIC + TUMBLING.identity,
        pane_prefix(TUMBLING.identity, 0) + encode_key(["/kept"]),
    }


def test_a_metric_without_a_topic_tells_nothing() -> None:
    quiet = [Metric("quiet", by=BY_PAGE, size_ms=M1), Metric("still", by=BY_PAGE, size_ms=M1, emit="final")]
    task = MetricsTask(quiet).take(records(quiet, (1, "/a"), (10 * M1, "/a")))
    task.commit()
    assert (task.out.results, task.line.counters["quiet"].merged) == ([], 2)


def test_a_rollback_forgets_what_was_not_committed() -> None:
    task = MetricsTask([TUMBLING, FINAL])
    batch = [partial(TUMBLING, 0, "/a"), partial(FINAL, 0, "/a"), mark(0, 10 * M1)]
    task.take(batch)
    task.line.flush()
    task.line.rollback()
    task.out.results.clear()
    assert task.line.time_ms == -1
    task.take(batch).commit()
    assert sorted((each["metric"], each["value"]) for each in task.out.results) == [
        ("final", 1),
        ("tumbling", 1),
    ]


@pytest.mark.parametrize("key", [b"k\0\0", METRIC + b"12345678"])
def test_a_state_that_cannot_be_read_is_corrupted(key: bytes) -> None:
    state = Panes()
    state[key] = b"?"
    with pytest.raises(StateCorrupted, match="what a metrics task remembers"):
        MetricsTask([TUMBLING], state, now_ms=NOW_MS)


def test_wider_windows_of_the_same_panes_read_what_is_there() -> None:
    task = MetricsTask([HOPPING], clicks_partitions=2)
    task.take(records([HOPPING], (1, "/a"), (M1, "/a"))).commit()
    wider = Metric("hopping", by=BY_PAGE, size_ms=5 * M1, advance_ms=M1, topic="h")
    again = MetricsTask([wider], task.state, clicks_partitions=2)
    again.take(records([wider], (4 * M1, "/a"))).commit()
    values: dict[Any, Any] = again.out.values()
    assert values[0, ("/a",)] == 3
