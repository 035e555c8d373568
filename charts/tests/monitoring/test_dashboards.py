"""The dashboards follow dashboard-linter's rules, are current, and ask only for metrics that exist."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from charts.dashboards.catalogue import ALL
from charts.dashboards.panels import Board, build
from charts.tests.documentation.metric_names import exported_metrics, metrics_in

ROOT = Path(__file__).parents[3]
FILES = ROOT / "charts" / "clickstream" / "dashboards"


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


@pytest.mark.parametrize("board", ALL, ids=lambda board: board.uid)
def test_every_metric_asked_for_is_defined_by_a_program_of_ours(board: Board) -> None:
    asked = {
        name for panel in panels(board) for target in panel["targets"] for name in metrics_in(target["expr"])
    }
    assert asked
    assert asked <= exported_metrics()
