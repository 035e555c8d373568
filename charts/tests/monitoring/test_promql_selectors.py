"""What an expression selects is found whatever its form."""

import pytest

from charts.tests.monitoring.promql import names_of, selectors


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("sum(rate(a_total[5m])) or vector(0)", {"a_total"}),
        ('a{x="1"} > 0 and on (instance) b == 1', {'a{x="1"}', "b"}),
        ("x / ignoring (reason) group_left sum by (namespace, pipeline) (y)", {"x", "y"}),
        ("a > a offset 10m", {"a"}),
        ('histogram_quantile(0.99, sum by (le) (rate(d_bucket{job=~"j", i="k"}[1m])))',
         {'d_bucket{job=~"j", i="k"}'}),
        ("predict_linear(v[6h], 24 * 3600) < 0", {"v"}),
    ],
)  # fmt: skip
def test_selectors_of_an_expression(expression: str, found: set[str]) -> None:
    assert selectors(expression) == found


def test_labels_of_a_selector() -> None:
    assert names_of('a{x="1", code=~"5..", role!="owner"}') == ("a", {"x", "code", "role"})
