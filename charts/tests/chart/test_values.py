"""Wrong values are refused, and the message names the value and what is wrong with it."""

import pytest

from charts.tests.chart.rendering import PIPELINE, Chart, Object, Refused


def at(path: str, value: object) -> Object:
    """Return values with one of them set."""
    first, _, rest = path.partition(".")
    return {first: at(rest, value) if rest else value}


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("replicas", 3, "additional properties 'replicas' not allowed"),
        ("operator.replica", 3, "additional properties 'replica' not allowed"),
        ("operator.replicas", "two", "got string, want integer"),
        ("operator.replicas", 9, "maximum: got 9, want 5"),
        ("operator.image.tag", "no spaces", "does not match pattern"),
        ("operator.image.digest", "sha256:abc", "does not match pattern"),
        ("operator.image.repository", "", "minLength: got 0, want 1"),
        ("operator.logLevel", "verbose", "value must be one of"),
        ("operator.extraEnv", [{"value": "x"}], "missing property 'name'"),
        ("operator.terminationGracePeriodSeconds", 1, "minimum: got 1, want 15"),
        ("image.pullPolicy", "Sometimes", "value must be one of"),
        ("image.pullSecrets", [{"name": "pull"}], "got object, want string"),
        ("watchNamespaces", "shop", "got string, want array"),
        ("watchNamespaces", ["Shop"], "does not match pattern"),
        ("watchNamespaces", ["shop", "shop"], "items at 0 and 1 are equal"),
        ("commonLabels", {"team": 1}, "got number, want string"),
        ("fullnameOverride", "x" * 41, "maxLength: got 41, want 40"),
        ("metrics.podMonitor.interval", "15", "does not match pattern"),
        ("metrics.prometheusRule.runbookUrl", "wiki", "does not match pattern"),
        ("metrics.scraperNamespaces", [], "minItems: got 0, want 1"),
        ("networkPolicy.kafkaPorts", [0], "minimum: got 0, want 1"),
        ("networkPolicy.postgresPorts", [], "minItems: got 0, want 1"),
        ("operator.sourceLookSeconds", -1, "minimum: got -1, want 0"),
        ("pipelines.Storefront", PIPELINE, "'Storefront' does not match pattern"),
        ("pipelines", {"storefront": {}}, "missing properties 'kafka', 'connect', 'source', 'sink'"),
        ("crds.enabled", "yes", "got string, want boolean"),
    ],
)
def test_a_wrong_value_is_refused(chart: Chart, path: str, value: object, message: str) -> None:
    with pytest.raises(Refused) as refused:
        chart.text(at(path, value))
    said = str(refused.value)
    assert message in said
    last = path.rpartition(".")[2]
    assert last in said  # a property that is not allowed is named too, with where it stood


@pytest.mark.parametrize("which", ["operator", "processor"])
def test_the_tag_latest_is_refused(chart: Chart, which: str) -> None:
    with pytest.raises(Refused, match=f"clickstream-{which}: the tag `latest` is refused"):
        chart.text(at(f"{which}.image.tag", "latest"))


def test_values_of_a_parent_chart_are_let_through(chart: Chart) -> None:
    assert chart.text({"global": {"storageClass": "fast"}})
