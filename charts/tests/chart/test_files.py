"""The chart's made files are current, and its versions are those of the code."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from charts.tests.chart.rendering import OLDEST
from charts.values.files import CHART, SOURCE, made_files, values

ROOT = Path(__file__).parents[3]
META = yaml.safe_load((CHART / "Chart.yaml").read_text())


@pytest.mark.parametrize("path", made_files(), ids=lambda path: path.name)
def test_a_made_file_is_current(path: Path) -> None:
    assert path.read_text() == made_files()[path], "run: python -m charts.values"


def test_every_crd_is_in_the_chart_and_no_other() -> None:
    copies = {path.name for path in (CHART / "files/crds").iterdir()}
    assert copies == {path.name for path in (ROOT / "crds").glob("*.yaml")}


def test_every_value_says_what_it_means() -> None:
    for value in values(yaml.safe_load(SOURCE.read_text())):
        assert value.schema["description"].endswith((".", ")")), value.path


def test_every_value_is_used_by_a_template() -> None:
    templates = "".join(path.read_text() for path in (CHART / "templates").rglob("*") if path.is_file())
    for value in values(yaml.safe_load(SOURCE.read_text())):
        assert re.search(rf"\.Values\.{re.escape(value.path)}\b", templates), value.path


@pytest.mark.parametrize("project", ["operator", "processor"])
def test_the_app_version_is_the_projects_version(project: str) -> None:
    told = tomllib.loads((ROOT / project / "pyproject.toml").read_text())["project"]["version"]
    assert META["appVersion"] == told


def test_the_oldest_kubernetes_is_the_one_that_is_tested() -> None:
    assert META["kubeVersion"] == f">={OLDEST}-0"
