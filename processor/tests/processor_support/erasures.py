"""Erasures against a pipeline's pods, as processes: what a Job runs. And where a user still stands."""

import json
import sys
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from clickstream_local.machine.ports import free_ports
from clickstream_local.machine.process import Process
from clickstream_local.testing.eventually import eventually
from confluent_kafka import Message


class Erasure:
    """One erasure. It can be started again after its end."""

    def __init__(
        self, folder: Path, environment: Mapping[str, str], users: Iterable[str], **fields: Any
    ) -> None:
        """`environment`: that of a pod."""
        self._environment = {k: v for k, v in environment.items() if k != "CLICKSTREAM_ORDINAL"}
        self._folder, self._id = folder, uuid.uuid4().hex
        self.file = folder / f"{self._id}.json"
        self.file.write_text(json.dumps({"version": 1, "name": "gone", "users": list(users), **fields}))
        self.word = folder / f"{self._id}.word"
        self.lives = 0

    def start(self, **environment: str) -> Process:
        """Start it."""
        faulty = "CLICKSTREAM_CRASH_AT" in environment
        module = "clickstream_local.testing.faulty_erasure" if faulty else "clickstream_processor.erasing"
        self.lives += 1
        self.word.write_text("")
        self.log = self._folder / f"{self._id}-{self.lives}.log"
        (port,) = free_ports(1)
        process = Process(
            "erasure",
            [sys.executable, "-m", module],
            log=self.log,
            environment={
                **self._environment,
                "CLICKSTREAM_ADMIN_PORT": str(port),
                "CLICKSTREAM_ERASURE_FILE": str(self.file),
                "CLICKSTREAM_TERMINATION_LOG": str(self.word),
                **environment,
            },
            stop_timeout_s=60,
        )
        process.start()
        return process

    def end_of(self, process: Process) -> int:
        """Wait until a process of it has ended; return the exit status."""
        eventually(lambda: process.exit_status is not None, "the end of the erasure", timeout_s=300)
        return -1 if process.exit_status is None else process.exit_status

    def run(self, **environment: str) -> dict[str, Any]:
        """Run it to its end; return its receipt, which must be `done`."""
        status = self.end_of(self.start(**environment))
        assert status == 0, self.log.read_text() + self.word.read_text()
        receipt = self.receipt()
        assert receipt["phase"] == "done", receipt
        return receipt

    def receipt(self) -> dict[str, Any]:
        """Return its last word."""
        return dict(json.loads(self.word.read_text()))


def places(receipt: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the places of a receipt by kind, of those that are one of their kind."""
    return {place["kind"]: place for place in receipt["places"]}


def alive(messages: Iterable[Message], user: str) -> list[bytes]:
    """Return the keys of a compacted topic that name a user and have a value."""
    newest: dict[tuple[int | None, bytes], bool] = {}
    for message in messages:
        newest[message.partition(), message.key() or b""] = message.value() is not None
    return [key for (_, key), has_value in newest.items() if has_value and user.encode() in key]


def files_with(folder: Path, user: str) -> list[str]:
    """Return the tables and logs of writes below a volume that have a user's id.

    A manifest names each table's first and last key: it is written anew when the store is opened.
    """
    return [
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.suffix in (".sst", ".log") and path.is_file() and user.encode() in path.read_bytes()
    ]
