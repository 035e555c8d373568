"""The chart, rendered by helm as `helm install` would."""

import subprocess
from pathlib import Path

import pytest

from charts.tests.rendering import Chart

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def chart() -> Chart:
    """Give the chart and a helm binary; built from its Go module when the machine has none."""
    found = subprocess.run([ROOT / "scripts/build-helm"], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    return Chart(found.stdout.strip(), ROOT / "charts/clickstream")
