"""Asks pods' admin ports whether anybody is there: the second sign of life beside the heartbeats (R16)."""

import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial

from clickstream_operator.assignment.worker_pool import WorkerPool

PROBE_EVERY_S = 1.0
PROBE_TIMEOUT_S = 1.0


class Probes:
    """One pipeline's pods, each asked at most once a second, without waiting."""

    def __init__(self, url: Callable[[int], str], pool: WorkerPool[bool]) -> None:
        self._url = url
        self._pool = pool
        self._asked_s: dict[int, float] = {}
        self._running: dict[int, Future[bool]] = {}

    def ask(self, ordinals: list[int], now_s: float) -> list[int]:
        """Begin to ask these pods; return those that have answered since the last call."""
        for ordinal in ordinals:
            if (
                ordinal not in self._running
                and now_s - self._asked_s.get(ordinal, -PROBE_EVERY_S) >= PROBE_EVERY_S
            ):
                self._asked_s[ordinal] = now_s
                self._running[ordinal] = self._pool.submit(partial(_answers, self._url(ordinal)))
        done = {ordinal: future for ordinal, future in self._running.items() if future.done()}
        for ordinal in done:
            del self._running[ordinal]
        return [ordinal for ordinal, future in done.items() if future.result()]


def _answers(url: str) -> bool:
    """Tell whether anything answers HTTP there; any status will do."""
    try:
        with urllib.request.urlopen(url, timeout=PROBE_TIMEOUT_S):  # noqa: S310  # built from settings, http only
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
