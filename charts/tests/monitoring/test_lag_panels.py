"""The lag's panels: a number while brokers answer, and none that would mislead while they do not."""

import subprocess
from pathlib import Path

import pytest
import yaml

from charts.tests.monitoring.expressions import Expression, panels
from charts.tests.monitoring.promql import chosen

pytestmark = pytest.mark.real

LAGS = [each for each in panels("pipeline") if each.where.startswith("Lag")]
LABELS = 'job="j",namespace="shop",pipeline="web",instance="web-processor-0"'


@pytest.mark.parametrize("panel", LAGS, ids=[each.where for each in LAGS])
@pytest.mark.parametrize(("silence", "shown"), [(0.4, [5]), (30, [])], ids=["answers", "away"])
def test_lag_is_shown_while_brokers_answer(
    panel: Expression, silence: float, shown: list[int], tmp_path: Path
) -> None:
    series = [
        {"series": f'clickstream_consumer_lag_{unit}{{{LABELS},partition="0"}}', "values": "5 5"}
        for unit in ("seconds", "records")
    ]
    silent = {
        "series": f"clickstream_broker_silence_seconds{{{LABELS}}}",
        "values": f"{silence} {silence}",
    }
    labels = '{partition="0"}' if "partition" in panel.text else "{}"
    check = {
        "expr": chosen(panel.text, "1m"),
        "eval_time": "1m",
        "exp_samples": [{"labels": labels, "value": value} for value in shown],
    }
    case = {"interval": "1m", "input_series": [*series, silent], "promql_expr_test": [check]}
    file = tmp_path / "case.yaml"
    file.write_text(yaml.safe_dump({"tests": [case]}))
    command = ["promtool", "test", "rules", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
