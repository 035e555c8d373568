"""Erases users of the running demo: the product's program as a process, its progress as lines."""

import json
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from clickstream_local.demo.status import running
from clickstream_local.errors import CannotStart
from clickstream_local.machine.ports import HOST, free_ports
from clickstream_local.machine.process import Process
from clickstream_local.machine.web import request
from clickstream_local.pipeline.erasure_file import load_erasure

_LOOK_S = 0.5


def erase_demo(data: Path, file: Path, console: Console) -> bool:
    """Run the erasure that a file describes; return whether it is done. Raises CannotStart.

    The last line is the receipt, as JSON. What names the users is deleted again.
    """
    running(data)
    settings = data / "settings.json"
    erasure = load_erasure(file, json.loads(settings.read_text())["name"])
    folder = data / "erasures"
    folder.mkdir(exist_ok=True)
    word = folder / f"{erasure['name']}.receipt"
    word.write_text("")
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        request_file = Path(scratch) / "erasure.json"
        request_file.write_text(json.dumps(erasure))
        process = Process(
            f"erasure {erasure['name']}",
            [sys.executable, "-m", "clickstream_processor.erasing"],
            log=folder / f"{erasure['name']}.log",
            environment={
                "CLICKSTREAM_SETTINGS": str(settings),
                "CLICKSTREAM_SECRETS_DIR": str(data / "secrets"),
                "CLICKSTREAM_HOST": HOST,
                "CLICKSTREAM_ADMIN_PORT": str(port),
                "CLICKSTREAM_ERASURE_FILE": str(request_file),
                "CLICKSTREAM_TERMINATION_LOG": str(word),
            },
            stop_timeout_s=60,
        )
        process.start()
        try:
            _show_progress(process, port, console)
        finally:
            process.stop()
    text = word.read_text()
    if not text:
        raise CannotStart(f"the erasure ended without a receipt; its log is {process.log}")
    receipt = json.loads(text)
    _show(receipt, console)
    console.print(text, markup=False, soft_wrap=True)
    return bool(receipt["phase"] == "done")


def _show_progress(process: Process, port: int, console: Console) -> None:
    """Print a line whenever it has come further, until it ends."""
    shown = ""
    while process.exit_status is None:
        answer = request("GET", f"http://{HOST}:{port}/progress", timeout_s=2)
        if answer.ok:
            said: dict[str, Any] = answer.json()
            line = f"{said['phase']} {said['message']}"
            if line != shown:
                console.print(line, markup=False)
                shown = line
        time.sleep(_LOOK_S)


def _show(receipt: dict[str, Any], console: Console) -> None:
    """Print the receipt as a table."""
    table = Table("place", "found", "left", "gone by", "")
    for place in receipt["places"]:
        counts = ("" if place[name] is None else f"{place[name]:,}" for name in ("found", "left"))
        table.add_row(place["name"], *counts, _time(place["until_ms"]), place["note"])
    console.print(table)
    if receipt["message"]:
        console.print(receipt["message"], markup=False, soft_wrap=True)


def _time(ms: int | None) -> str:
    return "" if ms is None else f"{datetime.fromtimestamp(ms / 1_000, UTC):%Y-%m-%d %H:%M}"
