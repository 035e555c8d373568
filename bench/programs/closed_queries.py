"""Asks a pod for users' metrics over a few connections, each its next request once the last is answered.

Arguments: base URL, connections, users (a file, one a line). Ends at SIGTERM with one JSON line:
{"requests", "errors", "requests_s", "p50_ms", "p99_ms", "client_cpu_s"}. Plain sockets: the less the client
computes, the more of a small machine is the pod's.
"""

import json
import random
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from urllib.parse import quote, urlsplit


class Connection(threading.Thread):
    """One connection that asks until `ended`."""

    def __init__(self, base: str, users: list[str], seed: int, ended: threading.Event) -> None:
        super().__init__()
        self._address = urlsplit(base)
        self._users = users
        self._choice = random.Random(seed).choice  # noqa: S311 (no secret)
        self._ended = ended
        self.latencies_s: list[float] = []
        self.errors = 0

    def run(self) -> None:
        host, port = self._address.hostname or "", self._address.port or 80
        with socket.create_connection((host, port), timeout=30) as connection:
            while not self._ended.is_set():
                path = f"/dashboard/users/{quote(self._choice(self._users))}/metrics"
                began_s = time.perf_counter()
                connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
                self.errors += not _answer(connection).startswith(b"HTTP/1.1 200 ")
                self.latencies_s.append(time.perf_counter() - began_s)


def _answer(connection: socket.socket) -> bytes:
    """Return one whole answer, which says its length."""
    answer = b""
    while True:
        part = connection.recv(65_536)
        if not part:
            raise ConnectionError("the pod closed the connection")
        answer += part
        head, separator, body = answer.partition(b"\r\n\r\n")
        if separator:
            _, _, rest = head.lower().partition(b"content-length:")
            if len(body) >= int(rest.split(b"\r\n", 1)[0]):
                return answer


def main() -> None:
    base, count, users = sys.argv[1], int(float(sys.argv[2])), Path(sys.argv[3]).read_text().split()
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    connections = [Connection(base, users, seed, ended) for seed in range(count)]
    began_s = time.perf_counter()
    for connection in connections:
        connection.start()
    ended.wait()
    for connection in connections:
        connection.join()
    seconds = time.perf_counter() - began_s
    latencies_s = sorted(one for connection in connections for one in connection.latencies_s)

    def percentile(share: float) -> float:
        return round(1_000 * latencies_s[int(share * (len(latencies_s) - 1))], 2) if latencies_s else 0.0

    print(
        json.dumps(
            {
                "requests": len(latencies_s),
                "errors": sum(connection.errors for connection in connections),
                "requests_s": round(len(latencies_s) / seconds, 1),
                "p50_ms": percentile(0.5),
                "p99_ms": percentile(0.99),
                "client_cpu_s": round(time.process_time(), 2),
            }
        )
    )


if __name__ == "__main__":
    main()
