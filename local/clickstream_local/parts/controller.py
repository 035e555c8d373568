"""The controller as a process: what the operator does in a cluster, it decides which pod owns which task."""

import sys
from pathlib import Path

from clickstream_local.machine.process import Process


class Controller:
    """The controller of one pipeline. It reads the settings file again when that changes."""

    def __init__(
        self, folder: Path, *, settings: Path, secrets: Path, metrics_port: int | None = None
    ) -> None:
        """`metrics_port`: where Prometheus may scrape it; None: nowhere."""
        self.process = Process(
            "controller",
            [
                *(sys.executable, "-m", "clickstream_operator.assignment"),
                *("--settings", str(settings), "--secrets", str(secrets)),
                *(("--metrics-port", str(metrics_port)) if metrics_port else ()),
            ],
            log=folder / "controller.log",
        )

    def start(self) -> None:
        """Start it. It waits for Kafka and the pods by itself; the pods are ready once it has begun."""
        self.process.start()

    def stop(self) -> None:
        """Stop it in order; the pods would go on."""
        self.process.stop()

    def is_running(self) -> bool:
        """Tell whether its process lives."""
        return self.process.is_running()
