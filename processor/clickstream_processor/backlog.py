"""How far tasks are behind their input: from the last commit to the input's end, in any phase. Pure.

A lag is known only where both are: the place of the task's last commit, and an end of the input that a
broker told lately. What is not known is None, never 0. Times are wall clock, ms since the epoch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from clickstream_processor.task_id import TaskId

STALE_MS = 15_000  # an end of the input that was asked for longer ago says nothing of now


@dataclass(frozen=True, slots=True)
class LastCommit:
    """The place of a task's last commit. `to`: the offset of the next click."""

    to: int
    at_ms: int  # when it was committed; 0: not known
    record_ms: int = -1  # record time of the last click before it; -1: not known

    def since_ms(self) -> int:
        """Return a time before which nothing that waits can have come; 0 where it is not known.

        A record's time is its producer's word: one after the commit is not believed.
        """
        return self.at_ms if self.record_ms < 0 else min(self.record_ms, self.at_ms)


@dataclass(frozen=True, slots=True)
class InputEnds:
    """Where the input of each task ends, as of `asked_ms` or later."""

    asked_ms: int
    high: Mapping[TaskId, int]


@dataclass(frozen=True, slots=True)
class Backlog:
    """How far one task is behind."""

    records: int | None = None  # clicks that are not committed
    ms: int | None = None  # at most the age of the oldest of them; 0 when there is none
    stands_ms: int = 0  # for how long clicks have waited while the place of the last commit did not move


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is remembered of a task between two measurements."""

    to: int
    waits: bool  # clicks were last known to wait
    moved_ms: int  # since when they wait and `to` is what it is
    caught_up_ms: int  # as of when nothing waited; 0: never seen so

    def stands_ms(self, now_ms: int) -> int:
        return max(0, now_ms - self.moved_ms) if self.waits else 0


class Backlogs:
    """Measures again and again. Used by one thread."""

    def __init__(self) -> None:
        self._seen: dict[TaskId, _Seen] = {}

    def measure(
        self, committed: Mapping[TaskId, LastCommit | None], ends: InputEnds | None, now_ms: int
    ) -> dict[TaskId, Backlog]:
        """Return the backlog of each of these tasks; others are forgotten."""
        self._seen = {task: seen for task, seen in self._seen.items() if task in committed}
        return {task: self._one(task, place, ends, now_ms) for task, place in committed.items()}

    def _one(self, task: TaskId, place: LastCommit | None, ends: InputEnds | None, now_ms: int) -> Backlog:
        if place is None:
            return Backlog()
        seen = self._seen.get(task, _Seen(place.to, False, now_ms, 0))
        if seen.to != place.to:
            seen = replace(seen, to=place.to, moved_ms=now_ms)
        self._seen[task] = seen
        if ends is None or now_ms - ends.asked_ms > STALE_MS or task not in ends.high:
            return Backlog(stands_ms=seen.stands_ms(now_ms))
        waiting = max(0, ends.high[task] - place.to)
        if not waiting:
            self._seen[task] = _Seen(place.to, False, now_ms, ends.asked_ms)
            return Backlog(0, 0)
        if not seen.waits:
            seen = self._seen[task] = replace(seen, waits=True, moved_ms=now_ms)
        since_ms = max(place.since_ms(), seen.caught_up_ms)
        age_ms = max(1, now_ms - since_ms) if since_ms > 0 else None
        return Backlog(waiting, age_ms, seen.stands_ms(now_ms))
