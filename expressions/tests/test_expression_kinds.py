"""The types that expressions of metrics may have: of keys, of numbers, of values to be told apart."""

from collections.abc import Callable

import pytest
from clickstream_expressions.errors import InvalidExpression
from clickstream_expressions.expression import Expression, compile_key, compile_number, compile_scalar

TEXT, INTEGER, DOUBLE, BOOL, ANY, LIST = (
    "profile.country", "click.timestamp", "1.5", "click.action == 'buy'", "click.amount", "[click.page_url]",
)  # fmt: skip

Compile = Callable[[str, str], Expression]


@pytest.mark.parametrize(
    ("compiled", "taken"),
    [
        (compile_key, {TEXT, INTEGER, BOOL, ANY}),
        (compile_number, {INTEGER, DOUBLE, ANY}),
        (compile_scalar, {TEXT, INTEGER, DOUBLE, BOOL, ANY}),
    ],
    ids=["key", "number", "scalar"],
)
def test_an_expression_of_a_metric_has_a_type_that_fits(compiled: Compile, taken: set[str]) -> None:
    for source in (TEXT, INTEGER, DOUBLE, BOOL, ANY, LIST):
        if source in taken:
            assert compiled("m", source).source == source
        else:
            with pytest.raises(
                InvalidExpression, match=r"(?s)m.*is of type .*; string\(\) and int\(\) convert"
            ):
                compiled("m", source)
