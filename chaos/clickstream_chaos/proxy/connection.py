"""One connection of a client through the proxy, with its own connection to the broker."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable

from clickstream_chaos.proxy.frames import read_frame


class Connection:
    """Passes on both ways; `may_pass` looks at each request before it goes on."""

    def __init__(
        self,
        client: socket.socket,
        broker: socket.socket,
        may_pass: "Callable[[Connection, bytes], bool]",
    ) -> None:
        self.client, self.broker, self._may_pass = client, broker, may_pass
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
            while (frame := read_frame(self.client)) is not None:
                if not self._may_pass(self, frame):
                    return
                self.broker.sendall(frame)
                self._sent += 1
        if not self._keep_broker:
            self.close()

    def _responses(self) -> None:
        with contextlib.suppress(OSError):
            while (frame := read_frame(self.broker)) is not None:
                if not self.deaf:
                    self.client.sendall(frame)
                self._answered += 1
        if not self._keep_broker:
            self.close()


def _shut(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
