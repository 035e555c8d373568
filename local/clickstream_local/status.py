"""How a running demo is, asked from another terminal."""

import json
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from clickstream_local.demo import RUN_FILE
from clickstream_local.errors import CannotStart
from clickstream_local.ports import HOST, is_listening
from clickstream_local.web import request


def show_status(data: Path, console: Console) -> bool:
    """Print each part's state and return whether all is well. Raises CannotStart when no demo runs."""
    file = data / RUN_FILE
    run = json.loads(file.read_text()) if file.exists() else None
    if run is None or not psutil.pid_exists(run["pid"]):
        raise CannotStart("no demo runs: start one with `make demo`")
    table = Table("part", "address", "state")
    well = True
    for part, address, state, good in _rows(run):
        table.add_row(part, address, f"[{'green' if good else 'red'}]{state}[/]")
        well &= good
    console.print(table)
    return well


def _rows(run: dict[str, Any]) -> list[tuple[str, str, str, bool]]:
    ports = run["ports"]
    rows = []
    for part, port in (("PostgreSQL", "postgres"), ("Kafka", "kafka"), (run["engine"], "search")):
        alive = is_listening(ports[port])
        rows.append((part, f"{HOST}:{ports[port]}", "answers" if alive else "silent", alive))
    connect = f"http://{HOST}:{ports['connect']}/connectors"
    rows += [_connector(f"{connect}/{name}", name) for name in run["connectors"]]
    return rows + [
        _pod(f"http://{HOST}:{ports['admin'] + ordinal}", ordinal) for ordinal in range(run["pods"])
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
