"""Ports on this machine: free ones for tests, and a clear line when a wanted one is taken."""

import contextlib
import fcntl
import functools
import itertools
import os
import random
import socket
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from clickstream_local.errors import CannotStart

HOST = "127.0.0.1"
FREE_FROM, FREE_TO = 20_000, 32_000  # Linux: ephemeral ports begin at 32768
_RANDOM = random.SystemRandom()
_PATIENCE = 10_000  # looks for a row that nobody was promised; after that, a free one will do
_promised: set[int] = set()
_promising = threading.Lock()


@dataclass(frozen=True, slots=True)
class Port:
    """A wanted port: who wants it, and the environment variable that changes it."""

    number: int
    part: str
    setting: str


def free_port() -> int:
    """Return a port nobody listens on, and that no living process was promised. Others may still take it."""
    return free_row(1)


def free_ports(count: int) -> list[int]:
    """Return different free ports."""
    ports: set[int] = set()
    while len(ports) < count:
        ports.add(free_port())
    return list(ports)


def free_row(length: int) -> int:
    """Return the first of `length` free ports that follow each other.

    From below the kernel's ephemeral range: there any outgoing connection takes a port between the
    look and the use, and a row a program was promised is gone when it starts.
    """
    for look in itertools.count():
        first = _RANDOM.randrange(FREE_FROM, FREE_TO - length)
        row = range(first, first + length)
        if all(map(_can_bind, row)) and (_promise(row) or look > _PATIENCE):
            break
    return first


def _promise(row: range) -> bool:
    """Keep ports from all who ask until this process ends; False where one of them is kept already.

    A program is not there yet, or killed and started again: meanwhile tests beside it would get its ports.
    """
    with _promising:
        if not _promised.isdisjoint(row):
            return False
        try:
            fcntl.lockf(_promises(), fcntl.LOCK_EX | fcntl.LOCK_NB, len(row), row.start)
        except OSError:
            return False
        _promised.update(row)
        return True


@functools.cache
def _promises() -> IO[bytes]:
    """Return a file that is never closed: a process has locked the bytes of the ports it was promised."""
    return (Path(tempfile.gettempdir()) / f"clickstream-ports-{os.geteuid()}").open("ab")


def is_listening(port: int) -> bool:
    """Tell whether somebody accepts connections on the port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


def check_free(ports: list[Port]) -> None:
    """Raise CannotStart with one line for each port that is taken."""
    taken = [_refusal(port) for port in ports if not _can_bind(port.number)]
    if taken:
        raise CannotStart("\n".join(taken))


def _can_bind(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            probe.bind((HOST, port))
            return True
    return False


def _refusal(port: Port) -> str:
    return (
        f"port {port.number} ({port.part}) is in use{_by(port.number)}: "
        f"end that program, or set {port.setting} to a free port"
    )


def _by(port: int) -> str:
    with contextlib.suppress(psutil.Error):
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
                return f" by {psutil.Process(connection.pid).name()} (process {connection.pid})"
    return ""
