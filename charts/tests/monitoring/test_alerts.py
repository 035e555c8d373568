"""Every alert has a runbook, fires and stays silent as its promtool cases say."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from charts.tests.documentation.metric_names import exported_metrics, metrics_in

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[3]
RULES = sorted((ROOT / "charts/clickstream/alerts").glob("*.yaml"))
CASES = sorted(Path(__file__).parent.glob("*.promtest.yaml"))
ALERTS = [
    rule for file in RULES for group in yaml.safe_load(file.read_text())["groups"] for rule in group["rules"]
]


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_alert_says_what_is_wrong_how_bad_it_is_and_where_its_runbook_is(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["description"]
    assert rule["annotations"]["runbook"] == rule["alert"]
    assert (ROOT / f"docs/runbooks/{rule['alert']}.md").read_text().startswith(f"# {rule['alert']}\n")


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_alert_asks_only_for_metrics_that_a_program_of_ours_exports(rule: dict[str, Any]) -> None:
    assert metrics_in(rule["expr"]) <= exported_metrics()


def test_every_runbook_belongs_to_an_alert() -> None:
    assert {path.stem for path in (ROOT / "docs/runbooks").glob("*.md")} == {rule["alert"] for rule in ALERTS}


@pytest.mark.parametrize("fires", [True, False], ids=["fires", "is silent"])
def test_every_alert_has_a_case_in_which_it(fires: bool) -> None:
    found = {
        check["alertname"]
        for file in CASES
        for case in yaml.safe_load(file.read_text())["tests"]
        for check in case["alert_rule_test"]
        if bool(check["exp_alerts"]) == fires
    }
    assert found == {rule["alert"] for rule in ALERTS}


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_rules_fire_and_stay_silent_as_the_cases_say(case: Path) -> None:
    promtool = shutil.which("promtool")
    assert promtool, "promtool is missing: apt-get install prometheus (scripts/test does it when root)"
    done = subprocess.run(
        [promtool, "test", "rules", str(case)], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
