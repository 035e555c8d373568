"""A way to the broker that can be cut, and that can hold back single requests of the Kafka protocol.

Each broker gets a listener of its own for this way, whose advertised address is the proxy's port: so a client
that starts here never finds a way round. Every request starts with its length (4 bytes), its API key and
version (2 bytes each), a number that the response repeats (4 bytes), and the client's id (2 bytes of length
before it): nothing else is looked at.
"""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from clickstream_local.parts.kafka import Kafka
from clickstream_local.ports import HOST, free_ports

PRODUCE, END_TXN = 0, 26
PRODUCES_INTO_NEXT = 2  # the held request is let go after so many writes of the next transaction
WRITTEN_S = 0.2  # for the broker to do what it was sent on another connection


class Proxy:
    """A way to all brokers: listens on a port for each, and passes on to the broker's own listener for it."""

    def __init__(self, brokers: int = 1) -> None:
        self.ports, self.targets = free_ports(brokers), free_ports(brokers)
        self.listener = f"VIA{self.ports[0]}"
        self._servers = [socket.create_server((HOST, port)) for port in self.ports]
        self._pairs: set[_Pair] = set()
        self._lock = threading.Lock()
        self._cut = False
        self._lose_replies = False
        self._stalled = b""
        self.trap: EndTxnTrap | None = None
        for server, target in zip(self._servers, self.targets, strict=True):
            threading.Thread(target=self._accept, args=(server, target), name="proxy", daemon=True).start()

    @property
    def bootstrap(self) -> str:
        """Return the bootstrap servers of this way."""
        return ",".join(f"{HOST}:{port}" for port in self.ports)

    def cut(self) -> None:
        """Break every connection and refuse new ones."""
        with self._lock:
            self._cut = True
            pairs = list(self._pairs)
        for pair in pairs:
            pair.close()

    def mend(self) -> None:
        """Let everything pass again."""
        with self._lock:
            self._cut = self._lose_replies = False
            self._stalled = b""
            pairs = list(self._pairs)
        for pair in pairs:
            if pair.deaf:
                pair.close()

    def lose_commit_replies(self) -> None:
        """Let commits reach the broker and keep its answers, until `mend`."""
        self._lose_replies = True

    def stall(self, client: str, *, later: bool = True) -> None:
        """Let no answer reach the clients whose id ends so, until `mend`; other clients notice nothing.

        Without `later`, connections that are made from now on are left alone.
        """
        with self._lock:
            self._stalled = client.encode() if later else b""
            for pair in self._pairs:
                pair.deaf |= pair.client_id.endswith(client.encode())  # an answer may be on its way

    def set_trap(self) -> "EndTxnTrap":
        """Hold the next EndTxn, break its connection, and deliver it within the transaction after it."""
        self.trap = EndTxnTrap()
        return self.trap

    def close(self) -> None:
        """End."""
        for server in self._servers:
            server.close()
        self.cut()

    def on_request(self, pair: "_Pair", frame: bytes) -> bool:
        """Look at a request before it goes on; return False when it must not."""
        (api,) = struct.unpack_from(">h", frame, 4)
        if api == END_TXN and self._lose_replies:
            pair.deaf = True
        pair.client_id = _client_id(frame)
        if self._stalled and pair.client_id.endswith(self._stalled):
            pair.deaf = True
        return self.trap is None or self.trap.on_request(pair, api, frame)

    def _accept(self, server: socket.socket, target: int) -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            with self._lock:
                refused = self._cut
            broker = None if refused else _connect(target)
            if broker is None:
                client.close()
                continue
            pair = _Pair(client, broker, self)
            with self._lock:
                self._pairs.add(pair)
            pair.start(lambda pair=pair: self._pairs.discard(pair))  # type: ignore[misc]


def make_kafka(folder: Path, brokers: int = 1, proxies: Sequence[Proxy] = (), **more: str) -> Kafka:
    """Return a cluster, not started, that may be reached by proxies as well.

    `more`: properties of the brokers, with underscores for dots.
    """
    ports = free_ports(2 * brokers)
    properties = {name.replace("_", "."): value for name, value in more.items()}
    own = {
        number + 1: _listeners(number, ports[2 * number], ports[2 * number + 1], proxies)
        for number in range(brokers)
    }
    heap_mb = 512 if brokers == 1 else 300
    return Kafka(
        folder, brokers=brokers, ports=ports, heap_mb=heap_mb, properties=properties, broker_properties=own
    )


def _listeners(number: int, port: int, controller_port: int, proxies: Sequence[Proxy]) -> dict[str, str]:
    """Return the properties that give a broker a listener for each proxy."""
    plain = f"PLAINTEXT://{HOST}:{port}"
    own = [f"{proxy.listener}://{HOST}:{proxy.targets[number]}" for proxy in proxies]
    advertised = [f"{proxy.listener}://{HOST}:{proxy.ports[number]}" for proxy in proxies]
    names = ["CONTROLLER", "PLAINTEXT", *(proxy.listener for proxy in proxies)]
    return {
        "listeners": ",".join([plain, f"CONTROLLER://{HOST}:{controller_port}", *own]),
        "advertised.listeners": ",".join([plain, *advertised]),
        "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name in names),
        "inter.broker.listener.name": "PLAINTEXT",
    }


class EndTxnTrap:
    """What librdkafka must survive (R18): an EndTxn that arrives a second time, in the wrong transaction."""

    def __init__(self) -> None:
        self.held = threading.Event()
        self.delivered = threading.Event()
        self._pair: _Pair | None = None
        self._frame = self._client = b""
        self._repeated = False
        self._produces = 0

    def on_request(self, pair: "_Pair", api: int, frame: bytes) -> bool:
        """Hold the first EndTxn; count what comes after its repetition; then deliver it."""
        if self.delivered.is_set() or (self._client and _client_id(frame) != self._client):
            return True
        if not self.held.is_set():
            if api != END_TXN:
                return True
            self._pair, self._frame, self._client = pair, frame, _client_id(frame)
            pair.close_client_only()
            self.held.set()
            return False
        if api == END_TXN:
            self._repeated = True
        elif api == PRODUCE and self._repeated:
            self._produces += 1
            if self._produces > PRODUCES_INTO_NEXT and self._pair is not None:
                pair.wait_until_answered()  # what was written so far is in the log
                with contextlib.suppress(OSError):
                    self._pair.broker.sendall(self._frame)
                time.sleep(WRITTEN_S)
                self.delivered.set()
        return True


class _Pair:
    """One connection of a client, with its own connection to the broker."""

    def __init__(self, client: socket.socket, broker: socket.socket, proxy: Proxy) -> None:
        self.client, self.broker, self._proxy = client, broker, proxy
        self.client_id = b""
        self.deaf = False  # answers are swallowed
        self._keep_broker = False
        self._sent = self._answered = 0
        self._ended: Callable[[], None] = lambda: None

    def start(self, ended: Callable[[], None]) -> None:
        """Begin to pass on, both ways."""
        self._ended = ended
        threading.Thread(target=self._requests, daemon=True).start()
        threading.Thread(target=self._responses, daemon=True).start()

    def wait_until_answered(self, timeout_s: float = 10) -> None:
        """Wait until the broker has answered everything it was sent here; called by the requests' thread."""
        deadline_s = time.monotonic() + timeout_s
        while self._answered < self._sent and time.monotonic() < deadline_s:
            time.sleep(0.001)

    def close(self) -> None:
        """Break both connections."""
        for end in (self.client, self.broker):
            _shut(end)
        self._ended()

    def close_client_only(self) -> None:
        """Break the client's side; the broker sees nothing of it."""
        self._keep_broker = True
        _shut(self.client)

    def _requests(self) -> None:
        with contextlib.suppress(OSError):
            while (frame := _read_frame(self.client)) is not None:
                if not self._proxy.on_request(self, frame):
                    return
                self.broker.sendall(frame)
                self._sent += 1
        if not self._keep_broker:
            self.close()

    def _responses(self) -> None:
        with contextlib.suppress(OSError):
            while (frame := _read_frame(self.broker)) is not None:
                if not self.deaf:
                    self.client.sendall(frame)
                self._answered += 1
        if not self._keep_broker:
            self.close()


def _client_id(frame: bytes) -> bytes:
    """Return the client id of a request; empty where there is none."""
    (length,) = struct.unpack_from(">h", frame, 12)
    return frame[14 : 14 + max(0, length)]


def _read_frame(end: socket.socket) -> bytes | None:
    head = _read(end, 4)
    if head is None:
        return None
    body = _read(end, struct.unpack(">i", head)[0])
    return None if body is None else head + body


def _read(end: socket.socket, size: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < size:
        data = end.recv(size - len(parts))
        if not data:
            return None
        parts += data
    return bytes(parts)


def _connect(port: int) -> socket.socket | None:
    try:
        return socket.create_connection((HOST, port), timeout=None)
    except OSError:
        return None


def _shut(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
