"""Replays of dead letters against a rig's pods, as processes: what a Job runs."""

import json
import sys
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clickstream_local.machine.ports import free_ports
from clickstream_local.machine.process import Process
from clickstream_local.machine.web import request
from clickstream_local.testing.eventually import eventually
from confluent_kafka import Message, murmur2

from processor_support.runtime_rig import Rig, headers_of, users

NAMES = users(20)
USER = NAMES[0]
FIX = {"timestamp": "int(click.timestamp)"}  # of a mistyped click


class Replay:
    """One replay. It can be started again after its end: it is the same then."""

    def __init__(self, rig: Rig, name: str, **fields: Any) -> None:
        """`fields`: those of the replay's description."""
        self.rig, self.name, self.uid = rig, name, uuid.uuid4().hex
        document = {"version": 1, "name": name, "uid": self.uid, **fields}
        self.file = rig.folder / f"{self.uid}.json"
        self.file.write_text(json.dumps(document))
        self.word = rig.folder / f"{self.uid}.word"
        (self.port,) = free_ports(1)
        self.lives = 0

    def start(self, **environment: str) -> Process:
        """Start it."""
        faulty = "CLICKSTREAM_CRASH_AT" in environment
        module = "clickstream_local.testing.faulty_replay" if faulty else "clickstream_processor.replaying"
        self.lives += 1
        self.word.write_text("")
        self.log = Path(self.rig.folder / f"{self.uid}-{self.lives}.log")
        settings = self.rig.environment(0)
        process = Process(
            f"replay {self.name}",
            [sys.executable, "-m", module],
            log=self.log,
            environment={
                **{name: value for name, value in settings.items() if name != "CLICKSTREAM_ORDINAL"},
                "CLICKSTREAM_ADMIN_PORT": str(self.port),
                "CLICKSTREAM_REPLAY_FILE": str(self.file),
                "CLICKSTREAM_TERMINATION_LOG": str(self.word),
                **environment,
            },
            stop_timeout_s=60,
        )
        process.start()
        return process

    def progress(self) -> dict[str, Any]:
        """Return what it says while it runs; empty where it does not answer."""
        answer = request("GET", f"http://127.0.0.1:{self.port}/progress", timeout_s=2)
        return dict(answer.json()) if answer.ok else {}

    def end_of(self, process: Process) -> int:
        """Wait until a process of it has ended; return the exit status."""
        eventually(lambda: process.exit_status is not None, "the end of the replay", timeout_s=180)
        return -1 if process.exit_status is None else process.exit_status

    def run(self, **environment: str) -> dict[str, Any]:
        """Run it to its end; return its report, which must be `done`."""
        status = self.end_of(self.start(**environment))
        assert status == 0, self.log.read_text()
        report = self.report()
        assert report["phase"] == "done", report
        return report

    def report(self) -> dict[str, Any]:
        """Return its last word."""
        return dict(json.loads(self.word.read_text()))


def letters(rig: Rig) -> list[Message]:
    """Return all dead letters."""
    return rig.committed(rig.names["deadLetters"])


def letters_of(rig: Rig, replay: str) -> list[Mapping[str, str]]:
    """Return the headers of the letters that a replay's clicks have become."""
    return [said for said in map(headers_of, letters(rig)) if said.get("replay") == replay]


def enriched(rig: Rig) -> dict[str, list[dict[str, Any]]]:
    """Return the enriched clicks by event id."""
    found: dict[str, list[dict[str, Any]]] = {}
    for message in rig.committed(rig.names["enriched"]):
        fields = json.loads(message.value() or b"")
        found.setdefault(fields["event_id"], []).append(fields)
    return found


def counted(rig: Rig) -> int:
    """Return how many clicks the windows hold, by the last update of each."""
    return sum(values[-1] for values in rig.reading().updates.values())


def click(user: str = USER, **fields: Any) -> dict[str, Any]:
    """Return a click of now."""
    return {
        "user_id": user,
        "page_url": "/",
        "action": "view",
        "timestamp": time.time_ns() // 1_000_000,
    } | fields


def mistyped(user: str = USER, **fields: Any) -> str:
    """Return a click whose time is a text, as a form sends it."""
    return json.dumps(click(user, **fields) | {"timestamp": str(time.time_ns() // 1_000_000)})


def send(rig: Rig, user: str, value: str | bytes) -> str:
    """Send a click; return the place where it arrives."""
    partition = murmur2(user.encode(), rig.partitions)
    place = f"{rig.names['clicks']}-{partition}-{end_of(rig, rig.names['clicks'], partition)}"
    rig.send_raw(user, value, partition)
    return place


def end_of(rig: Rig, topic: str, partition: int) -> int:
    """Return a partition's end."""
    return rig._topics.end_offsets(topic)[partition]


def wait_for_letters(rig: Rig, count: int) -> None:
    """Wait until there are as many dead letters."""
    eventually(lambda: len(letters(rig)) >= count, f"{count} letters", timeout_s=180)
