"""How a running demo is, asked from another terminal."""

import json
from pathlib import Path
from typing import Any

import psutil
from clickstream_operator.assignment.tasks import stages_in, task_names
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from clickstream_local.demo.demo import RUN_FILE
from clickstream_local.errors import CannotStart
from clickstream_local.machine.ports import HOST, is_listening
from clickstream_local.machine.web import request
from clickstream_local.parts.pods import status_of
from clickstream_local.pipeline.replicas import scale, wanted


def show_status(data: Path, console: Console) -> bool:
    """Print the state of parts and tasks; return whether all is well. Raises CannotStart: no demo runs."""
    run = running(data)
    table = Table("part", "address", "state")
    well = True
    for part, address, state, good in _rows(run):
        table.add_row(part, address, f"[{'green' if good else 'red'}]{state}[/]")
        well &= good
    console.print(table)
    tasks, owned = _tasks(data, run)
    console.print(tasks)
    return well and owned


def scale_demo(data: Path, pods: int) -> str:
    """Ask the running demo for another number of pods; return a line for its user."""
    running(data)
    before = wanted(data / "settings.json")
    scale(data / "settings.json", pods)
    return f"{before} -> {pods} pods; `python -m clickstream_local status` shows who owns what"


def kill_pod(data: Path, ordinal: int) -> str:
    """Kill a pod of the running demo with SIGKILL; return a line for its user. Raises CannotStart."""
    pids = running(data)["pods"]
    if not 0 <= ordinal < len(pids):
        raise CannotStart(f"there is no pod {ordinal}: the demo runs pods 0 to {len(pids) - 1}")
    try:
        psutil.Process(pids[ordinal]).kill()
    except psutil.NoSuchProcess:
        raise CannotStart(f"pod {ordinal} does not run at the moment") from None
    return f"pod {ordinal} (process {pids[ordinal]}) is killed; the demo starts it again"


def running(data: Path) -> dict[str, Any]:
    """Return what the running demo says of itself. Raises CannotStart: none runs."""
    file = data / RUN_FILE
    run: dict[str, Any] | None = json.loads(file.read_text()) if file.exists() else None
    if run is None or not psutil.pid_exists(run["pid"]):
        raise CannotStart("no demo runs: start one with `make demo`")
    return run


def _tasks(data: Path, run: dict[str, Any]) -> tuple[Table, bool]:
    """Return who holds which task, and whether each has a running owner."""
    table = Table("task", "owner", "phase", "lag", "standbys")
    holders: dict[str, dict[int, dict[str, Any]]] = {}
    for ordinal in range(len(run["pods"])):
        url = f"http://{HOST}:{run['ports']['admin'] + ordinal}"
        for name, task in status_of(url, data / "secrets").get("tasks", {}).items():
            holders.setdefault(name, {})[ordinal] = task
    settings = json.loads((data / "settings.json").read_text())
    tasks = task_names(settings["topics"]["partitions"], stages_in(settings))
    all_owned = True
    for name in tasks:
        pods = holders.get(name, {})
        owner = next((o for o, task in pods.items() if task["role"] == "owner"), None)
        standbys = (
            f"pod {o}"
            + (f" ({task['phase']}, {task['lag_records']:,} behind)" if task.get("lag_records") else "")
            for o, task in pods.items()
            if task["role"] == "standby"
        )
        phase = pods[owner]["phase"] if owner is not None else "nobody has it"
        detail = pods[owner].get("detail", "") if owner is not None else ""
        good = phase == "running" and not detail
        all_owned &= good
        table.add_row(
            name,
            f"pod {owner}" if owner is not None else "-",
            f"[{'green' if good else 'red'}]{phase}{f', {escape(detail)}' if detail else ''}[/]",
            _lag(pods[owner]) if owner is not None else "-",
            ", ".join(standbys) or "-",
        )
    return table, all_owned


def _lag(task: dict[str, Any]) -> str:
    """Return an owner's lag: what a pod does not know it leaves out."""
    return f"{task['lag_records']:,}" if "lag_records" in task else "unknown"


def _rows(run: dict[str, Any]) -> list[tuple[str, str, str, bool]]:
    ports = run["ports"]
    rows = []
    parts = {"PostgreSQL": "postgres", "Kafka": "kafka", run["engine"]: "search"}
    for part, port in ((part, port) for part, port in parts.items() if part in run["parts"]):
        alive = is_listening(ports[port])
        rows.append((part, f"{HOST}:{ports[port]}", "answers" if alive else "silent", alive))
    alive = request("GET", f"http://{HOST}:{ports['collector_admin']}/readyz").ok
    rows.append(
        ("collector", f"http://{HOST}:{ports['collector']}", "ready" if alive else "not ready", alive)
    )
    if run["prometheus"]:
        ready = request("GET", f"{run['prometheus']}/-/ready").ok
        rows.append(("Prometheus", run["prometheus"], "answers" if ready else "silent", ready))
    connect = f"http://{HOST}:{ports['connect']}/connectors"
    rows += [_connector(f"{connect}/{name}", name) for name in run["connectors"]]
    return rows + [
        _pod(f"http://{HOST}:{ports['admin'] + ordinal}", ordinal) for ordinal in range(len(run["pods"]))
    ]


def _pod(url: str, ordinal: int) -> tuple[str, str, str, bool]:
    ready = request("GET", f"{url}/readyz").ok
    return f"pod {ordinal}", url, "ready" if ready else "not ready", ready


def _connector(url: str, name: str) -> tuple[str, str, str, bool]:
    answer = request("GET", f"{url}/status")
    status = answer.json() if answer.ok else {}
    states = [
        part.get("state", "UNKNOWN") for part in (status.get("connector", {}), *status.get("tasks", []))
    ]
    return f"connector {name}", url, ", ".join(states).lower(), set(states) == {"RUNNING"}
