"""Who this process is: an instance id, and the lock that proves earlier processes of its data directory dead.

A pod that restarts after a crash finds its own last heartbeat in the acks topic, perhaps not a second old.
It must not take that for a living twin, nor wait to find out. The lock answers: whoever holds the data
directory's lock knows that every instance written in the lock file has ended.
"""

import fcntl
import json
import os
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from clickstream_processor.errors import TwinDetected

_REMEMBERED = 50  # instances that never got as far as a heartbeat are few


class Instance:
    """This process's identity; holds the lock of the data directory until `close` or the process's end."""

    def __init__(self, data_dir: Path) -> None:
        """Take the lock. Raises TwinDetected when a living process has it."""
        data_dir.mkdir(parents=True, exist_ok=True)
        self.id = str(uuid.uuid4())
        self._path = data_dir / "instance.lock"
        self._file: IO[str] = self._path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.close()
            raise TwinDetected(
                f"another process uses the data directory {data_dir}: two processes must not share one. "
                "Stop it, or give this one a CLICKSTREAM_DATA_DIR of its own"
            ) from error
        self._ended = _read(self._file)
        self._write([self.id, *self._ended][:_REMEMBERED])

    def knows_ended(self, instance: str) -> bool:
        """Tell whether that instance ran on this data directory, and so has certainly ended."""
        return instance in self._ended

    def close(self) -> None:
        """Give the lock back."""
        self._file.close()

    def _write(self, instances: Iterable[str]) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._file.write(json.dumps(list(instances)))
        self._file.flush()
        os.fsync(self._file.fileno())


def _read(file: IO[str]) -> frozenset[str]:
    file.seek(0)
    try:
        instances = json.load(file)
    except (
        ValueError
    ):  # new, or torn by a crash: the heartbeat's silence then has to prove what the file cannot
        return frozenset()
    return (
        frozenset(i for i in instances if isinstance(i, str)) if isinstance(instances, list) else frozenset()
    )
