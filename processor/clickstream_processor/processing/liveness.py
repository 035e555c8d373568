"""Whether the worker's loop gets on; asked by the health check."""

import time

from clickstream_processor.kafka.watchdog import Watchdog


class Liveness:
    """Written by the worker's thread; `age_s` may be called from others."""

    def __init__(self, watchdog: Watchdog) -> None:
        self._watchdog = watchdog
        self.turned_s = time.monotonic()

    def turn(self) -> None:
        """Note that the loop gets on."""
        self.turned_s = time.monotonic()

    def age_s(self) -> float:
        """Return how long the loop has not turned; a guarded client call is the watchdog's business (R6)."""
        return 0.0 if self._watchdog.in_call() else time.monotonic() - self.turned_s
