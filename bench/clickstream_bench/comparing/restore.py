"""How fast a pod whose volume is lost has its state again: records of changelog and profiles a second.

From the moment the pod answers on its admin port to the moment every task runs.
"""

import shutil
import time
from pathlib import Path
from typing import Any

from clickstream_local.machine.web import request

from clickstream_bench.ground import when
from clickstream_bench.systems import Ours
from clickstream_bench.traffic import PARTITIONS


def restore(system: Ours, folder: Path, users: int) -> dict[str, Any]:
    """Lose the volume of a stopped system of one pod, which has so many users, and start again."""
    pod = system.pods.pods[0]
    shutil.rmtree(folder / "pod-0")
    (folder / "pod-0").mkdir()
    began_s = time.perf_counter()
    pod.process.start()
    try:
        answers_s = when(
            lambda: request("GET", f"{pod.admin_url}/metrics", timeout_s=2).ok, "the pod does not answer"
        )
        runs_s = when(
            lambda: pod.metric("clickstream_restore_duration_seconds_count") == PARTITIONS,
            "the tasks do not run",
        )
        records = pod.metric("clickstream_restore_records_total")
    finally:
        system.stop()
    return {
        "users": users,
        "records": int(records),
        "restore_s": round(runs_s - answers_s, 2),
        "start_to_running_s": round(runs_s - began_s, 2),
        "records_s": round(records / (runs_s - answers_s)),
    }
