"""The recipes of docs/how-to/count-what-matters.md are what a ClickPipeline may have."""

import re
from typing import Any

import pytest
import yaml
from clickstream_operator.spec.clickpipeline import parse
from operator_support import REPOSITORY
from operator_support.documents import changed

PAGE = (REPOSITORY / "docs" / "how-to" / "count-what-matters.md").read_text()
RECIPES = re.findall(r"^## (.*?)\n.*?```yaml\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE)


def named(recipe: tuple[str, str]) -> str:
    return recipe[0]


@pytest.mark.parametrize("recipe", RECIPES, ids=named)
def test_a_recipe_is_accepted(recipe: tuple[str, str]) -> None:
    metrics = yaml.safe_load(recipe[1])
    pipeline = parse(changed({"processing.metrics": metrics, "processing.sessions": {}}))
    assert [each.name for each in pipeline.spec.processing.metrics] == [each["name"] for each in metrics]


def test_all_recipes_fit_in_one_pipeline() -> None:
    every: list[dict[str, Any]] = [each for _, text in RECIPES for each in yaml.safe_load(text)]
    assert len(RECIPES) == 8
    parse(changed({"processing.metrics": every, "processing.sessions": {}}))
