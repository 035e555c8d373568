"""The chart, rendered by helm as `helm install` would, and installed into a real control plane."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from charts.tests.chart.rendering import Chart

pytest_plugins = ["clickstream_local.testing.fixtures"]
ROOT = Path(__file__).parents[2]
pytest.register_assert_rewrite("operator_support")
from operator_support.cluster.controlplane import ControlPlane, running  # noqa: E402

# As in operator/tests: `make test-operator` runs them.
collect_ignore_glob = [] if os.environ.get("CLICKSTREAM_CONTROL_PLANE") else ["*/test_cluster_*.py"]


@pytest.fixture(scope="session")
def chart() -> Chart:
    """Give the chart and a helm binary; built from its Go module when the machine has none."""
    found = subprocess.run([ROOT / "scripts/find-helm"], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    return Chart(found.stdout.strip(), ROOT / "charts/clickstream")


@pytest.fixture(scope="session")
def chart_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Give a control plane of the chart's own."""
    with running(tmp_path_factory.mktemp("chart-plane"), controllers=True) as plane:
        yield plane
