"""Replays dead letters of the running demo: the product's program as a process, its progress as lines."""

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from clickstream_local.demo.job import Job, pipeline_name
from clickstream_local.demo.status import running
from clickstream_local.pipeline.replay_file import load_replay


def replay_demo(data: Path, file: Path, console: Console) -> bool:
    """Run the replay that a file describes; return whether it is done. Raises CannotStart.

    The last line is the report, as JSON.
    """
    running(data)
    replay = load_replay(file, pipeline_name(data))
    folder = data / "replays"
    folder.mkdir(exist_ok=True)
    stem = folder / f"{replay['name']}-{replay['uid']}"
    request_file = Path(f"{stem}.json")
    request_file.write_text(json.dumps(replay, indent=2) + "\n")
    environment = {"CLICKSTREAM_REPLAY_FILE": str(request_file)}
    return _JOB.run(data, replay["name"], stem, environment, console)


def _line(said: dict[str, Any]) -> str:
    return (
        f"{said['phase']}: {said['scanned']:,} of {said['total']:,}, {said['matched']:,} matched, "
        f"{said['replayed']:,} replayed, {said['skipped']:,} skipped {said['message']}"
    )


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


_JOB = Job("replay", "report", "clickstream_processor.replaying", _line, _show)
