"""The dashboards follow dashboard-linter's rules, are current, and ask only for metrics that exist."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from charts.dashboards.catalogue import ALL
from charts.dashboards.panels import Board, build

ROOT = Path(__file__).parents[2]
FILES = ROOT / "charts" / "clickstream" / "dashboards"
SOURCES = [
    ROOT / "processor/clickstream_processor/metrics.py",
    ROOT / "operator/clickstream_operator/metrics.py",
]


def panels(board: Board) -> list[dict[str, Any]]:
    return [panel for panel in json.loads(build(board))["panels"] if panel["type"] != "row"]


@pytest.mark.parametrize("board", ALL, ids=lambda board: board.uid)
def test_committed_dashboard_is_what_the_board_builds(board: Board) -> None:
    assert (FILES / f"{board.uid.removeprefix('clickstream-')}.json").read_text() == build(board)


@pytest.mark.parametrize("board", ALL, ids=lambda board: board.uid)
def test_every_panel_has_title_description_unit_and_templated_source(board: Board) -> None:
    for panel in panels(board):
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["datasource"]["uid"] == "${datasource}"


@pytest.mark.parametrize("board", ALL, ids=lambda board: board.uid)
def test_every_expression_is_filtered_by_job_and_instance_and_rates_by_the_rate_interval(
    board: Board,
) -> None:
    for panel in panels(board):
        for target in panel["targets"]:
            assert 'job=~"$job", instance=~"$instance"' in target["expr"], panel["title"]
            ranges = re.findall(r"\[([^\]]+)\]", target["expr"])
            assert set(ranges) <= {"$__rate_interval"}, panel["title"]


def sink_metrics() -> set[str]:
    """Return the names that connect/metrics.yaml gives to what the sink's README lists."""
    readme = (ROOT / "connect/README.md").read_text()
    _, _, table = readme.partition("<!-- begin metrics -->")
    listed = re.findall(r"^\| `([a-z-]+)` \|", table.partition("<!-- end metrics -->")[0], re.MULTILINE)
    assert len(listed) > 5
    return {"clickstream_sink_" + re.sub(r"-ms$", "-seconds", name).replace("-", "_") for name in listed}


@pytest.mark.parametrize("board", ALL, ids=lambda board: board.uid)
def test_every_metric_asked_for_is_defined_by_a_program_of_ours(board: Board) -> None:
    defined = set(re.findall(r'"(clickstream_\w+)"', "".join(f.read_text() for f in SOURCES if f.exists())))
    defined |= sink_metrics()
    asked = {
        re.sub(r"_bucket$", "", name)
        for panel in panels(board)
        for target in panel["targets"]
        for name in re.findall(r"clickstream_\w+", target["expr"])
    }
    assert asked
    assert asked <= defined
