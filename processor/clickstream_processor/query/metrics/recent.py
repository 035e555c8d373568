"""Answers of the last second by their exact questions: who asks the same shares one, and its making."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Recent(Generic[T]):
    """Keeps at most `most` answers, each for `period_s`. What was raised is not kept."""

    def __init__(self, most: int, period_s: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._period_s, self._clock = most, period_s, clock
        self._made: dict[Hashable, tuple[float, T]] = {}  # the oldest first
        self._under_way: dict[Hashable, asyncio.Task[T]] = {}

    def __len__(self) -> int:
        return len(self._made)

    async def get(self, question: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        """Return the answer, made now or less than `period_s` ago; raises what `make` raises."""
        made = self._made.get(question)
        if made is not None and self._clock() - made[0] < self._period_s:
            return made[1]
        task = self._under_way.get(question)
        if task is None:
            task = self._under_way[question] = asyncio.create_task(self._make(question, make))
            task.add_done_callback(_looked_at)
        return await asyncio.shield(task)  # one who leaves does not take it away from the others

    async def _make(self, question: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        try:
            answer = await make()
        finally:
            del self._under_way[question]
        now_s = self._clock()
        self._made.pop(question, None)
        while self._made:
            oldest, (made_s, _) = next(iter(self._made.items()))
            if len(self._made) < self._most and now_s - made_s < self._period_s:
                break
            del self._made[oldest]
        self._made[question] = now_s, answer
        return answer


def _looked_at(task: "asyncio.Task[object]") -> None:
    """Say that somebody has seen how it ended: whoever asked may have left."""
    if not task.cancelled():
        task.exception()
