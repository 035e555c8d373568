"""What can only fail is refused when the pipeline is read, with place and hint; what may succeed is not."""

import pytest
from clickstream_expressions.errors import InvalidExpression
from clickstream_expressions.expression import compile_filter, compile_outputs

CAN_ONLY_FAIL = [
    ("regular expression", 'click.page_url.matches("^/(?!admin)")', 23, "invalid perl operator", "RE2"),
    ("as a function", 'matches(click.page_url, "(")', 8, "missing )", "RE2"),
    ("put together", 'click.page_url.matches("^(" + "a")', 23, "missing )", "RE2"),
    ("in a loop", 'click.tags.exists(t, t.matches("("))', 31, "missing )", "RE2"),
    ("of a dynamic text", 'click.ref.matches("[")', 18, "missing ]", "RE2"),
    ("behind ||", 'click.action == "a" || click.page_url.matches("(")', 46, "missing )", "RE2"),
    ("behind false", 'false && click.page_url.matches("(")', 32, "missing )", "RE2"),
    ("time zone", 'timestamp(click.timestamp/1000).getHours("Mars/Base") > 1', 41, "timezone", "Berlin"),
    ("timestamp", 'timestamp("2024-13-45T00:00:00Z") < timestamp(5)', 10, "Timestamp", "2026-01"),
    ("duration", 'timestamp(5) + duration("5x") > timestamp(5)', 24, "Duration", "15m"),
    ("duration too long", 'duration("99999999h") > duration("1s")', 9, "maximum", "15m"),
    ("division by zero", "click.timestamp / 0 == 1", 17, "divide by zero", "divisor"),
    ("remainder", "click.timestamp % (1 - 1) == 1", 17, "modulus by zero", "divisor"),
    ("overflow", "click.timestamp > 9223372036854775807 + 1", 39, "overflow", ""),
    ("conversion", 'click.timestamp > int("now")', 22, "int", ""),
    ("format", '"%q".format([1]) == click.action', 12, "clause", ""),
    ("place in a list", '["a"][1] == click.action', 6, "Index", ""),
    ("place in a text", "click.action.substring(-1) == ''", 23, "less than 0", ""),
    ("name in a map", '{"a": 1}.b == click.timestamp', 9, "b", ""),
    ("name twice", '{"a": click.action, "a": "b"}.a == "b"', 1, "duplicate", ""),
    ("a loop over a list", "[1, 2].map(x, x / 0) == click.tags", 17, "divide", "divisor"),
]


@pytest.mark.parametrize(
    ("source", "column", "said", "hint"), [c[1:] for c in CAN_ONLY_FAIL], ids=[c[0] for c in CAN_ONLY_FAIL]
)
def test_a_part_that_can_only_fail_is_refused_with_its_place(
    source: str, column: int, said: str, hint: str
) -> None:
    with pytest.raises(InvalidExpression) as caught:
        compile_filter(source)
    assert said in str(caught.value)
    assert (caught.value.line, caught.value.column) == (1, column)
    assert hint in caught.value.hint


MAY_SUCCEED = [
    'click.page_url.matches("^/products/[0-9]+$")',
    "click.page_url.matches(click.pattern)",
    'timestamp(click.timestamp / 1000).getHours("Europe/Berlin") > 8',
    'timestamp(click.timestamp / 1000).getDayOfWeek("-02:00") == 0',
    'timestamp(click.timestamp / 1000) > timestamp("2026-01-31T12:00:00Z")',
    'timestamp(click.timestamp / 1000) - timestamp(0) > duration("1h30m")',
    "click.timestamp / click.divisor == 1",
    "click.page_url.substring(1) == 'a'",
    "click.page_url.charAt(40) == 'a'",
    'click.page_url.replace("/", "-", -1) == "-"',
    "1.0 / 0.0 > 1.0",
    "type(click.amount) == int",
    '"%d clicks".format([click.timestamp]) != ""',
    '{"a": click.action, "b": "a"}.a == "b"',
    "[1, 2].map(x, x / click.divisor) == click.tags",
    "click.tags.exists(int, int == 1)",
]


@pytest.mark.parametrize("source", MAY_SUCCEED)
def test_what_may_succeed_on_a_click_is_taken(source: str) -> None:
    assert compile_filter(source) is not None


@pytest.mark.parametrize(
    "source",
    ['{1: "a"}', '[{true: "a"}]', '{"at": [timestamp(5)]}', '{"a": {1: click.action}}'],
    ids=["number as name", "true as name in a list", "a time inside", "number as name inside"],
)
def test_a_literal_that_json_cannot_hold_is_refused(source: str) -> None:
    with pytest.raises(InvalidExpression, match=r"set\.x: line 1, column 1: the field is of type") as caught:
        compile_outputs({"x": source})
    assert "string()" in caught.value.hint


@pytest.mark.parametrize("source", ["1.0 / 0.0", "dyn(timestamp(5))", '{"a": -1.0 / 0.0}', 'dyn({1: "a"})'])
def test_a_constant_that_json_cannot_hold_is_refused(source: str) -> None:
    with pytest.raises(InvalidExpression, match="is not what JSON can hold"):
        compile_outputs({"x": source})


def test_half_a_character_in_an_expression_is_refused() -> None:
    with pytest.raises(InvalidExpression, match=r"line 1, column 18: U\+D83D is half of a character"):
        compile_filter('click.action == "\ud83d"')
