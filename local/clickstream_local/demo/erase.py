"""Erases users of the running demo: the product's program as a process, its progress as lines."""

import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from clickstream_local.demo.job import Job, pipeline_name
from clickstream_local.demo.status import running
from clickstream_local.pipeline.erasure_file import load_erasure


def erase_demo(data: Path, file: Path, console: Console) -> bool:
    """Run the erasure that a file describes; return whether it is done. Raises CannotStart.

    The last line is the receipt, as JSON. What names the users is deleted again.
    """
    running(data)
    erasure = load_erasure(file, pipeline_name(data))
    folder = data / "erasures"
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        request_file = Path(scratch) / "erasure.json"
        request_file.write_text(json.dumps(erasure))
        environment = {"CLICKSTREAM_ERASURE_FILE": str(request_file)}
        return _JOB.run(data, erasure["name"], folder / erasure["name"], environment, console)


def _line(said: dict[str, Any]) -> str:
    return f"{said['phase']} {said['message']}"


def _show(receipt: dict[str, Any], console: Console) -> None:
    """Print the receipt as a table."""
    table = Table("place", "found", "left", "gone by", "")
    for place in receipt["places"]:
        counts = ("" if place[name] is None else f"{place[name]:,}" for name in ("found", "left"))
        table.add_row(place["name"], *counts, _time(place["until_ms"]), place["note"])
    console.print(table)


def _time(ms: int | None) -> str:
    return "" if ms is None else f"{datetime.fromtimestamp(ms / 1_000, UTC):%Y-%m-%d %H:%M}"


_JOB = Job("erasure", "receipt", "clickstream_processor.erasing", _line, _show)
