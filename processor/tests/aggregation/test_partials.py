"""Records between the stages: what was encoded is decoded, and any other bytes raise one error."""

from contextlib import suppress
from typing import Any

import pytest
from clickstream_expressions.errors import EvaluationFailed
from clickstream_processor.aggregation.partials import (
    LATEST_MS,
    check_key,
    decode_mark,
    decode_metric,
    encode_mark,
    encode_metric,
    end_of,
    pane_of,
    pane_prefix,
    split_partial_key,
)
from clickstream_processor.aggregation.values.aggregates import (
    Kind,
    aggregate_type,
    decode_aggregate,
    encode_aggregate,
)
from clickstream_processor.aggregation.values.keys import (
    MAX_TEXT_BYTES,
    OTHER,
    decode_key,
    distinct_key,
    encode_key,
)
from clickstream_processor.errors import MalformedPartial
from hypothesis import given
from hypothesis import strategies as st

KINDS: list[Kind] = ["count", "sum", "min", "max", "avg", "distinct"]
VALUES = st.text(max_size=60) | st.integers(1 - 2**64, 2**64 - 1) | st.booleans() | st.none()
KEYS = st.lists(VALUES, max_size=3).map(tuple)
IDENTITY = b"\xff" * 8


@given(KEYS)
def test_a_key_survives_its_bytes(values: tuple[Any, ...]) -> None:
    decoded = decode_key(encode_key([distinct_key(value) for value in values]))
    assert decoded == values
    assert decoded is not None
    assert [type(value) for value in decoded] == [type(value) for value in values]


@given(KEYS, KEYS)
def test_different_keys_have_different_bytes(one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    same = [(type(value), value) for value in one] == [(type(value), value) for value in other]
    assert (encode_key(one) == encode_key(other)) is same


def test_a_number_a_bool_and_a_text_are_different_keys() -> None:
    assert len({encode_key([value]) for value in (1, True, "1", None, "", 0, False)}) == 7
    assert len({distinct_key(value) for value in (1, True, "1", None)}) == 4


@pytest.mark.parametrize("letter", ["x", "ä", "語", "😀"])
def test_a_long_text_is_cut_between_characters(letter: str) -> None:
    (cut,) = decode_key(encode_key(["/" + letter * 1_000])) or ()
    assert isinstance(cut, str)
    assert cut.startswith("/" + letter * 10)
    assert cut.endswith(letter + "…")
    assert MAX_TEXT_BYTES - 4 < len(cut.encode()) <= MAX_TEXT_BYTES
    assert encode_key(["/" + letter * 2_000]) == encode_key(["/" + letter * 1_000])


def test_a_text_that_fits_is_not_cut() -> None:
    assert decode_key(encode_key(["x" * MAX_TEXT_BYTES])) == ("x" * MAX_TEXT_BYTES,)


@pytest.mark.parametrize("value", [1.5, [1], {"a": 1}, 2**64, -(2**64)], ids=repr)
def test_what_cannot_be_a_key_is_refused(value: Any) -> None:
    with pytest.raises(EvaluationFailed, match="a key must be"):
        distinct_key(value)


def test_other_is_no_key_that_a_click_can_have() -> None:
    assert decode_key(OTHER) is None
    assert encode_key(["(other)"]) != OTHER


@given(
    st.binary(max_size=60) | KEYS.map(encode_key).flatmap(lambda key: st.binary(max_size=4).map(key.__add__))
)
def test_any_bytes_are_a_key_or_malformed(data: bytes) -> None:
    try:
        values = decode_key(data)
    except MalformedPartial:
        return
    assert values is None or decode_key(encode_key(values)) == values


@given(st.lists(st.integers(0, 255) | st.integers(0, 9), max_size=80).map(bytes))
def test_any_bytes_are_an_aggregate_or_malformed(data: bytes) -> None:
    try:
        aggregate = decode_aggregate(data)
    except MalformedPartial:
        return
    again = decode_aggregate(encode_aggregate(aggregate))
    assert again.value() == aggregate.value()
    again.merge(aggregate)


@pytest.mark.parametrize("kind", KINDS)
@given(cut=st.integers(0, 400), extra=st.binary(max_size=3))
def test_a_cut_or_longer_aggregate_is_malformed_or_has_a_value(kind: Kind, cut: int, extra: bytes) -> None:
    aggregate = aggregate_type(kind)()
    for value in (1, 2.5, 10**15, 0.1):
        aggregate.add(value)
    data = encode_aggregate(aggregate)
    with suppress(MalformedPartial):
        decode_aggregate(data[:cut] + extra).value()


@pytest.mark.parametrize("kind", ["count", "min", "distinct"])
def test_bytes_after_an_aggregate_are_malformed(kind: Kind) -> None:
    aggregate = aggregate_type(kind)()
    for _ in range(1_000):
        aggregate.add(0.5)
    with pytest.raises(MalformedPartial):
        decode_aggregate(encode_aggregate(aggregate) + b"\0")


@given(st.binary(max_size=40), st.binary(max_size=16))
def test_any_bytes_are_a_record_or_malformed(key: bytes, value: bytes) -> None:
    for decode in (
        lambda: split_partial_key(key),
        lambda: decode_mark(key, value),
        lambda: decode_metric(value),
    ):
        with suppress(MalformedPartial):
            decode()


@given(st.binary(min_size=8, max_size=8), st.integers(0, 2**53), KEYS)
def test_a_partials_key_is_read_back(identity: bytes, pane_ms: int, values: tuple[Any, ...]) -> None:
    record_key = pane_prefix(identity, pane_ms) + encode_key(values)
    assert split_partial_key(record_key) == (identity, pane_ms, encode_key(values))
    assert pane_of(record_key) == pane_ms
    check_key(encode_key(values), len(values))
    check_key(OTHER, len(values))
    with pytest.raises(MalformedPartial):
        check_key(encode_key(values), len(values) + 1)


def test_marks_and_metrics_are_read_back() -> None:
    assert decode_mark(*encode_mark(7, 12_345)) == (7, 12_345)
    assert decode_metric(encode_metric(5, -1)) == (5, -1)


def test_a_time_beyond_all_clicks_is_malformed() -> None:
    """One forged record must not move a task's time, or make a pane that never expires."""
    split_partial_key(pane_prefix(IDENTITY, LATEST_MS))
    decode_mark(*encode_mark(7, LATEST_MS))
    with pytest.raises(MalformedPartial, match="a pane that starts at"):
        split_partial_key(pane_prefix(IDENTITY, LATEST_MS + 1))
    with pytest.raises(MalformedPartial, match="a mark of"):
        decode_mark(*encode_mark(7, LATEST_MS + 1))


@given(st.integers(0, 2**53), st.integers(0, 2**53))
def test_panes_stand_in_the_order_of_time(one: int, other: int) -> None:
    assert (pane_prefix(IDENTITY, one) < pane_prefix(IDENTITY, other)) is (one < other)


@given(st.binary(min_size=1, max_size=6).filter(lambda data: data.strip(b"\xff")), st.binary(max_size=6))
def test_the_end_of_a_prefix_comes_right_after_all_that_has_it(prefix: bytes, more: bytes) -> None:
    assert prefix + more < end_of(prefix)
    assert end_of(prefix) <= prefix or not end_of(prefix).startswith(prefix)
