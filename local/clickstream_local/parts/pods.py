"""The processor pods, as processes: what the StatefulSet is in a cluster."""

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from clickstream_local.errors import PartFailed
from clickstream_local.machine.ports import HOST
from clickstream_local.machine.process import Process, stop_all
from clickstream_local.machine.web import request

_SAMPLE = re.compile(r"^([a-z_]+)(?:\{([^}]*)\})? ([-+0-9.eE]+)$", re.MULTILINE)


@dataclass(slots=True)
class Pod:
    """One pod: its process, its addresses and the processor time of its earlier lives."""

    ordinal: int
    process: Process
    url: str
    admin_url: str
    spent_cpu_s: float = 0.0

    def is_ready(self) -> bool:
        """Tell whether the pod can route."""
        return request("GET", f"{self.admin_url}/readyz", timeout_s=2).ok

    def cpu_s(self) -> float:
        """Return the processor time of the pod's process, with that of its earlier lives."""
        try:
            times = psutil.Process(self.process.pid).cpu_times()
        except (psutil.Error, PartFailed):
            return self.spent_cpu_s
        return self.spent_cpu_s + float(times.user + times.system)

    def exposition(self) -> str | None:
        """Return what the pod tells Prometheus, None when it does not answer."""
        answer = request("GET", f"{self.admin_url}/metrics", timeout_s=2)
        return answer.body.decode() if answer.ok else None

    def metric(self, name: str, **labels: str) -> float:
        """Return the sum of a metric's samples with these labels; 0 when the pod does not answer."""
        return sum_of(self.exposition() or "", name, labels)


def sum_of(exposition: str, name: str, labels: Mapping[str, str]) -> float:
    """Return the sum of the samples of one metric whose labels hold all of `labels`."""
    wanted = [f'{key}="{value}"' for key, value in labels.items()]
    return sum(
        float(value)
        for sample, found, value in _SAMPLE.findall(exposition)
        if sample == name and all(pair in found.split(",") for pair in wanted)
    )


def status_of(admin_url: str, secrets: Path) -> dict[str, Any]:
    """Return a pod's /status, asked with the pods' own key; empty when it does not answer."""
    keys = [file.read_text() for file in secrets.glob("*-peer-key/key")]
    headers = {"Authorization": f"Bearer {keys[0]}"} if keys else {}
    answer = request("GET", f"{admin_url}/status", timeout_s=2, headers=headers)
    return dict(answer.json()) if answer.ok else {}


class Pods:
    """All pods of one pipeline. Pod i answers queries on query_port + i, its admin side on admin_port + i."""

    def __init__(
        self,
        folder: Path,
        *,
        settings: Path,
        secrets: Path,
        count: int,
        query_port: int,
        admin_port: int,
        assignment: str,
    ) -> None:
        self._folder = folder
        self._settings = settings
        self._secrets = secrets
        self._query_port = query_port
        self._admin_port = admin_port
        self._assignment = assignment
        self.pods = [self._pod(ordinal) for ordinal in range(count)]

    def start(self) -> None:
        """Start every pod and wait until all are ready."""
        for pod in self.pods:
            pod.process.start()
        for pod in self.pods:
            self.wait_until_ready(pod)

    def wait_until_ready(self, pod: Pod) -> None:
        """Wait until a started pod is ready."""
        pod.process.wait_until(pod.is_ready)

    def kill(self, ordinal: int) -> None:
        """Kill one pod, as a crash would. Its folder stays."""
        pod = self.pods[ordinal]
        pod.spent_cpu_s = pod.cpu_s()
        pod.process.kill()

    def restart(self, ordinal: int) -> None:
        """Start a killed pod again and wait until it is ready."""
        pod = self.pods[ordinal]
        pod.process.start()
        self.wait_until_ready(pod)

    def add(self) -> Pod:
        """Return one pod more, not started."""
        self.pods = [*self.pods, self._pod(len(self.pods))]
        return self.pods[-1]

    def remove_last(self) -> None:
        """Stop the last pod in order and forget it."""
        *self.pods, last = self.pods
        last.process.stop()

    def status(self, ordinal: int) -> dict[str, Any]:
        """Return what a pod says of itself; empty when it does not answer."""
        pod = self.pods[ordinal]
        return status_of(pod.admin_url, self._secrets)

    def tasks(self, ordinal: int) -> dict[str, Any] | None:
        """Return a pod's tasks by name, None when it does not answer."""
        tasks: dict[str, Any] | None = self.status(ordinal).get("tasks")
        return tasks

    def stop(self) -> None:
        """Stop all pods in order, at the same time."""
        stop_all([pod.process for pod in self.pods])

    def is_running(self) -> bool:
        """Tell whether every pod's process lives."""
        return all(pod.process.is_running() for pod in self.pods)

    def cpu_s(self) -> float:
        """Return the processor time of all pods."""
        return sum(pod.cpu_s() for pod in self.pods)

    def metric(self, name: str, **labels: str) -> float:
        """Return a metric's sum over all pods."""
        return sum(pod.metric(name, **labels) for pod in self.pods)

    def _pod(self, ordinal: int) -> Pod:
        query, admin = self._query_port + ordinal, self._admin_port + ordinal
        data = self._folder / f"pod-{ordinal}"
        environment = {
            "CLICKSTREAM_SETTINGS": str(self._settings),
            "CLICKSTREAM_SECRETS_DIR": str(self._secrets),
            "CLICKSTREAM_DATA_DIR": str(data),
            "CLICKSTREAM_ORDINAL": str(ordinal),
            "CLICKSTREAM_HOST": HOST,
            "CLICKSTREAM_QUERY_PORT": str(query),
            "CLICKSTREAM_ADMIN_PORT": str(admin),
            "CLICKSTREAM_ASSIGNMENT": self._assignment,
            "CLICKSTREAM_LOG_FORMAT": "text",
        }
        data.mkdir(parents=True, exist_ok=True)
        process = Process(
            f"pod {ordinal}",
            [sys.executable, "-m", "clickstream_processor"],
            log=self._folder / f"pod-{ordinal}.log",
            environment=environment,
            stop_timeout_s=20,
        )
        return Pod(ordinal, process, f"http://{HOST}:{query}", f"http://{HOST}:{admin}")
