"""Ports on this machine: free ones for tests, and a clear line when a wanted one is taken."""

import contextlib
import random
import socket
from dataclasses import dataclass

import psutil

from clickstream_local.errors import CannotStart

HOST = "127.0.0.1"
FREE_FROM, FREE_TO = 20_000, 32_000  # Linux: ephemeral ports begin at 32768
_RANDOM = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class Port:
    """A wanted port: who wants it, and the environment variable that changes it."""

    number: int
    part: str
    setting: str


def free_port() -> int:
    """Return a port nobody listens on. Another program may still take it before it is used."""
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
    while True:
        first = _RANDOM.randrange(FREE_FROM, FREE_TO - length)
        if all(_can_bind(port) for port in range(first, first + length)):
            return first


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
