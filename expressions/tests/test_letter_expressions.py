"""Expressions over dead letters: what is refused before the first letter, and what each one gives."""

from dataclasses import dataclass
from typing import Any

import pytest
from clickstream_expressions.errors import EvaluationFailed, InvalidExpression
from clickstream_expressions.letters import check_set, check_where, compile_set, compile_where


@dataclass
class Letter:
    """What looks like a letter."""

    reason: str = "mistyped-field"
    detail: str = "timestamp: expected int"
    key: str = "alice"
    text: str = '{"timestamp":"17"}'
    attempt: int = 1
    time: int = 1_700_000_000_000
    click: Any = None


def where(text: str, letter: Letter) -> Any:
    expression = compile_where(text)
    assert expression is not None
    return expression.evaluate(letter)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('letter.reason == "mistyped-field" && letter.detail.contains("timestamp")', True),
        ('letter.key.startsWith("b")', False),
        ("letter.attempt < 3 && letter.time > 0", True),
        ('letter.text.matches("1[0-9]")', True),
        ("has(letter.click.page_url)", False),
        ("has(letter.click.timestamp)", True),
        ('letter.click.timestamp == "17"', True),
        ('letter.click["timestamp"] == "17"', True),
        ('"timestamp" in letter.click', True),
        ("letter.click.n > 1.0", True),
    ],
)
def test_a_condition_sees_the_letter(text: str, expected: bool) -> None:
    letter = Letter(click={"timestamp": "17", "n": 10**400, "odd": "a\0b", "half": "\ud800"})
    assert where(text, letter) is expected


def test_what_the_expression_does_not_name_cannot_fail_it() -> None:
    odd = Letter(text="a\0b", detail="\ud800", click={"x": "\ud800", "action": "view"})
    assert where('letter.click.action == "view"', odd) is True
    for text in (
        'letter.text == "x"',
        'letter.detail == "x"',
        'letter.click.x == "x"',
        "letter.click.y == 1",
    ):
        with pytest.raises(EvaluationFailed):
            where(text, odd)


def test_a_letter_that_is_no_json_object_has_no_click() -> None:
    assert where("letter.click == null", Letter()) is True
    with pytest.raises(EvaluationFailed):
        where("letter.click.action == 'view'", Letter())


def test_fields_are_set_from_click_and_letter() -> None:
    fields = {"timestamp": "int(click.timestamp)", "user_id": "letter.key", "page": '{"at": [letter.time]}'}
    letter = Letter(click={"timestamp": "17"})
    values = {name: each.evaluate(letter) for name, each in compile_set(fields).items()}
    assert values == {"timestamp": 17, "user_id": "alice", "page": {"at": [1_700_000_000_000]}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("letter.reson == 'x'", "letter.reson"),
        ("click.action == 'view'", "undeclared reference"),
        ("letter == null", "undeclared reference"),
        ("has(letter.key)", "every letter has all"),
        ("letter.reason", "not bool"),
        ("letter.attempt == '1'", "no matching overload"),
        ("1 / 0 == 1", "divide by zero"),
        ("[1].all(letter, letter == 1)", "hides"),
        ('letter.text.matches("(")', "regular expression"),
        ("letter.reason == ", "Syntax error"),
        ("x" * 5_000, "5000 characters"),
        ("letter.click.a.all(x, letter.click.b.all(y, letter.click.c.all(z, x == y && y == z)))", "cost"),
        ("letter.name == 'x'", "`where` sees letter.reason"),
    ],
)
def test_a_condition_that_cannot_be_is_refused(text: str, said: str) -> None:
    with pytest.raises(InvalidExpression) as error:
        check_where(text)
    assert said in str(error.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"a b": "1"},
        {"": "1"},
        {"1a": "1"},
        {"a" * 64: "1"},
        {"a": "profile.name"},
        {"a": "b'x'"},
        {"a": "timestamp(0)"},
        {"a": "1.0 / 0.0"},
        {"a": ""},
        {f"f{number}": "1" for number in range(51)},
    ],
)
def test_a_correction_that_cannot_be_is_refused(fields: dict[str, str]) -> None:
    with pytest.raises(InvalidExpression):
        check_set(fields)


def test_nothing_is_a_sound_condition_and_correction() -> None:
    check_where("")
    check_where("  ")
    check_set({})
    assert compile_where("") is None
