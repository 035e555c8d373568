"""Requests over kept connections, as cheap as they can be: the last line is JSON of what was answered.

Stdin is JSON: port, path, connections, seconds, run (a prefix of message ids), head and parts. A request's
body is `parts` with an event's id between each two, so its length is always the same. With `rate`, requests
a second are due at even times, and a latency counts from when a request was due; without it, each connection
sends again as soon as it is answered.
"""

import json
import selectors
import socket
import sys
import time
from collections import Counter, deque
from typing import Any

ID_DIGITS = 12


class Connection:
    """One kept connection, and the time its request was due."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.due_s = 0.0
        self.first = 0  # number of its request's first event
        self.received = b""


def main() -> None:
    order = json.load(sys.stdin)
    print(json.dumps(Load(order).run()))


class Load:
    def __init__(self, order: dict[str, Any]) -> None:
        self.run_name: str = order["run"]
        self.parts = [part.encode() for part in order["parts"]]
        self.events = len(self.parts) - 1
        size = sum(map(len, self.parts)) + self.events * (len(self.run_name) + ID_DIGITS)
        self.head = f"POST {order['path']} HTTP/1.1\r\n{order['head']}Content-Length: {size}\r\n\r\n".encode()
        self.rate: float | None = order.get("rate")
        self.seconds: float = order["seconds"]
        self.connections = [Connection(order["port"]) for _ in range(order["connections"])]
        self.latencies: list[float] = []
        self.statuses: Counter[str] = Counter()
        self.sent = 0  # events, in requests of which each has its answer awaited
        self.unanswered: list[int] = []  # first numbers of requests that got no success

    def run(self) -> dict[str, Any]:
        selector = selectors.DefaultSelector()
        for each in self.connections:
            selector.register(each.socket, selectors.EVENT_READ, each)
        idle = deque(self.connections)
        busy, begun, start_s = 0, 0, time.perf_counter()
        end_s = start_s + self.seconds
        while True:
            now_s = time.perf_counter()
            while idle and now_s < end_s:
                due_s = now_s if self.rate is None else start_s + begun / self.rate
                if due_s > now_s:
                    break
                self._send(idle.popleft(), due_s)
                begun, busy = begun + 1, busy + 1
            if now_s >= end_s and not busy:
                break
            wait_s = 1.0 if self.rate is None or not idle else max(0.0, start_s + begun / self.rate - now_s)
            for key, _ in selector.select(min(wait_s, 1.0)):
                if self._is_answered(key.data):
                    busy -= 1
                    idle.append(key.data)
        return self._figures(time.perf_counter() - start_s)

    def _send(self, connection: Connection, due_s: float) -> None:
        connection.due_s, connection.first = due_s, self.sent
        pieces = [self.head]
        for offset in range(self.events):
            pieces.append(self.parts[offset])
            pieces.append(b"%s%012d" % (self.run_name.encode(), self.sent + offset))
        pieces.append(self.parts[-1])
        self.sent += self.events
        connection.socket.sendall(b"".join(pieces))

    def _is_answered(self, connection: Connection) -> bool:
        received = connection.socket.recv(65_536)
        if not received:
            raise SystemExit("the server closed a connection")
        connection.received += received
        head, end, body = connection.received.partition(b"\r\n\r\n")
        if not end or len(body) < int(head.lower().partition(b"content-length:")[2].split(None, 1)[0]):
            return False
        self.latencies.append(time.perf_counter() - connection.due_s)
        status = head[9:12].decode()
        self.statuses[status] += 1
        if status != "200":
            self.unanswered.append(connection.first)
        connection.received = b""
        return True

    def _figures(self, took_s: float) -> dict[str, Any]:
        ordered = sorted(self.latencies)
        return {
            "requests": len(ordered),
            "seconds": took_s,
            "statuses": self.statuses,
            "p50_ms": 1_000 * ordered[len(ordered) // 2],
            "p99_ms": 1_000 * ordered[int(len(ordered) * 0.99)],
            "max_ms": 1_000 * ordered[-1],
            "events": self.sent,
            "unanswered": self.unanswered,
        }


if __name__ == "__main__":
    main()
