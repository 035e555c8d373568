"""Sums are exact, whatever the order and the grouping; what is no number is refused."""

import math
from fractions import Fraction
from typing import Any

import pytest
from clickstream_expressions.errors import EvaluationFailed
from clickstream_local.testing.randomised import examples
from clickstream_processor.aggregation.values.aggregates import decode_aggregate, encode_aggregate
from clickstream_processor.aggregation.values.extreme import Greatest, Least
from clickstream_processor.aggregation.values.numeric import Average, Count, Sum, expansion
from clickstream_processor.errors import MalformedPartial
from hypothesis import given, settings
from hypothesis import strategies as st

DOUBLES = (
    st.floats(-1e288, 1e288) | st.floats(-1000, 1000) | st.sampled_from([1e16, -1e16, 1.0, 5e-324, -0.0])
)
INTEGERS = st.integers(1 - 2**64, 2**64 - 1) | st.integers(-10, 10)
NUMBERS = INTEGERS | DOUBLES


def of(kind: type[Any], values: list[Any]) -> Any:
    aggregate = kind()
    for value in values:
        aggregate.add(value)
    return aggregate


def stored(aggregate: Any) -> Any:
    return decode_aggregate(encode_aggregate(aggregate))


def test_a_sum_that_plain_addition_gets_wrong_is_right() -> None:
    assert sum([1e16, 1.0, -1e16]) == 0.0
    assert of(Sum, [1e16, 1.0, -1e16]).value() == 1.0


def test_a_sum_of_integers_is_an_integer_of_any_size() -> None:
    assert of(Sum, [2**64 - 1] * 10).value() == 10 * (2**64 - 1)


def test_a_sum_with_a_double_is_the_nearest_double_of_the_exact_sum() -> None:
    assert of(Sum, [2**63, 0.5, -(2**63)]).value() == 0.5
    assert of(Sum, [2, 0.25]).value() == 2.25


def test_a_sum_whose_doubles_cancel_is_an_integer() -> None:
    assert repr(of(Sum, [3, 0.5, -0.5]).value()) == "3"


@settings(max_examples=examples(50))
@given(st.lists(NUMBERS, max_size=20), st.randoms(use_true_random=False))
def test_no_order_and_no_grouping_changes_a_sum(values: list[Any], random: Any) -> None:
    whole = of(Sum, values)
    shuffled = random.sample(values, len(values))
    cut = random.randint(0, len(values))
    parts = stored(of(Sum, shuffled[:cut]))
    parts.merge(stored(of(Sum, shuffled[cut:])))
    assert encode_aggregate(parts) == encode_aggregate(whole)
    assert Fraction(whole.whole) + sum(map(Fraction, whole.doubles)) == sum(map(Fraction, values))
    exact = sum(map(Fraction, values))
    assert whole.value() == (float(exact) if whole.doubles else exact)


@given(st.lists(DOUBLES, max_size=20))
def test_an_expansion_has_the_exact_sum_in_few_parts(values: list[float]) -> None:
    parts = expansion(values)
    assert sum(map(Fraction, parts)) == sum(map(Fraction, values))
    assert len(parts) <= len(values)
    assert expansion(parts[::-1]) == parts


@given(st.lists(NUMBERS, min_size=1, max_size=20))
def test_extremes_and_averages_survive_their_bytes(values: list[Any]) -> None:
    assert stored(of(Least, values)).value() == min(values)
    assert stored(of(Greatest, values)).value() == max(values)
    assert stored(of(Average, values)).value() == of(Sum, values).value() / len(values)
    assert stored(of(Count, values)).value() == len(values)


def test_a_whole_extreme_is_an_integer_however_it_was_written() -> None:
    assert [repr(of(Least, values).value()) for values in ([1, 1.0], [1.0, 1], [-0.0])] == ["1", "1", "0"]


@pytest.mark.parametrize("kind", [Sum, Average, Least, Greatest])
@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, True, "1", None, [1], 2**64, -(2**64), 2.0**960], ids=repr
)
def test_what_is_no_number_within_bounds_is_refused_and_changes_nothing(kind: type[Any], value: Any) -> None:
    aggregate = of(kind, [1, 2.5])
    before = encode_aggregate(aggregate)
    with pytest.raises(EvaluationFailed, match="finite number"):
        aggregate.add(value)
    assert encode_aggregate(aggregate) == before


@pytest.mark.parametrize(
    ("kind", "value"), [(Sum, 0), (Count, 0), (Average, None), (Least, None), (Greatest, None)]
)
def test_an_empty_aggregate_has_bytes_too(kind: type[Any], value: Any) -> None:
    assert stored(kind()).value() is value or stored(kind()).value() == value


def test_forged_sums_that_cannot_be_added_up_are_refused() -> None:
    total = Sum(0, [1.7e308] * 40)
    with pytest.raises(MalformedPartial, match="beyond all doubles"):
        total.merge(Sum(0, [1.7e308] * 40))
