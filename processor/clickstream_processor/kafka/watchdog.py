"""R6: a client that hangs while brokers answer ends the process; with Kafka away it goes on waiting.

librdkafka's calls have been seen to block for minutes beyond their time-out, and a consumer to lose its last
connection in an outage and never ask for another (ADR 0059). Crash recovery is the proven path out, but only
where it can help: a restart without brokers would only lose the queries.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)

EXIT_HUNG = 70  # EX_SOFTWARE of sysexits.h
GRACE_S = 30.0  # beyond the call's own time-out
# Answers of brokers, about one a second, that a reader which gets nothing has more to read:
REPLACE_AFTER = 10  # then it goes on with a new consumer, and once more
GIVE_UP_AFTER = 30


class Watchdog:
    """Knows the guarded call each thread is in, and looks at them once a second from a thread of its own."""

    def __init__(
        self, brokers_answer: Callable[[], bool], give_up: Callable[[str], None] | None = None
    ) -> None:
        """`brokers_answer` asks a broker on a connection of its own, and may take a few seconds."""
        self._brokers_answer = brokers_answer
        self._give_up = give_up or _exit
        self._calls: dict[
            int, tuple[str, float]
        ] = {}  # thread -> name, monotonic time by which it must be done
        self._starving: dict[str, int] = {}  # reader -> answers since it got something
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """End watching; used at shutdown, which has a deadline of its own."""
        self._ended.set()

    @contextmanager
    def guard(self, call: str, timeout_s: float) -> Iterator[None]:
        """Note that this thread is in a client call that must return within `timeout_s` and the grace."""
        thread = threading.get_ident()
        self._calls[thread] = (call, time.monotonic() + timeout_s + GRACE_S)
        try:
            yield
        finally:
            self._calls.pop(thread, None)

    def starves(self, reader: str, *, behind: bool, got: bool) -> bool:
        """Note what brokers have just answered of a reader's logs, on another client's connection.

        `behind`: there is more for it to read. `got`: it has read something since the last such answer.
        Returns whether it needs a new consumer.
        """
        if got:
            self._starving.pop(reader, None)
        if got or not behind:  # with nothing to read there is nothing to learn: its tasks may come and go
            return False
        self._starving[reader] = answers = self._starving.get(reader, 0) + 1
        if answers >= GIVE_UP_AFTER:
            self._give_up(f"{reader}: nothing is read of logs that have more")
            return False
        if answers % REPLACE_AFTER:
            return False
        log.warning("%s: nothing is read of logs that have more: a new consumer", reader)
        return True

    def in_call(self) -> bool:
        """Tell whether some thread is in a guarded call, so that its silence is this class's business."""
        return bool(self._calls)

    def overdue(self) -> str | None:
        """Return the name of a call that is past its time, None where none is."""
        now = time.monotonic()
        return next((name for name, due in list(self._calls.values()) if now > due), None)

    def _watch(self) -> None:
        while not self._ended.wait(1.0):
            call = self.overdue()
            if call is not None and self._brokers_answer() and self.overdue() == call:
                self._give_up(call)


def _exit(call: str) -> None:
    log.critical("%s: a Kafka client hangs although brokers answer: exiting, the restart recovers", call)
    logging.shutdown()
    os._exit(EXIT_HUNG)
