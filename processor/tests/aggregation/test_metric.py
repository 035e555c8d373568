"""A metric's definition: what is refused, and when it is a new metric."""

from dataclasses import replace
from typing import Any

import pytest
from clickstream_expressions.errors import InvalidExpression
from clickstream_processor.aggregation.metric import Metric, by_identity

PAGES = Metric("page-views", by={"page": "click.page_url"}, where='click.action == "view"', advance_ms=60_000)
REVENUE = Metric("revenue", "sum", "click.amount", by={"plan": "profile.plan_tier"})


@pytest.mark.parametrize(
    "change",
    [
        {"name": "pages"},
        {"where": ""},
        {"by": {}},
        {"by": {"p": "click.page_url"}},
        {"by": {"page": "click.action"}},
        {"kind": "distinct", "value": "click.user_id"},
        {"advance_ms": 30_000},
    ],
    ids=str,
)
def test_a_changed_definition_is_a_new_metric(change: dict[str, Any]) -> None:
    assert replace(PAGES, **change).identity != PAGES.identity


@pytest.mark.parametrize(
    "change",
    [
        {"size_ms": 600_000},
        {"grace_ms": 0},
        {"retention_ms": 0},
        {"topic": "t"},
        {"emit": "final"},
        {"max_keys": 5},
    ],
    ids=str,
)
def test_what_the_panes_do_not_depend_on_may_change(change: dict[str, Any]) -> None:
    assert replace(PAGES, **change).identity == PAGES.identity


def test_the_identity_does_not_change_with_a_release() -> None:
    assert PAGES.identity.hex() == "5feac7e1f234f908"


def test_the_order_of_keys_is_part_of_the_definition() -> None:
    both = {"page": "click.page_url", "user": "click.user_id"}
    swapped = dict(reversed(both.items()))
    assert Metric("m", by=both).identity != Metric("m", by=swapped).identity


def test_tumbling_is_an_advance_of_the_size() -> None:
    assert Metric("m").identity == Metric("m", advance_ms=300_000).identity


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "Page views"}, "small letters"),
        ({"by": dict.fromkeys("abcd", "click.action")}, "at most 3"),
        ({"by": {"a-b": "click.action"}}, "letters, digits and _"),
        ({"value": "click.amount"}, "count has none"),
        ({"kind": "sum"}, "has a value"),
        ({"max_keys": 0}, "1 or more"),
        ({"advance_ms": 70_000}, "multiple"),
        ({"grace_ms": -1}, "negative"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_definition_that_cannot_be_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Metric(**{"name": "m"} | values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"where": "click.action"}, r"m\.where.*string, not bool"),
        ({"by": {"page": "[click.page_url]"}}, r"m\.by\.page.*list"),
        ({"by": {"page": "1.5"}}, r"m\.by\.page.*double"),
        ({"kind": "sum", "value": "click.user_id"}, r"m\.sum.*string"),
        ({"kind": "max", "value": "true"}, r"m\.max.*bool"),
        ({"kind": "distinct", "value": "[1]"}, r"m\.distinct.*list"),
        ({"kind": "avg", "value": "click.amount +"}, r"m\.avg"),
    ],
    ids=str,
)
def test_an_expression_of_a_wrong_type_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidExpression, match=f"(?s){message}"):
        Metric(**{"name": "m"} | values)


def test_two_metrics_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="one name"):
        by_identity((Metric("m"), Metric("m", by={"page": "click.page_url"})))
    assert by_identity((PAGES, REVENUE)) == {PAGES.identity: PAGES, REVENUE.identity: REVENUE}
