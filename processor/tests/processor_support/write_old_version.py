"""Writes what a pipeline leaves in Kafka and on its volume, for the tests of upgrades.

old_version/README.md says how it is run: by hand, with the code of the version whose data is wanted. So it
imports nothing but what there is in both.
All times are of January 2025, so that the data ages no further.
"""

import io
import json
import random
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from clickstream_local.parts.kafka import Kafka
from clickstream_local.testing.fixtures import Topics
from confluent_kafka import Message, Producer

from processor_support.runtime_rig import Rig, users

ID = "upgrade-from"
BASE_MS = 1_736_899_200_000  # 2025-01-15T00:00Z, the start of a window
NAMES = users(25)
LEFT = NAMES[20:]  # they click in the first rounds only: all their windows are closed
ROUNDS, CLICKS_A_ROUND = 8, 58  # to four seconds before the last window but one closes
PROCESSING: dict[str, Any] = {"window": {"retention": "24h"}}
NO_STATE = ("LOG", "LOCK")  # files of RocksDB that hold none


class FixedTopics(Topics):
    """Topics of one pipeline with a known id, which keep their records however old these are."""

    def unique(self, name: str) -> str:  # noqa: ARG002 # there is one pipeline
        """Return the id."""
        return ID

    def create(self, name: str, partitions: int = 1, **config: str) -> str:
        """Create a topic that keeps everything."""
        return super().create(name, partitions, **{"retention_ms": "-1", **config})


class Clicks:
    """Writes clicks, each with a record time of its own; the event time is up to 20 s before that."""

    def __init__(self, rig: Rig) -> None:
        self._rig, self._chance, self._now_ms = rig, random.Random(3), BASE_MS
        self._producer = Producer(
            {
                "bootstrap.servers": rig.kafka.bootstrap,
                "enable.idempotence": True,
                "partitioner": "murmur2_random",
            }
        )

    def profile(self, user: str, row: Mapping[str, Any] | None) -> None:
        """Write a profile, or delete it."""
        value = None if row is None else json.dumps(row)
        self._producer.produce(self._rig.names["profiles"], value, user, timestamp=self._now_ms)

    def send(self, count: int, names: list[str], *, every_ms: int) -> None:
        """Write so many."""
        for number in range(count):
            click = {
                "page_url": f"/p/{number % 10}",
                "action": self._chance.choice(("view", "view", "buy", "heartbeat")),
                "timestamp": self._now_ms - self._chance.randrange(20_000),
            }
            self.send_one(self._chance.choice(names), click)
            self._now_ms += every_ms
        assert self._producer.flush(30) == 0

    def send_one(self, user: str, click: Mapping[str, Any] | None) -> None:
        """Write one click; None: a record that is none."""
        value = "{" if click is None else json.dumps({"user_id": user, **click})
        self._producer.produce(self._rig.names["clicks"], value, user, timestamp=self._now_ms)
        self._rig.sent += 1


def run(rig: Rig) -> None:
    """Let a pod count several rounds of clicks, and end; then write some that nobody counts."""
    clicks = Clicks(rig)
    row = {"email": "", "country": "USA", "plan_tier": "free"}
    for user in (*NAMES, "deleted"):
        clicks.profile(user, {"user_id": user, "name": user, **row})
    clicks.profile(NAMES[0], {"user_id": NAMES[0], "name": "changed", **row})
    clicks.profile("deleted", None)
    rig.start()
    rig.wait_until_running()
    for number in range(ROUNDS):
        clicks.send(CLICKS_A_ROUND, NAMES if number < 3 else NAMES[:20], every_ms=4_000)
        if number == 4:
            for user in ("deleted", "nobody"):
                clicks.send_one(user, {"page_url": "/", "action": "view", "timestamp": BASE_MS})
            for user in NAMES[:4]:
                clicks.send_one(user, None)
        rig.wait_until_handled()
    rig.stop()
    assert rig.processes[0].exit_status == 0, rig.log()
    clicks.send(40, NAMES[:20], every_ms=100)


def text(value: bytes | None) -> str | None:
    """Return bytes as text that JSON takes, each byte one character."""
    return None if value is None else value.decode("latin-1")


def as_json(name: str, message: Message) -> str:
    """Return one record as a line."""
    pairs = cast(list[tuple[str, bytes]], message.headers() or [])
    headers = [(key, text(value)) for key, value in pairs]
    record = {"topic": name, "partition": message.partition(), "offset": message.offset()}
    record |= {"time_ms": message.timestamp()[1], "key": text(message.key()), "value": text(message.value())}
    return json.dumps(record | {"headers": headers}) + "\n"


def files(rig: Rig, topics: Topics, version: str) -> Iterator[tuple[str, bytes]]:
    """Yield what is to be kept, by path."""
    names = (*rig.names, "changelog", "positions")
    ends = {name: list(topics.end_offsets(f"{ID}-{name}").values()) for name in names}
    about = {"version": version, "id": ID, "base_ms": BASE_MS, "processing": PROCESSING, "ends": ends}
    yield "about.json", json.dumps(about, indent=1).encode()
    lines = [as_json(name, message) for name in names for message in rig.committed(f"{ID}-{name}")]
    yield "records.jsonl", "".join(lines).encode()
    volume = rig.data_dir(0)
    for path in sorted(volume.rglob("*")):
        if path.is_file() and not path.name.startswith(NO_STATE):
            yield f"volume/{path.relative_to(volume)}", path.read_bytes()


def main(archive: str, version: str) -> None:
    """Run the pipeline on a broker of its own, and write the archive."""
    with tempfile.TemporaryDirectory() as folder:
        kafka = Kafka(Path(folder) / "kafka", quick=True)
        kafka.start()
        try:
            topics = FixedTopics(kafka)
            rig = Rig(kafka, topics, Path(folder), processing=PROCESSING)
            run(rig)
            with tarfile.open(archive, "w:xz") as target:
                for path, content in files(rig, topics, version):
                    member = tarfile.TarInfo(path)
                    member.size = len(content)
                    target.addfile(member, io.BytesIO(content))
        finally:
            kafka.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
