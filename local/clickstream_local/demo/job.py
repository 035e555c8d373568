"""Runs a Job's program beside the running demo: its progress as lines, its last word as JSON."""

import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from clickstream_local.errors import CannotStart
from clickstream_local.machine.ports import HOST, free_ports
from clickstream_local.machine.process import Process
from clickstream_local.machine.web import request

_LOOK_S = 0.5


@dataclass(frozen=True, slots=True)
class Job:
    """One kind of Job, as people see it."""

    noun: str  # what it does one of
    word: str  # what it leaves, and how its file's name ends
    module: str
    line: Callable[[dict[str, Any]], str]  # its progress
    show: Callable[[dict[str, Any], Console], None]  # its last word

    def run(
        self, data: Path, name: str, stem: Path, environment: Mapping[str, str], console: Console
    ) -> bool:
        """Run it with the demo's settings; return whether it is done. Raises CannotStart.

        Its log and its last word are files whose names begin with `stem`. The last line is the word, as JSON.
        """
        word = Path(f"{stem}.{self.word}")
        word.write_text("")
        (port,) = free_ports(1)
        process = Process(
            f"{self.noun} {name}",
            [sys.executable, "-m", self.module],
            log=Path(f"{stem}.log"),
            environment={
                "CLICKSTREAM_SETTINGS": str(data / "settings.json"),
                "CLICKSTREAM_SECRETS_DIR": str(data / "secrets"),
                "CLICKSTREAM_HOST": HOST,
                "CLICKSTREAM_ADMIN_PORT": str(port),
                "CLICKSTREAM_TERMINATION_LOG": str(word),
                **environment,
            },
            stop_timeout_s=60,
        )
        process.start()
        try:
            self._show_progress(process, port, console)
        finally:
            process.stop()
        text = word.read_text()
        if not text:
            raise CannotStart(f"the {self.noun} ended without a {self.word}; its log is {process.log}")
        said = json.loads(text)
        self.show(said, console)
        if said["message"]:
            console.print(said["message"], markup=False, soft_wrap=True)
        console.print(text, markup=False, soft_wrap=True)
        return bool(said["phase"] == "done")

    def _show_progress(self, process: Process, port: int, console: Console) -> None:
        """Print a line whenever it has come further, until it ends."""
        shown = ""
        while process.exit_status is None:
            answer = request("GET", f"http://{HOST}:{port}/progress", timeout_s=2)
            if answer.ok:
                line = self.line(answer.json())
                if line != shown:
                    console.print(line, markup=False)
                    shown = line
            time.sleep(_LOOK_S)


def pipeline_name(data: Path) -> str:
    """Return the name of the demo's pipeline."""
    return str(json.loads((data / "settings.json").read_text())["name"])
