"""An expression on odd values has a value, or EvaluationFailed names the field; nothing else comes out."""

import contextlib
import sys
from typing import Any

import pytest
from click_records import Click, Profile
from clickstream_expressions.errors import EvaluationFailed
from clickstream_expressions.expression import Expression
from clickstream_expressions.values import MAX_DEPTH
from hypothesis import given, settings
from hypothesis import strategies as st

CLICK = Click("u", "/", "view", 1)


def nested(levels: int, kind: str) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value] if kind == "list" else {"a": value}
    return value


READERS = {
    "a value passed on": 'has(click.x) ? click.x : "web"',
    "a comparison": "click.x != 3",
    "an order": "click.x > 3",
    "a member of a list": 'click.x in ["a"]',
    "a text method": 'click.x.startsWith("a")',
    "the whole click": "click.exists(name, click[name] == 1)",
    "by name": 'click["x"] == 1',
    "a loop": "click.x.all(i, i == 1)",
}


@pytest.mark.parametrize("kind", ["list", "map"])
@pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 500, 5_000])
@pytest.mark.parametrize("source", READERS.values(), ids=READERS)
def test_a_value_that_nests_too_deep_is_an_error_of_that_click(source: str, levels: int, kind: str) -> None:
    expression = Expression("f", source)
    said = rf"^f: the value of click\.x nests deeper than {MAX_DEPTH} levels$"
    for evaluate in (expression.evaluate, expression.by_library):
        with pytest.raises(EvaluationFailed, match=said):
            evaluate(CLICK, None, {"x": nested(levels, kind)}, None)


def test_a_column_that_nests_too_deep_is_named() -> None:
    expression = Expression("f", "profile.extra == 1")
    with pytest.raises(EvaluationFailed, match=rf"profile\.extra nests deeper than {MAX_DEPTH}"):
        expression.evaluate(CLICK, Profile("u"), None, {"extra": nested(500, "list")})


def test_a_value_of_the_allowed_depth_is_passed_on() -> None:
    expression = Expression("f", "[[click.x]]")
    value = nested(MAX_DEPTH, "list")
    assert expression.evaluate(CLICK, None, {"x": value}, None) == [[value]]


def test_depth_is_no_matter_of_the_callers_stack() -> None:
    """A reader that is deep in calls itself gets the same answer."""
    expression = Expression("f", "click.x == 1")

    def below(calls: int) -> Any:
        return below(calls - 1) if calls else expression.evaluate(CLICK, None, {"x": nested(64, "list")})

    assert below(sys.getrecursionlimit() // 2) is False


@pytest.mark.parametrize("source", ["has(click.x)", '"x" in click', 'click.y == "a"', 'click["y"] == "a"'])
def test_a_deep_value_that_nobody_reads_harms_nobody(source: str) -> None:
    assert Expression("f", source).evaluate(CLICK, None, {"x": nested(500, "list"), "y": "a"}) is True


@pytest.mark.parametrize("source", ["click.x.size() == 1", "click.all(n, click[n] != 1)"])
def test_half_a_character_is_named(source: str) -> None:
    with pytest.raises(EvaluationFailed, match=r"click\.x has a text with U\+D83D, half of a character"):
        Expression("f", source).evaluate(CLICK, None, {"x": "\ud83d"})


def test_an_error_does_not_quote_a_long_value() -> None:
    expression = Expression("f", "int(click.x) == 1 || click.x > 1")
    with pytest.raises(EvaluationFailed) as caught:
        expression.evaluate(CLICK, None, {"x": "y" * 60_000})
    assert len(str(caught.value)) < 400


odd = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(10**300, 10**320)
    | st.floats()
    | st.text(st.characters(), max_size=4)
    | st.sampled_from([nested(80, "list"), nested(1_200, "map"), "\ud800", "a\0b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([*READERS.values(), "click", "string(click.x) == 'a'", "click.x + click.x"]), odd)
def test_nothing_but_evaluation_failed_comes_out(source: str, value: Any) -> None:
    expression = Expression("f", source)
    for evaluate in (expression.evaluate, expression.by_library):
        with contextlib.suppress(EvaluationFailed):
            evaluate(CLICK, None, {"x": value}, None)
