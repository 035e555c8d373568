"""A work queue of keys: each key waits once, is worked on by one worker, and comes back when it failed.

A key added while it is worked on is worked on once more afterwards, so no change is lost. Failures
back off exponentially with jitter, per key. The clock is asyncio's, so tests can hold it.
"""

import asyncio
import heapq
import random
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

FIRST_BACKOFF_S = 0.2
LONGEST_BACKOFF_S = 60.0


class KeyedQueue(Generic[K]):
    """Used by one event loop."""

    def __init__(self, clock: Callable[[], float], jitter: Callable[[], float] = random.random) -> None:
        self._clock = clock
        self._jitter = jitter
        self._due: dict[K, float] = {}  # key -> when it may be worked on
        self._heap: list[tuple[float, int, K]] = []  # may hold outdated entries: _due decides
        self._failures: dict[K, int] = {}
        self._working: dict[K, float] = {}
        self._again: dict[K, float] = {}  # added while worked on
        self._not_before: dict[K, float] = {}
        self._changed = asyncio.Event()
        self._count = 0

    def add(self, key: K, delay_s: float = 0) -> None:
        """Ask for a key to be worked on, `delay_s` from now or sooner if it waits already."""
        due = self._clock() + delay_s
        if key in self._working:
            self._again[key] = min(due, self._again.get(key, due))
            return
        due = max(due, self._not_before.get(key, due))
        if due >= self._due.get(key, float("inf")):
            return
        self._due[key] = due
        self._count += 1
        heapq.heappush(self._heap, (due, self._count, key))
        self._changed.set()

    def retry(self, key: K, at_least_s: float = 0) -> float:
        """Ask for a failed key again after its back-off; return the delay."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        backoff_s = min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2.0 ** min(failures, 20))
        delay_s = max(at_least_s, backoff_s * (0.5 + self._jitter() / 2))
        if at_least_s:  # the server asked for it: news of the key do not shorten it
            self._not_before[key] = self._clock() + at_least_s
        self.add(key, delay_s)
        return delay_s

    def succeeded(self, key: K) -> None:
        """Forget the key's failures."""
        self._failures.pop(key, None)

    async def take(self) -> K:
        """Return a key that is due; nobody else gets it until `release`."""
        while True:
            now = self._clock()
            while self._heap:
                due, _, key = self._heap[0]
                if self._due.get(key) != due:
                    heapq.heappop(self._heap)
                    continue
                if due > now:
                    break
                heapq.heappop(self._heap)
                del self._due[key]
                self._not_before.pop(key, None)
                self._working[key] = now
                return key
            wait_s = self._heap[0][0] - now if self._heap else None
            self._changed.clear()
            try:
                async with asyncio.timeout(wait_s):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def release(self, key: K) -> None:
        """Give a taken key back; it is worked on again when it was asked for meanwhile."""
        self._working.pop(key, None)
        again = self._again.pop(key, None)
        if again is not None:
            self.add(key, max(0.0, again - self._clock()))

    def discard(self, key: K) -> None:
        """Forget a key that is gone."""
        self._due.pop(key, None)
        self._again.pop(key, None)
        self._not_before.pop(key, None)
        self._failures.pop(key, None)

    @property
    def depth(self) -> int:
        """Return how many keys are due now."""
        now = self._clock()
        return sum(due <= now for due in self._due.values())

    @property
    def age_s(self) -> float:
        """Return how long the longest waiting due key waits, or the longest worker works."""
        now = self._clock()
        waiting = [now - due for due in self._due.values() if due <= now]
        return max([0.0, *waiting, *(now - since for since in self._working.values())])

    @property
    def failing(self) -> int:
        """Return how many keys failed when last worked on."""
        return len(self._failures)
