"""Different values: exact up to a bound, an estimate with bounds beyond, and mergeable in any order."""

import math
from itertools import permutations
from typing import Any

import pytest
from clickstream_expressions.errors import EvaluationFailed
from clickstream_local.testing.randomised import examples
from clickstream_processor.aggregation.values.aggregates import decode_aggregate, encode_aggregate
from clickstream_processor.aggregation.values.distinct import EXACT, Distinct
from clickstream_processor.aggregation.values.sketch import SIZE, Sketch
from clickstream_processor.errors import MalformedPartial
from hypothesis import given, settings
from hypothesis import strategies as st
from processor_support.oracles.naive_metrics import RESULTS, is_close

NUMBERS = st.integers(-3, 3) | st.sampled_from([1.0, -0.0, 0.0, 1.5])
SCALARS = st.text(max_size=40) | NUMBERS | st.booleans() | st.none()


def of(values: Any) -> Distinct:
    made = Distinct()
    for value in values:
        made.add(value)
    return made


def merged(*parts: Distinct) -> Distinct:
    total = Distinct()
    for part in parts:
        copied = decode_aggregate(encode_aggregate(part))
        assert isinstance(copied, Distinct)
        total.merge(copied)
    return total


def test_values_of_different_types_are_different() -> None:
    assert of(["1", 1, 1.0, True, "true", None, "null", "", False, 0]).value() == 10


def test_zero_has_one_sign() -> None:
    assert of([0.0, -0.0]).value() == 1


@settings(max_examples=examples(50))
@given(st.lists(SCALARS, max_size=30))
def test_few_values_are_counted_exactly(values: list[Any]) -> None:
    made = of(values)
    assert made.bounds() is None
    assert made.value() == RESULTS["distinct"](values)
    assert encode_aggregate(merged(of(values[:20]), of(values[20:]))) == encode_aggregate(made)


def test_texts_that_differ_late_are_different() -> None:
    assert of(["/" + "x" * 1_000 + str(number) for number in range(50)]).value() == 50


@pytest.mark.parametrize(("number", "exact"), [(EXACT, True), (EXACT + 1, False)])
def test_the_bound_of_exact_answers(number: int, exact: bool) -> None:
    made = of(f"user-{each}" for each in range(number))
    assert (made.bounds() is None) is exact
    assert made.value() == number if exact else is_close(made.value(), number)


@pytest.mark.parametrize("number", [250, 1_000, 20_000])
def test_an_estimate_is_near_and_its_bounds_hold(number: int) -> None:
    made = of(f"user-{each}" for each in range(number))
    bounds = made.bounds()
    assert bounds is not None
    assert is_close(made.value(), number)
    assert bounds[0] < made.value() < bounds[1]
    assert len(encode_aggregate(made)) == SIZE + 2


def test_no_order_of_merging_changes_the_bytes() -> None:
    parts = [of(range(150)), of(map(str, range(100, 600))), of(range(100, 300)), of("xyz")]
    assert len({encode_aggregate(merged(*order)) for order in permutations(parts)}) == 1
    assert encode_aggregate(merged(*parts)) == encode_aggregate(
        of([*range(300), *map(str, range(100, 600)), *"xyz"])
    )


def test_an_exact_aggregate_is_small_whatever_the_values() -> None:
    assert len(encode_aggregate(of("x" * 10_000 + str(number) for number in range(EXACT)))) <= 2 + EXACT * 17


def test_merging_leaves_the_other_one_as_it_is() -> None:
    one, other = of(range(300)), of(range(1_000, 1_300))
    before = encode_aggregate(other)
    one.merge(other)
    one.add("more")
    one.settle()
    assert encode_aggregate(other) == before
    empty = Distinct()
    empty.merge(other)
    empty.merge(of(range(50_000, 51_000)))
    assert encode_aggregate(other) == before


@pytest.mark.parametrize("value", [[1], {"a": 1}, math.nan, math.inf, 2**64], ids=repr)
def test_what_is_no_scalar_is_refused(value: Any) -> None:
    with pytest.raises(EvaluationFailed, match="must be a text, a number, a bool or null"):
        of([value])


SKETCHES = [Sketch.of(map(str, range(number))).encode() for number in (1, 300, 20_000)]


@given(
    st.integers(0, 2),
    st.lists(st.tuples(st.integers(0, SIZE - 1) | st.integers(0, 39), st.integers(0, 255))),
)
def test_a_damaged_sketch_is_refused_or_harmless(number: int, damages: list[tuple[int, int]]) -> None:
    damaged = bytearray(SKETCHES[number])
    for at, byte in damages:
        damaged[at] = byte
    try:
        sketch = Sketch.decode(bytes(damaged))
    except MalformedPartial:
        assert damaged != SKETCHES[number]
        return
    other = Sketch.decode(SKETCHES[1])
    other.merge(sketch)
    sketch.update(["more"])
    sketch.merge(other)
    low, high = sketch.estimate()[1:]
    assert 0 <= low <= high
    assert Sketch.decode(sketch.encode()).encode() == sketch.encode()


@pytest.mark.parametrize("size", [0, 1, 40, SIZE - 1, SIZE + 1])
def test_a_sketch_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(MalformedPartial):
        Sketch.decode((SKETCHES[1] + b"\0")[:size])


def test_a_sketch_whose_sums_are_not_those_of_its_registers_is_refused() -> None:
    damaged = bytearray(SKETCHES[1])
    damaged[-1] = 32 if damaged[-1] else 1
    with pytest.raises(MalformedPartial):
        Sketch.decode(bytes(damaged))
    whole = bytearray(SKETCHES[2])
    whole[-1] += 1
    with pytest.raises(MalformedPartial, match="preamble"):
        Sketch.decode(bytes(whole))


def test_a_sketch_is_a_function_of_its_registers() -> None:
    assert Sketch.decode(SKETCHES[2]).encode() == SKETCHES[2]


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(["a", "", "b" * 15], id="short texts"),
        pytest.param(["a", "b" * 16], id="a longer text"),
        pytest.param(["a", "ü"], id="other letters"),
        pytest.param(["a", "\ud800"], id="half a character"),
        pytest.param([1, "1", 1.5, True, None], id="values of all types"),
        pytest.param([1, 2], id="no text"),
        pytest.param([f"user-{number}" for number in range(EXACT)], id="as many as are exact"),
        pytest.param([f"user-{number}" for number in range(EXACT + 1)], id="one more"),
    ],
)
def test_values_are_stored_alike_whether_they_were_looked_at_before_or_not(values: list[Any]) -> None:
    """Most partials are a few short texts, which are written without a look at each."""
    one, other = Distinct(), Distinct()
    for value in values:
        one.add(value)
        other.add(value)
    other.settle()
    assert one.encode() == other.encode()
    assert one.value() == other.value()
