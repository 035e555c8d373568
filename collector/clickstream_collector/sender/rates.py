"""A token bucket: so many events a second on average, and a burst of some seconds' worth. Pure.

A batch is taken whole if the bucket is not empty, and the bucket may then owe: else a batch larger than the
bucket would never be taken.
"""

import math

BURST_S = 2.0


class TokenBucket:
    """One key's bucket; `now_s` is of any clock that only goes forward."""

    __slots__ = ("_at_s", "_full", "_rate", "_tokens")

    def __init__(self, rate: float, now_s: float) -> None:
        self._rate = rate
        self._full = rate * BURST_S
        self._tokens = self._full
        self._at_s = now_s

    def take(self, events: int, now_s: float) -> int:
        """Take the events and return 0, or take none and return the seconds to wait, at least 1."""
        self._tokens = min(self._full, self._tokens + (now_s - self._at_s) * self._rate)
        self._at_s = now_s
        if self._tokens <= 0:
            return max(1, math.ceil(-self._tokens / self._rate))
        self._tokens -= events
        return 0
