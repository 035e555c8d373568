"""docs/tutorial/first-pipeline.md, done: every command as it stands, in the page's order."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from clickstream_local.machine.ports import free_ports, free_row
from clickstream_local.machine.process import Process
from clickstream_local.pipeline.options import REPOSITORY

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

PAGE = (REPOSITORY / "docs/tutorial/first-pipeline.md").read_text()
BLOCKS = re.findall(r"^```(sh|python|js)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
FILE = re.compile(r"(?:#|//) (\S+)\n")  # a program's first line names its file
PATIENCE_S = 240
# What the page says one sees, by a part of the command.
SEEN = {
    "/api/summary": '"dead_letters"',
    "INSERT INTO": "INSERT 0 1",
    "until curl": '"user_name":"Ada Lovelace"',
    "murmur2(b'ada', 12)": "5",
    "mkdir -p .local/tutorial": "ConsoleConsumer\nConsoleProducer",
    "node .local/tutorial/send_click.js": "partition 5, offset ",
    ".venv/bin/python .local/tutorial/send_click.py": "partition 5, offset ",
    "curl -s http://127.0.0.1:8081/dashboard/users/ada/metrics": '"clicks_last_5min":4',
    "?detail=1": '"window_start"',
    "/api/search?user=ada": '"page_url":"/products/44"',
    "--topic enriched-clicks": '"event_id":"user-clicks-5-',
    "grep -m 1 /broken": "detail:timestamp: expected int (ms since the epoch), got text",
    "grep /wrong-partition": "partition 0; murmur2 of the key says 5",
    "clickstream_local status": "clicks-11",
    "clickstream_local kill 0": "HTTP/1.1 200 OK",
}


class Reader:
    """Somebody who follows the page, in a folder and on ports of their own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()
        (folder / ".venv").symlink_to(Path(sys.prefix))
        kafka, controller, connect, postgres, search, prometheus = free_ports(6)
        collector, collector_admin, shop = free_ports(3)
        query, admin = free_row(2), free_row(2)
        self._ports = {9092: kafka, 5433: postgres, 8080: query, 8081: query + 1}
        named = {
            "KAFKA_PORT": kafka,
            "KAFKA_CONTROLLER_PORT": controller,
            "CONNECT_PORT": connect,
            "POSTGRES_PORT": postgres,
            "SEARCH_PORT": search,
            "PROMETHEUS_PORT": prometheus,
            "QUERY_PORT": query,
            "ADMIN_PORT": admin,
            "CONNECT_METRICS_PORT": free_ports(1)[0],
            "CONTROLLER_METRICS_PORT": free_ports(1)[0],
            "COLLECTOR_PORT": collector,
            "COLLECTOR_ADMIN_PORT": collector_admin,
            "SHOP_PORT": shop,
        }
        self.demo = Process(
            "demo",
            [sys.executable, "-m", "clickstream_local", "demo", "--data", str(folder)],
            log=folder / "demo.log",
            environment={"RATE": "1", **{name: str(port) for name, port in named.items()}},
            stop_timeout_s=120,
        )

    def start(self) -> None:
        """Start the demo, and wait until it has answered a query and told its addresses."""
        self.demo.start()
        self.demo.wait_until(lambda: "PostgreSQL" in self._answered(), what="answering")

    def _answered(self) -> str:
        return self.demo.log.read_text(errors="replace").partition("first query answered")[2]

    def follow(self, kind: str, text: str) -> None:
        """Save a program, or run commands until one sees what the page says."""
        for ours, theirs in self._ports.items():
            text = re.sub(rf"\b{ours}\b", str(theirs), text)
        if kind != "sh":
            name = FILE.match(text)
            assert name, f"the program does not name its file:\n{text}"
            (self._folder / name[1]).write_text(text)
            return
        text = re.sub(r"(clickstream_local \w+)", rf"\1 --data {self._folder}", text)
        deadline_s = time.monotonic() + PATIENCE_S
        seen = next((seen for part, seen in SEEN.items() if self._ported(part) in text), "")
        while True:
            done = subprocess.run(
                ["bash", "-eo", "pipefail", "-c", text],
                cwd=self._folder,
                env=os.environ,
                capture_output=True,
                text=True,
                check=False,
                timeout=PATIENCE_S,
            )
            if done.returncode == 0 and seen in done.stdout:
                return
            is_final = not seen or time.monotonic() > deadline_s
            assert not is_final, f"{text}\n{done.returncode}\n{done.stdout}\n{done.stderr}"

    def _ported(self, part: str) -> str:
        for ours, theirs in self._ports.items():
            part = part.replace(str(ours), str(theirs))
        return re.sub(r"(clickstream_local \w+)", rf"\1 --data {self._folder}", part)


@pytest.fixture
def reader(parts_folder: Path) -> Iterator[Reader]:
    """Give a reader whose demo runs."""
    one = Reader(parts_folder / "tutorial")
    try:
        one.start()
        yield one
    finally:
        one.demo.stop()


def test_every_command_of_the_page_does_what_the_page_says(reader: Reader) -> None:
    commands = [(kind, text) for kind, text in BLOCKS if "make demo" not in text]
    assert len(commands) == len(BLOCKS) - 1
    assert all(any(part in text for _, text in commands) for part in SEEN)
    for kind, text in commands:
        reader.follow(kind, text)
