"""One rule of the line at a time: join, refusals, filter and transform, metrics."""

import json
from typing import Any

import pytest
from clickstream_expressions.errors import EvaluationFailed
from clickstream_expressions.expression import compile_filter, compile_outputs
from clickstream_processor.aggregation.gathering.gathering import Gathering
from clickstream_processor.aggregation.metric import Metric
from clickstream_processor.aggregation.partials import BY_CLICKS, decode_mark, split_partial_key
from clickstream_processor.aggregation.values.aggregates import decode_aggregate
from clickstream_processor.aggregation.values.keys import encode_key
from clickstream_processor.topology.pipeline import GATHERED
from processor_support.lines.sample_line import (
    M1,
    M5,
    T0,
    click,
    commit,
    line,
    plan,
    profile,
    record,
)

# Join


def test_an_enriched_click_has_the_contracts_fields_in_their_order() -> None:
    pipeline, _, out = line(partition=0)
    pipeline.clicks([click("alice", T0, 41, page_url='/ü"\\', action="add to cart", other=1)])
    value, key, at_ms = out.clicks[0]
    assert list(value.items()) == [
        ("event_id", "user-clicks-0-41"),
        ("user_id", "alice"),
        ("user_name", "Alice"),
        ("country", "USA"),
        ("plan_tier", "free"),
        ("page_url", '/ü"\\'),
        ("action", "add to cart"),
        ("timestamp", T0),
    ]
    assert (key, at_ms) == (b"alice", T0)


@pytest.mark.parametrize("event_ms", [0, 7, 999, 1_000, 1_007, 60_123, 2**53])
@pytest.mark.parametrize("offset", [0, 9, 999, 1_000, 1_001, 12_345_678])
def test_offsets_and_times_of_any_size_are_written_right(event_ms: int, offset: int) -> None:
    pipeline, _, out = line(plan(late="drop"))
    pipeline.clicks([click("alice", event_ms, offset), click("alice", event_ms, offset + 1)])
    assert [v["timestamp"] for v, _, _ in out.clicks] == [event_ms] * 2
    assert [v["event_id"] for v, _, _ in out.clicks] == [f"user-clicks-0-{offset + i}" for i in range(2)]


def test_a_click_meets_the_profile_as_it_is_at_that_moment() -> None:
    pipeline, state, out = line(users=())
    pipeline.clicks([click("alice", T0)])
    pipeline.profiles([profile("alice", country="FR")])
    pipeline.clicks([click("alice", T0)])
    commit(pipeline, state)
    pipeline.profiles([profile("alice", country="DE")])
    pipeline.clicks([click("alice", T0)])
    pipeline.profiles([record(b"alice", None)])
    pipeline.clicks([click("alice", T0)])
    pipeline.profiles([profile("alice", country="IT")])
    pipeline.clicks([click("alice", T0)])
    assert [v["country"] for v, _, _ in out.clicks] == ["FR", "DE", "IT"]
    assert [reason for _, reason, _ in out.dead] == ["unmatched", "unmatched"]


def test_an_inner_join_may_drop_unmatched_clicks() -> None:
    pipeline, _, out = line(plan(unmatched="drop"), users=())
    pipeline.clicks([click("alice", T0)])
    assert (out.clicks, out.dead, pipeline.counters.dropped) == ([], [], {"unmatched": 1})


def test_a_left_join_fills_nulls_and_counts() -> None:
    pipeline, _, out = line(plan(join="left"), users=())
    pipeline.clicks([click('a"b', T0)])
    pipeline.flush()
    value = out.clicks[0][0]
    assert (value["user_id"], value["user_name"], value["country"], value["plan_tier"]) == (
        'a"b',
        None,
        None,
        None,
    )
    assert out.windows() == [('a"b', T0, 1, T0)]


def test_a_changed_profile_writes_nothing() -> None:
    pipeline, _, out = line()
    pipeline.profiles([profile("alice", country="FR")])
    assert pipeline.flush() == []
    assert (out.clicks, out.counts) == ([], [])


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (record(b"alice", b"{"), "not-json"),
        (record(b"alice", b'{"name":"A"}'), "missing-field"),
        (record(b"alice", b'{"user_id":true}'), "mistyped-field"),
        (record(b"alice", b'{"user_id":42,"name":"B"}'), "key-mismatch"),
        (record(b"alice", b'{"user_id":"bob","name":"B"}'), "key-mismatch"),
        (record(None, b'{"user_id":"bob","name":"B"}'), "null-key"),
    ],
)
def test_a_refused_profile_is_counted_and_changes_nothing(message: Any, reason: str) -> None:
    pipeline, _, out = line()
    pipeline.profiles([message])
    refused = dict(pipeline.counters.profiles_refused)
    assert [(found, why) for found, why, _ in pipeline.refused] == [(message, reason)]
    pipeline.clicks([click("alice", T0)])
    assert refused == {reason: 1}
    assert out.clicks[0][0]["user_name"] == "Alice"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b'"FR"', "FR"),
        (b"null", None),
        (b"2", "2"),
        (b"2.50", "2.50"),
        (b"true", "true"),
        (b'["a", 1]', '["a", 1]'),
        (b'{"a":{}}', '{"a":{}}'),
    ],
)
def test_a_profiles_column_of_another_type_is_its_json_text(value: bytes, text: str | None) -> None:
    pipeline, _, out = line(keep=None)
    pipeline.profiles([record(b"42", b'{"user_id":42,"name":7,"country":' + value + b"}", 1)])
    pipeline.clicks([click("42", T0)])
    enriched = out.clicks[0][0]
    assert (enriched["user_id"], enriched["user_name"], enriched["country"]) == ("42", "7", text)
    assert pipeline.refused == []


def test_a_notice_of_the_source_is_refused_with_its_reason() -> None:
    pipeline, _, _ = line()
    told = b'{"refused":"table-truncated","detail":"still joined","table":"public.users","op":"t"}'
    pipeline.profiles(
        [record(b"clickstream:refused:table-truncated", told), record(b"x", b'{"refused":"?"}')]
    )
    assert [(why, detail) for _, why, detail in pipeline.refused] == [
        ("table-truncated", "public.users: still joined"),
        ("missing-field", "user_id"),
    ]


# Refused clicks


def body(**changes: Any) -> bytes:
    fields = {"user_id": "alice", "page_url": "/", "action": "view", "timestamp": T0} | changes
    return json.dumps({name: value for name, value in fields.items() if value is not ...}).encode()


REFUSED = [
    ("nothing", b"alice", None, "not-json"),
    ("empty", b"alice", b"", "not-json"),
    ("text", b"alice", b"hello", "not-json"),
    ("cut", b"alice", body()[:-3], "not-json"),
    ("trailing", b"alice", body() + b"x", "not-json"),
    ("not UTF-8", b"alice", body().replace(b"view", b"\xff"), "not-json"),
    ("half a surrogate", b"alice", body().replace(b"view", b"\\ud800"), "mistyped-field"),
    ("nested", b"alice", b'{"x":' + b"[" * 50_000 + b"]" * 50_000 + b"}", "oversized"),
    ("deep", b"alice", b'{"x":' + b"[" * 20_000 + b"]" * 20_000 + b"}", "not-json"),
    ("a list", b"alice", b"[]", "mistyped-field"),
    ("null", b"alice", b"null", "mistyped-field"),
    ("no page", b"alice", body(page_url=...), "missing-field"),
    ("no time", b"alice", body(timestamp=...), "missing-field"),
    ("number as page", b"alice", body(page_url=7), "mistyped-field"),
    ("null action", b"alice", body(action=None), "mistyped-field"),
    ("text as time", b"alice", body(timestamp="1"), "mistyped-field"),
    ("fraction as time", b"alice", body(timestamp=1.5), "mistyped-field"),
    ("truth as time", b"alice", body(timestamp=True), "mistyped-field"),
    ("negative time", b"alice", body(timestamp=-1), "implausible-time"),
    ("huge time", b"alice", body(timestamp=2**53 + 1), "implausible-time"),
    ("null key", None, body(), "null-key"),
    ("another key", b"bob", body(), "key-mismatch"),
    ("key not UTF-8", b"\xff", body(), "key-mismatch"),
    ("long", b"alice", body(page_url="/" * 70_000), "oversized"),
    ("null key of a user unknown", None, body(user_id="x"), "null-key"),
    ("long key", b"k" * 2_000, body(user_id="k" * 2_000), "oversized"),
    ("future", b"alice", body(timestamp=T0 + 3_600_001), "too-far-in-future"),
]


@pytest.mark.parametrize(
    ("key", "value", "reason"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_a_malformed_click_is_dead_lettered_with_its_reason_and_stops_nothing(
    key: bytes | None, value: bytes | None, reason: str
) -> None:
    pipeline, state, out = line()
    pipeline.clicks([click("alice", T0, 6), record(key, value, 7), click("alice", T0 + 1, 8)])
    assert [(offset, why) for offset, why, _ in out.dead] == [(7, reason)]
    assert [v["event_id"][-1] for v, _, _ in out.clicks] == ["6", "8"]
    assert pipeline.counters.dead_lettered == {reason: 1}
    assert (pipeline.counters.clicks, pipeline.counters.enriched, state.stream_ms) == (3, 2, T0 + 1)


def test_an_event_at_the_limit_of_the_future_is_taken() -> None:
    pipeline, _, out = line()
    pipeline.clicks([click("alice", T0 + 3_600_000, record_ms=T0)])
    assert len(out.clicks) == 1


def test_a_click_on_a_partition_that_is_not_its_keys_is_refused() -> None:
    pipeline, _, out = line(plan(partitions=12), users=(), partition=5)
    pipeline.profiles([profile("alice123"), profile("bob")])
    assert pipeline.counters.profiles_refused == {"wrong-partition": 1}  # murmur2 of alice123 is 5 of 12
    pipeline.clicks([click("alice123", T0, 1), click("bob", T0, 2)])
    assert [(offset, reason) for offset, reason, _ in out.dead] == [(2, "wrong-partition")]
    assert len(out.clicks) == 1


# Filter and transform


def test_a_filtered_click_is_counted_as_filtered_and_moves_no_time() -> None:
    pipeline, state, out = line(keep=compile_filter('click.action != "heartbeat"'))
    pipeline.clicks([click("alice", T0), click("alice", T0 + 5, action="heartbeat")])
    assert (len(out.clicks), pipeline.counters.filtered, state.stream_ms) == (1, 1, T0)


def test_a_filter_reads_profiles_and_further_fields() -> None:
    keep = compile_filter('profile.country == "USA" && click.score > 3 && profile.city == "Rome"')
    pipeline, _, out = line(users=(), keep=keep)
    pipeline.profiles([profile("alice", city="Rome")])
    pipeline.clicks([click("alice", T0, 1, score=4), click("alice", T0, 2, score=3), click("alice", T0, 3)])
    assert [v["event_id"][-1] for v, _, _ in out.clicks] == ["1"]
    assert [(offset, reason) for offset, reason, _ in out.dead] == [(3, "expression-error")]


def test_transform_replaces_in_place_appends_and_drops() -> None:
    transform = compile_outputs({"action": "click.action.upperAscii()", "kind": '"web"'})
    pipeline, _, out = line(plan(drop=("country", "kind")), transform=transform)
    pipeline.clicks([click("alice", T0)])
    value = out.clicks[0][0]
    assert list(value) == [
        "event_id",
        "user_id",
        "user_name",
        "plan_tier",
        "page_url",
        "action",
        "timestamp",
        "kind",
    ]
    assert (value["action"], value["kind"]) == ("VIEW", "web")


def test_a_failed_transform_is_dead_lettered_and_not_counted() -> None:
    pipeline, _, out = line(transform=compile_outputs({"half": "click.score / click.parts"}))
    pipeline.clicks([click("alice", T0, 3, score=4, parts=0)])
    assert [(offset, reason) for offset, reason, _ in out.dead] == [(3, "expression-error")]
    assert (out.clicks, pipeline.flush()) == ([], [])


# Metrics


def test_metrics_get_every_click_that_goes_on_with_what_their_expressions_read() -> None:
    by = {"plan": "profile.plan_tier", "shop": "click.shop", "city": "profile.city"}
    gathering = Gathering([Metric("m", by=by, size_ms=M5)], 0, 1)
    pipeline, _, out = line(
        users=("alice",), keep=compile_filter('click.action != "heartbeat"'), gatherer=gathering
    )
    pipeline.profiles([profile("alice", 1, city="Ulm")])
    clicks = [click("alice", T0, 0, shop=3), click("alice", T0 + 1, 1, action="heartbeat", shop=3)]
    pipeline.clicks([*clicks, click("bob", T0 + 2, 2), click("alice", T0 + 3, 3)])
    found = gathering.flush(-1)
    assert [split_partial_key(key)[1:] for _, key, _, _ in found] == [
        (T0 // M5 * M5, encode_key(["free", 3, "Ulm"]))
    ]
    assert gathering.counters["m"].failed == 1  # the click without a shop
    assert len(out.clicks) == 2


@pytest.mark.parametrize("number", [GATHERED - 1, GATHERED, GATHERED + 1, 3 * GATHERED])
def test_each_click_of_a_large_batch_counts_once_in_the_metrics(number: int) -> None:
    gathering = Gathering([Metric("m", size_ms=M5)], 0, 1)
    pipeline, state, _ = line(gatherer=gathering)
    pipeline.clicks([click("alice", T0 + offset, offset) for offset in range(number)])
    assert [decode_aggregate(value).value() for _, _, value, _ in gathering.flush(-1)] == [number]
    assert state.metrics_ms == state.stream_ms == T0 + number - 1


def test_a_click_that_is_late_for_the_users_windows_may_be_in_time_for_a_metric() -> None:
    gathering = Gathering([Metric("m", size_ms=M5, grace_ms=M5)], 0, 1)
    pipeline, _, out = line(plan(grace_ms=0), gatherer=gathering)
    pipeline.clicks([click("alice", T0 + M5, 0), click("alice", T0, 1), click("alice", T0 - 2 * M5, 2)])
    assert [offset for offset, *_ in out.dead] == [1, 2]
    assert (len(out.clicks), len(gathering.flush(-1)), gathering.counters["m"].late) == (3, 2, 1)


def test_panes_close_with_the_clock_as_late_as_the_last_click_was() -> None:
    metrics = [Metric("m", size_ms=M1, grace_ms=0, emit="final"), Metric("n", size_ms=M1, grace_ms=0)]
    gathering = Gathering(metrics, 0, 1)
    pipeline, state, _ = line(gatherer=gathering)
    assert not pipeline.tick(T0)  # no click yet: there is no time
    pipeline.clicks([click("alice", T0, record_ms=T0 + 90_000)])
    assert (state.metrics_ms, state.lag_ms) == (T0, 90_000)
    gathering.flush(state.metrics_ms)
    closes_ms = T0 // M1 * M1 + M1
    assert not pipeline.tick(closes_ms + 89_999)
    assert pipeline.tick(closes_ms + 90_000)
    assert (state.metrics_ms, state.closed_ms, state.stream_ms) == (closes_ms, T0, T0)
    marks = gathering.flush(state.metrics_ms, stream_ms=state.stream_ms)
    assert [decode_mark(key, value) for _, key, value, _ in marks] == [(0, closes_ms), (BY_CLICKS, T0)]
    assert not pipeline.tick(closes_ms + 90_001)
    # Late for final results from here on. Updates, and the user's windows, go by the stream's time.
    pipeline.clicks([click("alice", closes_ms - 1, 1, record_ms=closes_ms + 100_000)])
    assert (gathering.counters["m"].late, gathering.counters["n"].late) == (1, 0)
    assert pipeline.counters.counted == 2


def test_evaluation_errors_are_the_only_ones_an_expression_may_raise() -> None:
    class Broken:
        reads_fields = reads_columns = False
        click_fields = frozenset[str]()

        def evaluate(self, *_: Any) -> Any:
            raise EvaluationFailed("no value")

    pipeline, _, out = line(keep=Broken())
    pipeline.clicks([click("alice", T0)])
    assert out.dead == [(0, "expression-error", "no value")]
