"""Prometheus on this machine's parts, with the chart's alert rules loaded.

Targets carry the labels that the chart's monitors give them in a cluster, so the dashboards and rules of
`charts/clickstream` find the same series here. Pods come and go: they stand in a file that `follow` writes
and Prometheus watches.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from clickstream_local.errors import CannotStart
from clickstream_local.machine.ports import HOST
from clickstream_local.machine.process import Process
from clickstream_local.machine.web import request
from clickstream_local.parts.part import Part

RULES = Path(__file__).parents[3] / "charts" / "clickstream" / "alerts"
HOW_TO_GET = "apt-get install prometheus"


@dataclass(frozen=True, slots=True)
class Target:
    """One program to scrape: the address of its /metrics, and the labels of all its series."""

    job: str
    port: int
    labels: Mapping[str, str]  # with `instance`


def find_prometheus() -> str | None:
    """Return the program's path, None when it is not installed."""
    return shutil.which("prometheus")


class Prometheus(Part):
    """One server in `folder`. It keeps its data over restarts."""

    def __init__(self, folder: Path, *, port: int, scrape_every: str = "5s") -> None:
        """Raises CannotStart when Prometheus is not installed."""
        program = find_prometheus()
        if program is None:
            raise CannotStart(f"Prometheus is missing; run as root: {HOW_TO_GET}")
        self.url = f"http://{HOST}:{port}"
        self._folder = folder / "prometheus"
        self._scrape_every = scrape_every
        self._targets: list[Target] = []
        command = [
            program,
            f"--config.file={self._folder / 'prometheus.yaml'}",
            f"--storage.tsdb.path={self._folder / 'data'}",
            "--storage.tsdb.retention.time=2d",
            f"--web.listen-address={HOST}:{port}",
            "--log.level=warn",
        ]
        self._process = Process("Prometheus", command, log=folder / "prometheus.log")

    def _prepare(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / "prometheus.yaml").write_text(yaml.safe_dump(self._configuration(), sort_keys=False))
        self._write_targets()

    def _is_ready(self) -> bool:
        """Tell whether it answers. What it scrapes may start later."""
        return request("GET", f"{self.url}/-/ready").ok

    def follow(self, targets: list[Target]) -> None:
        """Scrape these from now on; cheap when they are the same as before."""
        if targets != self._targets:
            self._targets = targets
            if self._folder.exists():
                self._write_targets()

    def _write_targets(self) -> None:
        """Replace the file in one step: Prometheus may read it at any moment."""
        groups = [
            {"targets": [f"{HOST}:{each.port}"], "labels": {"job": each.job, **each.labels}}
            for each in self._targets
        ]
        scratch = self._folder / "targets.new"
        scratch.write_text(json.dumps(groups, indent=2) + "\n")
        scratch.replace(self._folder / "targets.json")

    def _configuration(self) -> dict[str, Any]:
        files = [{"files": [str(self._folder / "targets.json")], "refresh_interval": "5s"}]
        return {
            "global": {
                "scrape_interval": self._scrape_every,
                "scrape_timeout": self._scrape_every,
                "evaluation_interval": self._scrape_every,
            },
            "rule_files": [str(RULES / "*.yaml")],
            "scrape_configs": [
                # Each target names its job. The operator's series name namespace and pipeline themselves.
                {"job_name": "clickstream", "honor_labels": True, "file_sd_configs": files}
            ],
        }
