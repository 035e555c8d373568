"""A way to the broker that can be cut, and that can hold back single requests of the Kafka protocol.

Each broker gets a listener of its own for this way, whose advertised address is the proxy's port: so a client
that starts here never finds a way round (kafka.py).
"""

import socket
import threading

from clickstream_local.machine.ports import HOST, free_ports

from clickstream_chaos.proxy.connection import Connection
from clickstream_chaos.proxy.frames import END_TXN, api_key, client_id
from clickstream_chaos.proxy.trap import EndTxnTrap


class Proxy:
    """A way to all brokers: listens on a port for each, and passes on to the broker's own listener for it."""

    def __init__(self, brokers: int = 1) -> None:
        self.ports, self.targets = free_ports(brokers), free_ports(brokers)
        self.listener = f"VIA{self.ports[0]}"
        self._servers = [socket.create_server((HOST, port)) for port in self.ports]
        self._pairs: set[Connection] = set()
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

    def set_trap(self, topic: str) -> EndTxnTrap:
        """Hold the next EndTxn, break its connection, and deliver it within a later transaction.

        There it arrives between two writes to one partition of `topic`.
        """
        self.trap = EndTxnTrap(topic)
        return self.trap

    def close(self) -> None:
        """End."""
        for server in self._servers:
            server.close()
        self.cut()

    def on_request(self, pair: Connection, frame: bytes) -> bool:
        """Look at a request before it goes on; return False when it must not."""
        api = api_key(frame)
        if api == END_TXN and self._lose_replies:
            pair.deaf = True
        pair.client_id = client_id(frame)
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
            pair = Connection(client, broker, self.on_request)
            with self._lock:
                self._pairs.add(pair)
            pair.start(lambda pair=pair: self._pairs.discard(pair))  # type: ignore[misc]


def _connect(port: int) -> socket.socket | None:
    try:
        return socket.create_connection((HOST, port), timeout=None)
    except OSError:
        return None
