"""What an erasure must not leave: newest values of a changelog, and bytes in a state's files.

By docs/reference/protocol.md: an erasure leaves a tombstone for each key of the user in the changelog. The
last is that of the sign, the key of a chunk that starts at 0. What stands behind it is newer. Heartbeats say
how far a state has applied the changelog, and whether its files still have to be rewritten.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from confluent_kafka import Message

from clickstream_chaos.load.pool import needle


def sign(name: str) -> bytes:
    """Return the key that says in the changelog that a user was erased."""
    return b"c" + bytes(8) + name.encode()


class ChangelogTraces:
    """The newest record of each key that names one of some users."""

    def __init__(self, users: Iterable[str]) -> None:
        self._users = {name.encode() for name in users}
        self._newest: dict[bytes, tuple[int, bool]] = {}  # key -> offset, whether it has a value
        self.signs: dict[int, int] = {}  # partition -> offset of its last sign

    def take(self, messages: Iterable[Message]) -> None:
        """Take records of the changelog, in order."""
        for message in messages:
            key = message.key() or b""
            if not any(name in key for name in self._users):
                continue
            partition, offset = message.partition() or 0, message.offset() or 0
            self._newest[key] = offset, message.value() is not None
            if key[1:9] == bytes(8):
                self.signs[partition] = offset

    def wrong(self) -> list[str]:
        """Return in words what should not be there. In time compaction takes the signs as well."""
        found = []
        for name in sorted(self._users):
            erased_at, _ = self._newest.get(sign(name.decode()), (-1, False))
            for key, (offset, has_value) in self._newest.items():
                if name in key and has_value and offset < erased_at:
                    found.append(f"the changelog has {key!r} at {offset}, erased at {erased_at}")
                elif name in key and has_value and erased_at < 0:
                    found.append(f"the changelog has {key!r}, and no sign that its user was erased")
        return found


class Heartbeats:
    """What each pod said last of its tasks."""

    def __init__(self) -> None:
        self._newest: dict[int, dict[str, Any]] = {}

    def take(self, messages: Iterable[Message]) -> None:
        """Take records of the topic of acknowledgements, in order."""
        for message in messages:
            body = json.loads(message.value() or b"{}")
            if "tasks" in body:
                self._newest[body["ordinal"]] = body

    def unpurged(self, pods: Iterable[int], signs: Mapping[int, int]) -> list[str]:
        """Return the pods and tasks whose files may still have something of erased users."""
        return [
            f"{name} on pod {pod}"
            for pod in pods
            for name, task in self._newest.get(pod, {"tasks": {}})["tasks"].items()
            if name.startswith("clicks-")
            and (task["unpurged"] or task["applied"] <= signs.get(int(name.removeprefix("clicks-")), -1))
        ]


def users_in_files(folder: Path, users: Iterable[str]) -> dict[str, list[str]]:
    """Return the users whose page is in a table or a log of writes, each with the names of these files."""
    contents = {
        file.name: file.read_bytes() for file in sorted(folder.iterdir()) if file.suffix in (".sst", ".log")
    }
    needles = {name: needle(name) for name in users}
    found = {
        name: [file for file, content in contents.items() if needle in content]
        for name, needle in needles.items()
    }
    return {name: files for name, files in found.items() if files}
