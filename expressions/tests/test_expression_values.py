"""What an expression evaluates to, on a click with pass-through fields, with a profile or without."""

from typing import Any

import pytest
from click_records import Click, Profile
from clickstream_expressions.errors import EvaluationFailed
from clickstream_expressions.expression import compile_filter, compile_outputs

CLICK = Click("alice", "/products/1", "buy", 1_690_000_000_000)
FIELDS: dict[str, Any] = {
    "amount": 12,
    "vip": True,
    "tags": ["a", "b"],
    "page title": "Home",
    "order": {"id": 7},
    "pattern": "(",
    "ratio": 1e300,
}
PROFILE = Profile("alice", "Alice", None, "USA", "premium")
COLUMNS = {"segment": "gold"}


def value_of(source: str, fields: dict[str, Any] = FIELDS) -> Any:
    keep = compile_filter(source)
    assert keep is not None
    return keep.evaluate(CLICK, PROFILE, fields, COLUMNS)


KEPT = [
    'click.action != "heartbeat"',
    'click.action in ["buy", "view"] && click.page_url.startsWith("/products")',
    "click.timestamp >= 1690000000000",
    "click.amount > 10 && click.amount < 12.5",
    "click.vip == true",
    'click.tags.exists(t, t == "b")',
    'click.page_url.matches("^/products/[0-9]+$")',
    'click.page_url.endsWith("1") || click.ip == "10.0.0.1"',
    "has(click.amount) && !has(click.ip)",
    "profile.email == null && profile.country != null",
    'profile.country in ["USA"] && profile.segment == "gold"',
    'profile.name.lowerAscii() == "alice"',
    "click.order.id == 7",
    'click["page title"] == "Home" && !("page" in click)',
    "timestamp(click.timestamp / 1000).getFullYear() == 2023",
]


@pytest.mark.parametrize("source", KEPT)
def test_the_click_is_kept(source: str) -> None:
    assert value_of(source) is True


FAILED = [
    ("missing field", 'click.ip == "10.0.0.1"', "ip"),
    ("missing field behind another error", 'click.ip == "a" || click.amount / (click.amount - 12) == 1', ""),
    ("division by zero", "click.amount / (click.amount - 12) == 1", "divide by zero"),
    ("overflow", "click.timestamp * click.timestamp * 1000 > 0", "overflow"),
    ("text of null", 'profile.email.startsWith("a")', "No matching overload"),
    ("order of null", 'profile.email < "b"', "No matching overload"),
    ("order of text and number", "click.ip > 5 || click.tags > 5", ""),
    ("regular expression", "click.page_url.matches(click.pattern)", "regular expression"),
    ("too many iterations", "click.tags.all(t, t > 0)", "budget"),
]


@pytest.mark.parametrize(("source", "said"), [f[1:] for f in FAILED], ids=[f[0] for f in FAILED])
def test_an_expression_without_a_value_names_itself_and_the_cause(source: str, said: str) -> None:
    fields = FIELDS | {"tags": [1] * 20_000} if said == "budget" else FIELDS
    with pytest.raises(EvaluationFailed, match=r"^processing\.filter: ") as caught:
        value_of(source, fields)
    assert said in str(caught.value)


def test_and_or_absorb_an_error_that_cannot_change_the_answer() -> None:
    for source, answer in [
        ('click.ip == "a" || click.action == "buy"', True),
        ("click.ip == 1 && false", False),
    ]:
        assert value_of(source) is answer


WITHOUT_PROFILE = [
    ("profile.user_id == null", True),
    ('profile.country == "USA"', False),
    ('profile.country != "USA"', True),
    ('profile.country in ["USA"]', False),
    ("profile.segment == null", True),
    ("has(profile.segment)", False),
    ('has(profile.segment) && profile.segment == "gold"', False),
    ('profile.user_id != null && profile.name.startsWith("A")', False),
]


@pytest.mark.parametrize(("source", "answer"), WITHOUT_PROFILE, ids=[w[0] for w in WITHOUT_PROFILE])
def test_a_click_without_a_profile_reads_null_from_every_column(source: str, answer: bool) -> None:
    keep = compile_filter(source)
    assert keep is not None
    assert keep.evaluate(CLICK, None, FIELDS) is answer


def test_a_column_that_the_table_lacks_is_an_error() -> None:
    with pytest.raises(EvaluationFailed, match="sector"):
        value_of('profile.sector == "gold"')


@pytest.mark.parametrize(
    ("amount", "source"),
    [
        (2**64, "click.amount > 1.8e19"),
        (-(2**64), "click.amount < 0"),
        (10**400, "click.amount > 1e300"),
        ([2**64], "click.amount[0] > 0"),
        ({"n": 2**64}, "click.amount.n > 0"),
    ],
    ids=["unsigned", "negative", "beyond a double", "in a list", "in a map"],
)
def test_an_integer_beyond_64_bits_is_a_double(amount: Any, source: str) -> None:
    assert value_of(source, {"amount": amount}) is True


def test_outputs_are_plain_values_that_json_can_hold() -> None:
    outputs = {
        "path": "click.page_url",
        "text": 'click.action + "!"',
        "is_premium": 'profile.plan_tier == "premium"',
        "minute": "click.timestamp / 60000",
        "tags": "click.tags",
        "nested": '{"segment": profile.segment, "amounts": [click.amount, 1.5, null]}',
        "nothing": "profile.email",
        "size": 'click.amount > 10 ? "large" : "small"',
    }
    compiled = compile_outputs(outputs)
    assert {name: e.evaluate(CLICK, PROFILE, FIELDS, COLUMNS) for name, e in compiled.items()} == {
        "path": "/products/1",
        "text": "buy!",
        "is_premium": True,
        "minute": 28_166_666,
        "tags": ["a", "b"],
        "nested": {"segment": "gold", "amounts": [12, 1.5, None]},
        "nothing": None,
        "size": "large",
    }


@pytest.mark.parametrize(
    "source",
    [
        "click.ratio * 1e300",
        "dyn([bytes(click.action)])",
        "dyn({click.amount: 2})",
        "dyn(timestamp(click.amount))",
    ],
)
def test_an_output_that_json_cannot_hold_fails_the_click(source: str) -> None:
    output = compile_outputs({"field": source})["field"]
    with pytest.raises(EvaluationFailed, match="JSON"):
        output.evaluate(CLICK, PROFILE, FIELDS)
