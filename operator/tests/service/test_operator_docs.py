"""What is documented is what there is."""

import re

import pytest
from clickstream_operator.lifecycle.decided import Decided
from clickstream_operator.metrics import REGISTRY
from clickstream_operator.observed import Observed
from clickstream_operator.settings import SETTINGS, InvalidSettings, read_settings
from clickstream_operator.status.conditions import conditions_of, topics_fit
from operator_support import REPOSITORY
from operator_support.example_pipelines import example

TEXT = (REPOSITORY / "docs/reference/conditions.md").read_text()


def test_every_metric_is_documented_and_no_other() -> None:
    kinds = {"counter": "_total", "gauge": "", "histogram": ""}
    metrics = {f"{family.name}{kinds[family.type]}" for family in REGISTRY.collect()}
    assert set(re.findall(r"`(clickstream_operator_\w+?)(?:\{[\w,]+\})?`", TEXT)) == metrics


def test_every_condition_is_documented() -> None:
    for condition in (*conditions_of(example("storefront"), Observed(), Decided()), topics_fit(Observed())):
        assert f"| {condition.type} |" in TEXT


def test_every_setting_has_a_meaning_and_wrong_ones_are_all_listed() -> None:
    assert all(setting.meaning.endswith((".", "cluster.")) for setting in SETTINGS)
    wrong = {
        "CLICKSTREAM_WORKERS": "many",
        "CLICKSTREAM_LOG_FORMAT": "xml",
        "CLICKSTREAM_CONTROLLERS": "maybe",
    }
    with pytest.raises(InvalidSettings) as invalid:
        read_settings(wrong)
    for name in (*wrong, "CLICKSTREAM_PROCESSOR_IMAGE"):
        assert name in str(invalid.value)


def test_operator_serves_all_namespaces_unless_told() -> None:
    environment = {"CLICKSTREAM_PROCESSOR_IMAGE": "registry.test/processor:1"}
    assert read_settings(environment).namespaces == ()
    assert read_settings(environment | {"CLICKSTREAM_NAMESPACES": "a, b"}).namespaces == ("a", "b")


def test_operations_leaves_the_lists_of_acls_to_the_page_that_a_test_runs() -> None:
    text = (REPOSITORY / "docs/how-to/operate.md").read_text()
    kafka = text[text.index("- **Kafka**: TLS") : text.index("- **The operator** may")]
    assert "prepare-kafka.md#kafka-users-and-acls" in kafka
    assert not re.findall(r"`(?:Read|Write|Describe|DescribeConfigs)`", kafka)
