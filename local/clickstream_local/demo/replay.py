"""Replays dead letters of the running demo: the product's program as a process, its progress as lines."""

import json
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from clickstream_local.demo.status import running
from clickstream_local.errors import CannotStart
from clickstream_local.machine.ports import HOST, free_ports
from clickstream_local.machine.process import Process
from clickstream_local.machine.web import request
from clickstream_local.pipeline.replay_file import load_replay

_LOOK_S = 0.5


def replay_demo(data: Path, file: Path, console: Console) -> bool:
    """Run the replay that a file describes; return whether it is done. Raises CannotStart.

    The last line is the report, as JSON.
    """
    running(data)
    settings = data / "settings.json"
    replay = load_replay(file, json.loads(settings.read_text())["name"])
    folder = data / "replays"
    folder.mkdir(exist_ok=True)
    stem = f"{replay['name']}-{replay['uid']}"
    (folder / f"{stem}.json").write_text(json.dumps(replay, indent=2) + "\n")
    word = folder / f"{stem}.report"
    word.write_text("")
    (port,) = free_ports(1)
    process = Process(
        f"replay {replay['name']}",
        [sys.executable, "-m", "clickstream_processor.replaying"],
        log=folder / f"{stem}.log",
        environment={
            "CLICKSTREAM_SETTINGS": str(settings),
            "CLICKSTREAM_SECRETS_DIR": str(data / "secrets"),
            "CLICKSTREAM_HOST": HOST,
            "CLICKSTREAM_ADMIN_PORT": str(port),
            "CLICKSTREAM_REPLAY_FILE": str(folder / f"{stem}.json"),
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
        raise CannotStart(f"the replay ended without a report; its log is {process.log}")
    report = json.loads(text)
    _show(report, console)
    console.print(text, markup=False, soft_wrap=True)
    return bool(report["phase"] == "done")


def _show_progress(process: Process, port: int, console: Console) -> None:
    """Print a line whenever it has come further, until it ends."""
    shown = ""
    while process.exit_status is None:
        answer = request("GET", f"http://{HOST}:{port}/progress", timeout_s=2)
        if answer.ok:
            said: dict[str, Any] = answer.json()
            line = (
                f"{said['phase']}: {said['scanned']:,} of {said['total']:,}, {said['matched']:,} matched, "
                f"{said['replayed']:,} replayed, {said['skipped']:,} skipped {said['message']}"
            )
            if line != shown:
                console.print(line, markup=False)
                shown = line
        time.sleep(_LOOK_S)


def _show(report: dict[str, Any], console: Console) -> None:
    """Print the report as tables."""
    reasons = Table("reason", "matched", "replayed", "failed again")
    for reason, row in report["by_reason"].items():
        reasons.add_row(
            escape(reason), *(f"{row[name]:,}" for name in ("matched", "replayed", "failed_again"))
        )
    console.print(reasons)
    for why, count in report["skipped_by"].items():
        console.print(f"skipped, {why}: {count:,}", markup=False)
    if report["first"]:
        first = Table("first place", "reason", "as it is sent")
        for each in report["first"]:
            first.add_row(*(escape(each[name]) for name in ("place", "reason", "value")))
        console.print(first)
    if report["message"]:
        console.print(report["message"], markup=False, soft_wrap=True)
