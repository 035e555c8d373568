"""Wherever commits and crashes are, the same partials make the same state and the same results."""

from collections.abc import Sequence
from typing import Any

from clickstream_local.testing.randomised import examples
from clickstream_processor.aggregation.gathering.gathering import Gathering
from clickstream_processor.aggregation.metric import Metric
from hypothesis import given, settings
from hypothesis import strategies as st
from processor_support.lines.metrics_rig import MetricsTask, Record, routed, row

PAGE = {"page": "click.page_url"}
METRICS = [
    Metric("count", by=PAGE, size_ms=100, grace_ms=30, retention_ms=200, topic="c", emit="final", max_keys=3),
    Metric("sum", "sum", "click.amount", size_ms=300, advance_ms=100, grace_ms=0, retention_ms=0, topic="s"),
    Metric(
        "avg",
        "avg",
        "click.amount",
        by=PAGE,
        size_ms=200,
        advance_ms=50,
        grace_ms=50,
        topic="a",
        emit="final",
    ),
    Metric("users", "distinct", "click.user_id", by=PAGE, size_ms=100, grace_ms=100, topic="u", emit="final"),
]
CLICKS = st.tuples(
    st.integers(0, 1),  # clicks partition
    st.integers(-120, 150),  # ms from the partition's time
    st.sampled_from("abcde"),
    st.sampled_from([1, 2, 0.1, 1e16, -1e16]),
    st.booleans(),  # commit after it
)


def told(metrics: Sequence[Metric], clicks: Sequence[Any]) -> list[Record]:
    """Return what two clicks tasks tell one metrics task, in the end that all windows are closed."""
    tasks = [Gathering(metrics, partition, 1) for partition in (0, 1)]
    times = [0, 0]
    records: list[Record] = []
    for number, (partition, ahead, page, amount, commit) in enumerate(clicks):
        event_ms = max(0, times[partition] + ahead)
        times[partition] = max(times[partition], event_ms)
        click = row(event_ms, times[partition], page=page, user=f"u{number % 7}", amount=amount)
        tasks[partition].add([click])
        if commit:
            records += routed(tasks[partition], times[partition])[0]
    for task in tasks:
        records += routed(task, max(times) + 10_000)[0]
    return records


def run(records: Sequence[Record], commits: set[int], crashes: set[int]) -> tuple[MetricsTask, list[Any]]:
    """Return the task after all records, with commits and crashes before these, and the committed results."""
    task = MetricsTask(METRICS, clicks_partitions=2)
    results: list[Any] = []
    committed = 0
    crashes = set(crashes)
    at = 0
    while at <= len(records):
        if at in crashes:
            crashes.discard(at)
            if at % 2:  # in the midst of a commit: it was flushed, and nothing of it is visible
                task.line.flush()
            task, at = MetricsTask(METRICS, task.state, clicks_partitions=2), committed
            continue
        if at in commits or at == len(records):
            task.commit()
            results += task.out.results
            task.out.results.clear()
            committed = at
        if at < len(records):
            task.take([records[at]])
        at += 1
    return task, results


def in_any_order(results: Sequence[dict[str, Any]], emit: str) -> list[str]:
    return sorted(str(each) for each in results if each["emit"] == emit)


@settings(max_examples=examples(60))
@given(st.lists(CLICKS, max_size=40), st.sets(st.integers(0, 150)), st.sets(st.integers(0, 150)))
def test_commits_and_crashes_change_neither_state_nor_results(
    clicks: list[Any], commits: set[int], crashes: set[int]
) -> None:
    records = told(METRICS, clicks)
    straight, expected = run(records, set(), set())
    task, results = run(records, commits, crashes)
    assert task.state == straight.state
    assert in_any_order(results, "final") == in_any_order(expected, "final")
    assert _last(results) == _last(expected)


def _last(results: Sequence[dict[str, Any]]) -> dict[Any, Any]:
    """Return the last value of each window that updates told."""
    updates = [each for each in results if each["emit"] == "updates"]
    return {(each["metric"], each["window_start"], str(each["keys"])): each["value"] for each in updates}


@settings(max_examples=examples(30))
@given(st.lists(CLICKS, min_size=1, max_size=40), st.sets(st.integers(0, 40)))
def test_a_clicks_task_that_fails_before_its_commit_tells_the_same_partials(
    clicks: list[Any], failures: set[int]
) -> None:
    rows = [row(max(0, ahead), 150, page=page, amount=amount) for _, ahead, page, amount, _ in clicks]
    straight, failing = Gathering(METRICS, 0, 3), Gathering(METRICS, 0, 3)
    straight.add(rows)
    expected = routed(straight, 150)
    for failure in sorted(failures):
        failing.add(rows[:failure])
        failing.flush(150)
        failing.rollback()
    failing.add(rows)
    assert routed(failing, 150) == expected
