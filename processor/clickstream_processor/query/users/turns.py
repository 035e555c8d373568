"""Turns on the event loop: a read of many steps gives way after each, and few such reads run at once.

RocksDB's client holds the interpreter's lock during a look-up, so a thread would not free the loop: it would
make it wait for the lock (docs/adr/0056-queries-in-steps.md). A read that ends in its first step never waits.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import TypeVar

from clickstream_processor.query.http.problems import Problem
from clickstream_processor.state.reads import Steps

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TurnLimits:
    """How much of the loop long reads may take. Waiting and reading together are less than a hop may take."""

    at_once: int = 2  # each turn of the loop takes a step of each
    wait_s: float = 0.3  # for a turn; then the question is refused
    read_s: float = 0.5  # then a page ends where it is, and says where the next one begins


class Turns:
    """Runs reads in steps."""

    def __init__(self, limits: TurnLimits) -> None:
        self._limits = limits
        self._free = asyncio.Semaphore(limits.at_once)

    async def read(self, steps: Steps[T]) -> T:
        """Return what the steps return.

        Raises Problem 503 when no turn is free in time, and whatever a step raises.
        """
        try:
            steps.send(None)
        except StopIteration as end:
            short: T = end.value
            return short
        try:
            async with asyncio.timeout(self._limits.wait_s):
                await self._free.acquire()
        except TimeoutError:
            steps.close()
            raise too_many_reads() from None
        try:
            return await self._rest(steps)
        finally:
            steps.close()
            self._free.release()

    async def _rest(self, steps: Steps[T]) -> T:
        until_s = time.monotonic() + self._limits.read_s
        while True:
            await asyncio.sleep(0)
            try:
                steps.send(time.monotonic() > until_s)
            except StopIteration as end:
                long: T = end.value
                return long


def too_many_reads() -> Problem:
    """Return the 503 for a long read that found no turn."""
    return Problem(
        503,
        "too-many-reads",
        "This pod already makes as many long reads as it may. Ask again in a second.",
        headers={"Retry-After": "1"},
    )
