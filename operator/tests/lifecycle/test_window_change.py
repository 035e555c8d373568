"""Windows other than the state is kept by are refused before anything is changed."""

from typing import Any

import pytest
from clickstream_operator.lifecycle.window_change import window_changed
from clickstream_operator.manifests.settings import config_map
from clickstream_operator.observed import Observed
from clickstream_operator.spec.clickpipeline import ClickPipeline, parse
from operator_support.documents import changed


def with_window(**window: Any) -> ClickPipeline:
    return parse(changed({"processing.window": window}))


def told(pipeline: ClickPipeline) -> Observed:
    """Return what is seen of a pipeline whose pods were told these settings."""
    return Observed(children={("ConfigMap", "storefront-settings"): config_map(pipeline, {})})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"size": "5m"}, {"size": "10m"}),
        ({"size": "5m"}, {"size": "5m", "advance": "1m"}),
        ({"size": "5m", "advance": "1m"}, {"size": "5m"}),
    ],
)
def test_another_window_is_refused_with_what_to_do(before: dict[str, str], after: dict[str, str]) -> None:
    message = window_changed(with_window(**after), told(with_window(**before)))
    assert "the state is kept by size 5m" in message
    assert "make a second pipeline" in message


@pytest.mark.parametrize(
    "after",
    [{"size": "300s"}, {"size": "5m", "advance": "300s"}, {"size": "5m", "grace": "2m", "emit": "final"}],
)
def test_the_same_window_written_otherwise_is_taken(after: dict[str, str]) -> None:
    assert window_changed(with_window(**after), told(with_window(size="5m"))) == ""


def test_what_pods_were_told_may_be_missing_or_broken() -> None:
    broken = {"data": {"settings.json": "{"}}
    for children in ({}, {("ConfigMap", "storefront-settings"): broken}):
        assert window_changed(with_window(size="10m"), Observed(children=children)) == ""
