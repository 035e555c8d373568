"""Reading windows from panes: one key, all keys, many windows of one key at once."""

from typing import Any

import pytest
from clickstream_processor.aggregation.metric import Metric
from clickstream_processor.aggregation.partials import pane_prefix
from clickstream_processor.aggregation.values.aggregates import Aggregate, aggregate_type, encode_aggregate
from clickstream_processor.aggregation.values.keys import decode_key, encode_key
from clickstream_processor.aggregation.windows import (
    key_windows,
    merge_panes,
    panes_between,
    read_key,
    read_window,
    stored_aggregate,
)
from clickstream_processor.errors import StateCorrupted
from hypothesis import given
from hypothesis import strategies as st
from processor_support.lines.metrics_rig import Panes

METRIC = Metric("m", "distinct", "click.user_id", by={"page": "click.page_url"}, size_ms=300, advance_ms=100)


def aggregate(values: Any, metric: Metric = METRIC) -> Aggregate:
    made: Aggregate = aggregate_type(metric.kind)()
    for value in values:
        made.add(value)
    return made


def state(panes: dict[tuple[int, str], str], metric: Metric = METRIC) -> Panes:
    """Return the state with these values, by pane and page."""
    made = Panes()
    for (pane_ms, page), values in panes.items():
        made[pane_prefix(metric.identity, pane_ms) + encode_key([page])] = encode_aggregate(aggregate(values))
    return made


SOME = state({(0, "/a"): "xy", (100, "/a"): "yz", (300, "/a"): "q", (100, "/b"): "x", (1_000, "/b"): "x"})


def test_a_window_is_its_panes_merged() -> None:
    found = read_key(SOME, METRIC, 0, encode_key(["/a"]))
    assert found is not None
    assert (found.aggregate.value(), found.newest_pane_ms) == (3, 100)
    assert read_key(SOME, METRIC, 400, encode_key(["/a"])) is None


def test_all_keys_of_a_window_come_in_order_each_once() -> None:
    found = [
        (decode_key(each.key), each.aggregate.value(), each.newest_pane_ms)
        for each in read_window(SOME, METRIC, 100)
    ]
    assert found == [(("/a",), 3, 300), (("/b",), 1, 100)]
    assert list(read_window(SOME, METRIC, 400)) == []


def test_another_metrics_panes_are_not_read() -> None:
    other = Metric(
        "other", "distinct", "click.user_id", by={"page": "click.page_url"}, size_ms=300, advance_ms=100
    )
    assert list(read_window(SOME, other, 0)) == []


def test_panes_are_found_by_one_look_up_each() -> None:
    assert list(panes_between(SOME, METRIC, 0, 1_000)) == [0, 100, 300]
    assert list(panes_between(SOME, METRIC, 200, 2_000)) == [300, 1_000]


def test_a_state_that_cannot_be_read_is_corrupted() -> None:
    with pytest.raises(StateCorrupted, match="a pane of a metric"):
        stored_aggregate(b"\x77")


@given(
    st.integers(1, 7),
    st.dictionaries(st.integers(0, 30), st.lists(st.sampled_from("abcde"), max_size=3)),
    st.integers(0, 30),
    st.integers(0, 20),
)
def test_many_windows_of_a_key_are_what_each_of_them_is(
    number: int, values: dict[int, list[str]], first: int, count: int
) -> None:
    metric = Metric("m", "distinct", "click.user_id", size_ms=10 * number, advance_ms=10)
    panes = {10 * pane: aggregate(given_values) for pane, given_values in values.items()}
    before = {pane: encode_aggregate(each) for pane, each in panes.items()}
    windows = range(10 * first, 10 * (first + count), 10)
    found = {
        start: (each.aggregate.value(), each.newest_pane_ms)
        for start, each in key_windows(metric, b"", panes, windows)
    }
    expected = {}
    for start in windows:
        whole = merge_panes(
            metric, b"", {pane: panes[pane] for pane in metric.panes.of_window(start) if pane in panes}
        )
        if whole is not None:
            expected[start] = whole.aggregate.value(), whole.newest_pane_ms
    assert found == expected
    assert {pane: encode_aggregate(each) for pane, each in panes.items()} == before
