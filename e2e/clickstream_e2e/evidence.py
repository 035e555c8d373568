"""What is kept of a failed test: logs, events, descriptions and objects, in a folder of its own."""

import contextlib
import re
from collections.abc import Sequence
from pathlib import Path

from clickstream_e2e.images import REPOSITORY
from clickstream_e2e.kube import Failed, Kube

ROOT = REPOSITORY / "build" / "e2e"
KINDS = (
    "clickpipelines,kafkaconnectors,kafkatopics,kafkaconnects,"
    "statefulsets,deployments,pods,pvc,networkpolicies"
)


def collect(kube: Kube, name: str, namespaces: Sequence[str]) -> Path:
    """Write everything of these namespaces into a folder named after the test; return the folder."""
    folder = ROOT / re.sub(r"[^\w-]+", "-", name)
    folder.mkdir(parents=True, exist_ok=True)
    for namespace in namespaces:
        within = ("--namespace", namespace)
        for file, command in {
            "events": ("get", "events", "--sort-by=.lastTimestamp"),
            "pods": ("describe", "pods"),
            "objects.yaml": ("get", KINDS, "--output=yaml"),
            "operations.yaml": ("get", "clickreplays,clickerasures,jobs", "--output=yaml"),
        }.items():
            _keep(kube, folder / f"{namespace}-{file}", *command, *within)
        with contextlib.suppress(Failed):
            for pod in kube("get", "pods", "--output=name", *within).split():
                _logs(kube, folder, pod, within)
    return folder


def _logs(kube: Kube, folder: Path, pod: str, within: Sequence[str]) -> None:
    file = folder / f"{within[1]}-{pod.rpartition('/')[2]}.log"
    _keep(kube, file, "logs", pod, "--all-containers", "--tail=2000", *within)
    _keep(
        kube,
        file.with_suffix(".before.log"),
        "logs",
        pod,
        "--all-containers",
        "--previous",
        "--tail=500",
        *within,
    )


def _keep(kube: Kube, file: Path, *command: str) -> None:
    """Write a command's output, or nothing where it has none, as the log before of a pod never restarted."""
    with contextlib.suppress(Failed):
        file.write_text(kube(*command))
