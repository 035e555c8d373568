"""An expression is checked when the pipeline is read: what is refused, where, and with which hint."""

import pytest
from clickstream_expressions.check import MAX_LENGTH
from clickstream_expressions.cost import LIMIT
from clickstream_expressions.errors import InvalidExpression
from clickstream_expressions.expression import compile_filter, compile_outputs

MISTAKES = [
    ("syntax", "click.action ==", 1, 16, "text goes in quotes"),
    ("single equals sign", 'click.action = "view"', 1, 14, "write =="),
    ("word for an operator", 'click.action == "a" and true', 1, 21, "&&"),
    ("wrong type", "click.action < 5", 1, 14, "one type"),
    ("wrong type of the event time", 'click.timestamp == "5"', 1, 17, "one type"),
    ("wrong type of a column", "profile.country > 5", 1, 17, "one type"),
    ("second line", 'click.action == "a" &&\n click.action > 5', 2, 15, "one type"),
    ("bare field", 'action == "view"', 1, 1, "write click.action"),
    ("bare column", 'country == "DE"', 1, 1, "write profile.country"),
    ("missing quotes", "click.action == view", 1, 17, "quotes"),
    ("unknown function", "click.action.shout() == 'A'", 1, 19, "quotes"),
    ("text where a condition belongs", "profile.country && true", 1, 17, "compare"),
    ("value that is no condition", "click.action", 1, 1, "compare"),
    ("dynamic value that may be no condition", "click.vip", 1, 1, "compare"),
    ("has() of a declared field", "true && has(click.action)", 1, 12, "leave has() out"),
    ("has() of a declared column", "has(profile.country)", 1, 4, "profile.country != null"),
    ("null profile", "profile == null", 1, 9, "profile.user_id != null"),
    ("hiding loop variable", '[{"x": 1}].exists(click, click.x == 1)', 1, 18, "another name"),
    ("loop in a loop in a loop", "click.a.all(x, x.all(y, y.all(z, z > 0)))", 1, 1, "loop"),
    ("nesting", "!(" * 100 + "true" + ")" * 100, 1, 1, "shorter"),
    ("length", "true || " * MAX_LENGTH + "true", 1, 1, str(MAX_LENGTH)),
]


@pytest.mark.parametrize(
    ("source", "line", "column", "hint"), [m[1:] for m in MISTAKES], ids=[m[0] for m in MISTAKES]
)
def test_a_mistake_is_refused_with_position_and_hint(source: str, line: int, column: int, hint: str) -> None:
    with pytest.raises(InvalidExpression) as caught:
        compile_filter(source)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert hint in caught.value.hint
    assert str(caught.value).startswith(f"processing.filter: line {line}, column {column}: ")
    assert max(map(len, str(caught.value).splitlines())) < 160


def test_the_message_shows_the_expression_with_a_mark_under_the_mistake() -> None:
    with pytest.raises(InvalidExpression) as caught:
        compile_filter("click.action < 5")
    assert str(caught.value).splitlines() == [
        "processing.filter: line 1, column 14: found no matching overload for '<' applied to '(string, int)'",
        "  click.action < 5",
        "               ^",
        "  hint: both sides must be of one type; int(), double() and string() convert",
    ]


@pytest.mark.parametrize("source", ["timestamp(5)", 'duration("5s")', 'bytes("a")', "type(click.x)"])
def test_an_output_that_json_cannot_hold_is_refused(source: str) -> None:
    with pytest.raises(InvalidExpression, match=r"processing\.transform\.set\.field: .*is of type") as caught:
        compile_outputs({"field": source})
    assert "string()" in caught.value.hint


@pytest.mark.parametrize("source", ["", "  \n"])
def test_an_empty_filter_lets_every_click_pass(source: str) -> None:
    assert compile_filter(source) is None


def test_a_loop_over_a_field_is_within_the_cost_limit() -> None:
    assert compile_filter("click.tags.exists(t, t == 'a' || t.startsWith('b'))") is not None


def test_the_cost_of_a_refused_expression_is_named() -> None:
    nested = "click.a.all(x, click.b.all(y, click.c.all(z, x == y)))"
    with pytest.raises(InvalidExpression, match=rf"estimated cost \d+ is over the limit {LIMIT}"):
        compile_filter(nested)


@pytest.mark.parametrize(
    ("source", "fields", "columns"),
    [
        ('click.action != "heartbeat" && profile.country == "DE"', False, False),
        ("click.amount > 5", True, False),
        ("has(click.amount)", True, False),
        ('"page title" in click', True, False),
        ('click["page title"] == "Home"', True, False),
        ('profile.segment == "gold"', False, True),
    ],
)
def test_an_expression_tells_whether_it_needs_more_than_the_declared_fields(
    source: str, fields: bool, columns: bool
) -> None:
    keep = compile_filter(source)
    assert keep is not None
    assert (keep.reads_fields, keep.reads_columns) == (fields, columns)
