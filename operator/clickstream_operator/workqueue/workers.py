"""The leader's workers: each takes a key from the queue, reconciles its resource, puts it back when due."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Protocol

from prometheus_client import Counter, Histogram

from clickstream_operator import ending
from clickstream_operator.kube.api import ApiFailure
from clickstream_operator.kube.store import Key
from clickstream_operator.metrics import RECONCILE_SECONDS, RECONCILES
from clickstream_operator.workqueue.outcome import Outcome
from clickstream_operator.workqueue.queue import KeyedQueue

log = logging.getLogger(__name__)

# A reconcile that takes longer hangs: it is given up and tried again.
RECONCILE_S = 120


class Reconciles(Protocol):
    """Whoever looks at one resource."""

    async def reconcile(self, key: Key) -> Outcome:
        """Bring one resource to its desired state."""


class Workers:
    """As many tasks as asked for, while this replica leads."""

    def __init__(
        self,
        queue: KeyedQueue[Key],
        reconciler: Reconciles,
        count: int,
        gone: Callable[[Key], None],
        results: Callable[[str], Counter] = RECONCILES.labels,
        seconds: Histogram | None = RECONCILE_SECONDS,
    ) -> None:
        """`gone` hears of each resource that is found to be gone; the metrics get each look."""
        self._queue = queue
        self._reconciler = reconciler
        self._count = count
        self._gone = gone
        self._results = results
        self._seconds = seconds
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin."""
        self._tasks = [ending.start(self._work(), f"worker {number}") for number in range(self._count)]

    async def stop(self) -> None:
        """End, in the middle of a reconcile if need be: the next leader begins it again."""
        await ending.stop(*self._tasks)
        self._tasks = []

    async def _work(self) -> None:
        while True:
            key = await self._queue.take()
            try:
                await self._reconcile(key)
            finally:
                self._queue.release(key)

    async def _reconcile(self, key: Key) -> None:
        started_s = time.monotonic()
        try:
            async with asyncio.timeout(RECONCILE_S):
                outcome = await self._reconciler.reconcile(key)
        except (ApiFailure, TimeoutError) as failure:
            at_least_s = failure.retry_after_s if isinstance(failure, ApiFailure) else 0
            delay_s = self._queue.retry(key, at_least_s)
            self._results("failed").inc()
            log.warning("%s: %s; again in %.1f s", key, failure or type(failure).__name__, delay_s)
            return
        except Exception as error:  # whatever one pipeline has, the others are looked after
            delay_s = self._queue.retry(key, 0)
            self._results("failed").inc()
            log.error("%s: %r; again in %.1f s", key, error, delay_s, exc_info=error)
            return
        finally:
            if self._seconds is not None:
                self._seconds.observe(time.monotonic() - started_s)
        self._results(outcome.result).inc()
        self._queue.succeeded(key)
        if outcome.result == "gone":
            self._gone(key)
            self._queue.discard(key)
        elif outcome.again_s is not None:
            self._queue.add(key, outcome.again_s)
