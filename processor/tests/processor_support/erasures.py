"""Erasures against a pipeline's pods, as processes: what a Job runs. And where a user still stands."""

import contextlib
import json
import sys
import time
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from clickstream_local.machine.ports import free_ports
from clickstream_local.machine.process import Process
from clickstream_local.parts.kafka import Kafka
from clickstream_local.testing.eventually import eventually
from clickstream_local.testing.fixtures import Topics
from confluent_kafka import Message, Producer

from processor_support.runtime_rig import Rig

# No file of a store may have the id: it is long, so that no other bytes look like it.
USER, OTHER = "needle-user-8f3a1c", "other-user-77d0"
PROCESSING = {
    "sessions": {"gap": "30m", "grace": "10s"},
    "dedup": {"key": "click.message_id"},
}


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
    while True:
        with contextlib.suppress(FileNotFoundError):  # merged into another one meanwhile: look at all again
            return [
                str(path.relative_to(folder))
                for path in folder.rglob("*")
                if path.suffix in (".sst", ".log") and user.encode() in path.read_bytes()
            ]


def make_rig(
    kafka: Kafka, topics: Topics, folder: Path, partitioner: str = "murmur2", join: str = "none"
) -> Rig:
    """Return a rig with sessions, dedup and identities, which is not started yet."""
    processing = json.loads(json.dumps(PROCESSING | {"join": {"type": join, "waitForSnapshot": False}}))
    rig = Rig(kafka, topics, folder, processing=processing, partitioner=partitioner)
    document = json.loads(rig.settings.read_text())
    rig.settings.write_text(json.dumps(document | {"settingsVersion": 5}))
    identities = topics.create(f"{rig.id}-identities", 2, cleanup_policy="compact")
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "enable.idempotence": True})
    for user in (USER, OTHER):
        body = {"previous_id": f"anon:{user}", "user_id": user, "timestamp": 1, "source": "track"}
        producer.produce(identities, json.dumps(body), f"anon:{user}")
    assert producer.flush(30) == 0
    return rig


def send(rig: Rig, count: int, *users: str) -> int:
    """Send clicks of these users, and wait until the pods have them; return a time behind all of them."""
    now_ms = time.time_ns() // 1_000_000
    for number in range(count):
        for user in users:
            body = {
                "user_id": user,
                "page_url": f"/{number}",
                "action": "view",
                "timestamp": now_ms - 1_000 + number,
            }
            rig.send("clicks", user, body | {"message_id": f"{user}-{now_ms}-{number}"})
    rig.flush()
    rig.wait_until_handled()
    return now_ms


def erasure(rig: Rig, *users: str, dry_run: bool = False) -> Erasure:
    """Return an erasure of these users, of USER alone where none is named."""
    return Erasure(rig.folder, rig.environment(0), users or (USER,), dry_run=dry_run)


def clicks_of(rig: Rig, user: str, at_ms: int) -> int:
    """Return a user's clicks in the five minutes before a time."""
    answer = rig.get(f"/dashboard/users/{user}/metrics?at={at_ms}")
    return 0 if answer is None else int(answer["clicks_last_5min"])


def traces(rig: Rig, user: str) -> dict[str, int]:
    """Return in how many places a user stands, by what an erasure promises for them."""
    return {
        "changelog": len(alive(rig.committed(f"{rig.id}-changelog"), user)),
        "sessions": len(alive(rig.committed(f"{rig.id}-sessions"), user)),
        "identities": len(alive(rig.committed(f"{rig.id}-identities"), user)),
        "files": len(files_with(rig.data_dir(0), user)),
    }


def assert_gone(rig: Rig, user: str = USER) -> None:
    """Wait until no file has the user, and see that no other place has."""
    eventually(lambda: not files_with(rig.data_dir(0), user), "files without the user", timeout_s=180)
    assert traces(rig, user) == dict.fromkeys(("changelog", "sessions", "identities", "files"), 0)
