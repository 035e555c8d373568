"""What the StatefulSet controller does in a cluster: keep as many pods as the settings ask for.

A pod that ended by itself or was killed is started again. `scale` changes the settings file; the pipeline's
controller reads the same file, hands tasks to new pods once they are there, and drains pods that are to
go. A drained pod is stopped here, the highest ordinal first, never one that still has a task.
"""

import json
import time
from pathlib import Path

from clickstream_local.errors import CannotStart
from clickstream_local.parts.pods import Pods
from clickstream_local.pipeline.progress import Progress

RESTART_AFTER_S = 2.0  # longer than a blink, so that a kill shows in `status`; a kubelet takes as long


def wanted(settings: Path) -> int:
    """Return the number of pods that the settings ask for."""
    return int(json.loads(settings.read_text())["processors"]["replicas"])


def scale(settings: Path, pods: int) -> None:
    """Ask for another number of pods. Raises CannotStart when there are not so many tasks."""
    document = json.loads(settings.read_text())
    partitions = document["topics"]["partitions"]
    if not 1 <= pods <= partitions:
        raise CannotStart(
            f"{pods} pods: there must be at least 1 and at most {partitions}, one per partition"
        )
    document["processors"]["replicas"] = pods
    document["processors"]["standbys"] = min(1, pods - 1)
    scratch = settings.with_suffix(".new")
    scratch.write_text(json.dumps(document, indent=2) + "\n")
    scratch.replace(settings)


class Replicas:
    """Keeps the pods of a running demo as many as asked for. `keep` is called once a second."""

    def __init__(self, pods: Pods, settings: Path, progress: Progress) -> None:
        self._pods = pods
        self._settings = settings
        self._progress = progress
        self._ended_s: dict[int, float] = {}

    def keep(self) -> None:
        """Start what is missing, stop what is drained."""
        asked = wanted(self._settings)
        while len(self._pods.pods) < asked:
            pod = self._pods.add()
            self._progress.say(f"pod {pod.ordinal} starts")
            pod.process.start()
        self._restart_ended()
        last = self._pods.pods[-1]
        if len(self._pods.pods) > asked and self._pods.tasks(last.ordinal) == {}:
            self._pods.remove_last()
            self._progress.say(f"pod {last.ordinal} has no task any more and is stopped")

    def _restart_ended(self) -> None:
        for pod in self._pods.pods:
            if pod.process.is_running():
                self._ended_s.pop(pod.ordinal, None)
                continue
            ended_s = self._ended_s.setdefault(pod.ordinal, time.monotonic())
            if time.monotonic() - ended_s >= RESTART_AFTER_S:
                status = pod.process.exit_status
                self._progress.say(f"pod {pod.ordinal} ended with status {status} and is started again")
                pod.process.start()
