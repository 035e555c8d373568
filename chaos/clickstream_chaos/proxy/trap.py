"""A request that is held back, and arrives when another transaction is open."""

import contextlib
import threading
import time

from clickstream_chaos.proxy.connection import Connection
from clickstream_chaos.proxy.frames import END_TXN, PRODUCE, client_id, first_partition

WRITTEN_S = 0.2  # for the broker to do what it was sent on another connection


class EndTxnTrap:
    """What librdkafka must survive (R18): an EndTxn that arrives a second time, in the wrong transaction.

    It arrives between two writes to one partition. So the broker commits the first and refuses the second.
    Between writes to different partitions it would only make two whole transactions out of one: the client
    asks to add each partition before its first write, and that begins another transaction.
    """

    def __init__(self, topic: str) -> None:
        self.held = threading.Event()
        self.delivered = threading.Event()
        self._topic = topic.encode()
        self._held_on: Connection | None = None
        self._frame = self._client = b""
        self._repeated = False
        self._written: set[int] = set()  # partitions of the topic, by the open transaction

    def on_request(self, pair: Connection, api: int, frame: bytes) -> bool:
        """Hold the first EndTxn; look at what comes after its repetition; then deliver it."""
        if self.delivered.is_set() or (self._client and client_id(frame) != self._client):
            return True
        if not self.held.is_set():
            if api != END_TXN:
                return True
            self._held_on, self._frame, self._client = pair, frame, client_id(frame)
            pair.close_client_only()
            self.held.set()
            return False
        if api == END_TXN:
            self._repeated = True
            self._written.clear()
        elif api == PRODUCE and self._repeated:
            partition = first_partition(frame, self._topic)
            if partition in self._written:
                self._deliver(pair)
            elif partition is not None:
                self._written.add(partition)
        return True

    def _deliver(self, pair: Connection) -> None:
        """Send the held request on its own connection, when all that came before is in the log."""
        if self._held_on is None:
            return
        pair.wait_until_answered()
        with contextlib.suppress(OSError):
            self._held_on.broker.sendall(self._frame)
        time.sleep(WRITTEN_S)
        self.delivered.set()
