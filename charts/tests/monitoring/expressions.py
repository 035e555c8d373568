"""Every expression that the chart ships: of dashboards, of their variables, of alerts."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parents[2] / "clickstream"


@dataclass(frozen=True)
class Expression:
    """An expression and where it stands."""

    where: str
    text: str


def panels(board: str) -> list[Expression]:
    """Return the expressions of a dashboard's panels."""
    return [
        Expression(f"{panel['title']} {target['refId']}", target["expr"])
        for panel in _dashboard(board)["panels"]
        for target in panel.get("targets", ())
    ]


def variables(board: str) -> list[Expression]:
    """Return the queries of a dashboard's variables."""
    found = _dashboard(board)["templating"]["list"]
    return [Expression(each["name"], each["query"]) for each in found if each["type"] == "query"]


def alerts(file: str) -> list[Expression]:
    """Return the expressions of a file of alert rules."""
    groups = yaml.safe_load((CHART / f"alerts/{file}.yaml").read_text())["groups"]
    return [Expression(rule["alert"], rule["expr"]) for group in groups for rule in group["rules"]]


def _dashboard(board: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((CHART / f"dashboards/{board}.json").read_text())
    return document
