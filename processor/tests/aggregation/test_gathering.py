"""The clicks stage: what a batch of clicks adds to the metrics, which are late, and what fails."""

import re
from typing import Any

import pytest
from clickstream_processor.aggregation.gathering.gathering import Gathering, Record
from clickstream_processor.aggregation.metric import Metric
from clickstream_processor.aggregation.partials import IDLE_MS, MARK, decode_mark, split_partial_key
from clickstream_processor.aggregation.values.aggregates import decode_aggregate
from clickstream_processor.aggregation.values.keys import decode_key
from clickstream_processor.topology.records.partitioning import murmur2_partition
from clickstream_processor.topology.records.records import Profile
from processor_support.lines.metrics_rig import row

M1 = 60_000
PAGES = Metric("pages", by={"page": "click.page_url"}, size_ms=M1, grace_ms=10_000)
REVENUE = Metric(
    "revenue", "sum", "click.amount", 'click.action == "buy"', {"plan": "profile.plan_tier"}, size_ms=M1
)
ALICE = Profile("alice", country="DE", plan_tier="premium")

Found = dict[tuple[bytes, int, Any], Any]


def values(records: list[Record]) -> Found:
    """Return the value of each partial by identity, pane and key."""
    found = {}
    for _, key, value, time_ms in records:
        if key[:1] != MARK:
            identity, pane_ms, by = split_partial_key(key)
            assert time_ms == pane_ms
            found[identity, pane_ms, decode_key(by)] = decode_aggregate(value).value()
    return found


def marks(records: list[Record]) -> list[tuple[int, tuple[int, int]]]:
    return [(partition, decode_mark(key, value)) for partition, key, value, _ in records if key[:1] == MARK]


def gather(metric: Metric, rows: list[Any], closed_ms: int = 0) -> tuple[dict[tuple[int, Any], Any], Any]:
    """Return the partials of one metric by pane and key, and its counters."""
    gathering = Gathering([metric], 0, 1)
    gathering.add(rows)
    found = values(gathering.flush(closed_ms))
    return {(pane_ms, key): value for (_, pane_ms, key), value in found.items()}, gathering.counters[
        metric.name
    ]


def test_clicks_add_up_by_pane_and_key() -> None:
    rows = [row(1, page="/a"), row(2, page="/b"), row(3, page="/a"), row(M1, page="/a")]
    found, counters = gather(PAGES, rows)
    assert found == {(0, ("/a",)): 2, (0, ("/b",)): 1, (M1, ("/a",)): 1}
    assert (counters.late, counters.failed, counters.slow) == (0, 0, 0)


def test_where_leaves_clicks_out_and_a_profile_gives_keys() -> None:
    rows = [row(1, action="buy", profile=ALICE, amount=price) for price in (1, 2.5)]
    rows += [row(1, action="view", profile=ALICE), row(1, action="buy", profile=None, amount=7)]
    found, counters = gather(REVENUE, rows)
    assert found == {(0, ("premium",)): 3.5, (0, (None,)): 7}
    assert counters.slow == 0


EXPRESSIONS = {
    "none": {},
    "page": {"page": "click.page_url"},
    "two": {"page": "click.page_url", "country": "profile.country"},
    "three": {"page": "click.page_url", "vip": "profile.plan_tier == 'premium'", "size": "click.size"},
}


@pytest.mark.parametrize("keys", EXPRESSIONS)
@pytest.mark.parametrize(
    ("kind", "expected"),
    [("count", 3), ("sum", 7), ("min", 1), ("max", 4), ("avg", 7 / 3), ("distinct", 3)],
)
def test_every_aggregate_by_up_to_three_keys(keys: str, kind: Any, expected: Any) -> None:
    value = "" if kind == "count" else "click.amount"
    rows = [row(1, profile=ALICE, amount=amount, size=1) for amount in (1, 2, 4)]
    found, counters = gather(Metric("m", kind, value, by=EXPRESSIONS[keys], size_ms=M1), rows)
    key = {"none": (), "page": ("/",), "two": ("/", "DE"), "three": ("/", True, 1)}[keys]
    assert found == {(0, key): expected}
    assert (counters.failed, counters.slow) == (0, 0), counters.last_error


def test_an_integer_a_bool_and_a_text_are_different_keys() -> None:
    gathering = Gathering([Metric("m", by={"v": "click.v"}, size_ms=M1)], 0, 1)
    gathering.add([row(1, v=value) for value in (1, True, "1", None, 0, False, 1, True)])
    shown = {}
    for _, key, value, _ in gathering.flush(-1):
        shown[repr(decode_key(split_partial_key(key)[2]))] = decode_aggregate(value).value()
    assert shown == {"(1,)": 2, "(True,)": 2, "('1',)": 1, "(None,)": 1, "(0,)": 1, "(False,)": 1}


def test_an_expression_without_python_of_its_own_is_evaluated_by_the_library() -> None:
    metric = Metric(
        "m", "sum", "click.amount * 2", 'click.page_url.matches("^/a")', {"n": "size(click.page_url)"}
    )
    found, counters = gather(
        metric, [row(1, page="/a", amount=3), row(1, page="/b", amount=3), row(1, page="/ab", amount=1)]
    )
    assert found == {(0, (2,)): 6, (0, (3,)): 2}
    assert counters.failed == 0


@pytest.mark.parametrize(
    ("metric", "bad", "error"),
    [
        (Metric("m", "sum", "click.amount"), {"amount": "7"}, "finite number"),
        (Metric("m", "sum", "click.amount"), {"amount": True}, "finite number"),
        (Metric("m", "max", "click.amount"), {"amount": float("inf")}, "finite number|JSON can hold"),
        (Metric("m", "avg", "click.amount"), {}, "amount"),
        (Metric("m", "distinct", "click.amount"), {"amount": [1]}, "must be a text"),
        (Metric("m", by={"a": "click.amount"}), {"amount": 1.5}, "a key must be"),
        (Metric("m", where="click.amount > 1"), {"amount": "x"}, "m.where"),
    ],
    ids=lambda value: f"{value.kind}{value.where}" if isinstance(value, Metric) else "",
)  # fmt: skip
def test_a_failing_evaluation_is_counted_and_stops_nothing(metric: Metric, bad: Any, error: str) -> None:
    gathering = Gathering([metric, PAGES], 0, 1)
    gathering.add([row(1, amount=5), row(2, **bad), row(3, amount=5)])
    found = values(gathering.flush(0))
    counters = gathering.counters["m"]
    assert counters.failed == 1
    assert re.search(error, counters.last_error)
    assert found[PAGES.identity, 0, ("/",)] == 3
    assert sum(identity == metric.identity for identity, *_ in found) == 1


def test_a_refused_value_leaves_no_empty_partial() -> None:
    found, counters = gather(Metric("m", "sum", "click.amount"), [row(1, amount="x"), row(1, amount=None)])
    assert (found, counters.failed) == ({}, 2)


def test_a_click_is_late_once_the_end_of_its_pane_and_the_grace_have_passed() -> None:
    end = M1 + 10_000
    rows = [row(1, end - 1), row(2, end), row(3, end + 1), row(M1, end + 1)]
    found, counters = gather(PAGES, rows)
    assert found == {(0, ("/",)): 1, (M1, ("/",)): 1}
    assert counters.late == 2


def test_only_clicks_that_the_metric_wants_are_late() -> None:
    _, counters = gather(
        REVENUE, [row(1, 10 * M1, action="view"), row(1, 10 * M1, action="buy", profile=ALICE)]
    )
    assert counters.late == 1


def test_each_metric_has_its_own_grace() -> None:
    patient = Metric("patient", size_ms=M1, grace_ms=10 * M1)
    gathering = Gathering([PAGES, patient], 0, 1)
    gathering.add([row(1, 5 * M1)])
    assert (gathering.counters["pages"].late, gathering.counters["patient"].late) == (1, 0)
    assert list(values(gathering.flush(5 * M1))) == [(patient.identity, 0, ())]


def test_keys_beyond_the_bound_of_a_pane_count_as_other() -> None:
    metric = Metric("m", by={"page": "click.page_url"}, size_ms=M1, max_keys=2)
    gathering = Gathering([metric], 0, 1)
    for _ in range(2):
        gathering.add([row(1, page=page) for page in "abcdab"])
    gathering.add([row(M1, page=page) for page in "dc"])
    found = values(gathering.flush(0))
    shown = {(pane, key): value for (_, pane, key), value in found.items()}
    assert shown == {(0, ("a",)): 4, (0, ("b",)): 4, (0, None): 4, (M1, ("d",)): 1, (M1, ("c",)): 1}
    gathering.add([row(1, page=page) for page in "ca"])
    found = values(gathering.flush(0))
    assert {key: value for (_, _, key), value in found.items()} == {None: 1, ("a",): 1}
    assert gathering.counters["m"].other == 5


def test_long_texts_that_are_cut_alike_are_one_key() -> None:
    rows = [row(1, page="/" + "x" * 1_000 + end) for end in ("a", "b", "a")]
    found, _ = gather(PAGES, rows)
    assert list(found.values()) == [3]


def test_a_partial_goes_to_the_partition_of_its_metric_and_key() -> None:
    gathering = Gathering([PAGES, Metric("total")], 0, 12)
    gathering.add([row(time_ms, page=f"/{number}") for number in range(50) for time_ms in (1, M1)])
    records = [each for each in gathering.flush(-1) if each[1][:1] != MARK]
    for partition, key, _, _ in records:
        identity, _, by = split_partial_key(key)
        assert partition == murmur2_partition(identity + by, 12)
    assert len({partition for partition, *_ in records}) == 12


def test_a_commit_hands_out_only_what_was_added_since_the_last() -> None:
    gathering = Gathering([PAGES], 0, 1)
    gathering.add([row(1), row(2)])
    assert list(values(gathering.flush(0)).values()) == [2]
    assert gathering.flush(0) == []
    gathering.add([row(3)])
    assert list(values(gathering.flush(0)).values()) == [1]


def test_a_rollback_forgets_what_was_added_and_told() -> None:
    gathering = Gathering([PAGES], 3, 2)
    gathering.add([row(1), row(2)])
    gathering.rollback()
    gathering.add([row(1)])
    assert list(values(gathering.flush(9 * M1)).values()) == [1]
    gathering.rollback()
    assert marks(gathering.flush(9 * M1)) == [(0, (3, 9 * M1)), (1, (3, 9 * M1))]


def test_a_mark_is_told_on_every_partition_after_the_partials_when_a_pane_has_closed() -> None:
    gathering = Gathering([PAGES], 1, 2)
    assert gathering.flush(-1) == []
    gathering.add([row(1)])
    records = gathering.flush(1)
    assert [key[:1] for _, key, _, _ in records] == [b"v", b"k", b"k"]
    assert marks(records) == [(0, (1, 1)), (1, (1, 1))]
    assert gathering.flush(M1 + 9_999) == []
    assert marks(gathering.flush(M1 + 10_000)) == [(0, (1, M1 + 10_000)), (1, (1, M1 + 10_000))]
    assert gathering.flush(2 * M1) == []


def test_a_long_commit_keeps_values_in_bounded_memory() -> None:
    users, total = Metric("users", "distinct", "click.user_id"), Metric("total", "sum", "click.amount")
    gathering = Gathering([users, total], 0, 1)
    rows = [row(1, user=f"u{number % 300}", amount=0.1) for number in range(1_000)]
    for _ in range(60):
        gathering.add(rows)
    found = values(gathering.flush(0))
    assert found[total.identity, 0, ()] == pytest.approx(6_000, abs=1e-9)
    assert abs(found[users.identity, 0, ()] - 300) < 20


def test_a_partition_without_clicks_says_so_once_until_it_has_a_time() -> None:
    gathering = Gathering([PAGES], 1, 2)
    assert gathering.idle_is_due()
    assert marks(gathering.flush(-1)) == []  # its input may hold clicks that were not read yet
    assert marks(gathering.flush(-1, idle=True)) == [(0, (1, IDLE_MS)), (1, (1, IDLE_MS))]
    assert not gathering.idle_is_due()
    assert marks(gathering.flush(-1, idle=True)) == []
    gathering.rollback()
    assert gathering.idle_is_due()
    assert marks(gathering.flush(5, idle=True)) == [(0, (1, 5)), (1, (1, 5))]
    assert not gathering.idle_is_due()
    assert not Gathering([], 0, 2).idle_is_due()
