"""Looks at the databases of all pipelines in the background, so that no reconcile waits for one.

A thread of its own with a loop of its own: a name that does not resolve and a database that does not
answer hold up nothing but other databases. Each is looked at once in a while, when it is asked for.
"""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable

from clickstream_operator.database.facts import Look
from clickstream_operator.database.inspect import DatabaseUnreachable, Target, look
from clickstream_operator.database.memory import carried
from clickstream_operator.kube.store import Key

log = logging.getLogger(__name__)

AT_ONCE = 8
# All of a look: connecting and a dozen questions. What hangs beyond that is given up.
LOOK_S = 20.0


class _Entry:
    """One pipeline."""

    def __init__(self, target: Target, asked_s: float) -> None:
        self.target = target
        self.look = Look(asked_s)
        self.due_s = 0.0  # monotonic; when the next look may begin
        self.is_under_way = False
        self.is_gap_known = False  # the status has it


class Inspector:
    """`seen` and `forget` are called from the operator's loop, `changed` from the inspector's thread."""

    def __init__(self, every_s: float, changed: Callable[[Key], None]) -> None:
        self._every_s = every_s
        self._changed = changed
        self._entries: dict[Key, _Entry] = {}
        self._loop = asyncio.new_event_loop()
        self._places = asyncio.Semaphore(AT_ONCE)
        self._thread = threading.Thread(target=self._loop.run_forever, name="inspector", daemon=True)
        self._thread.start()

    def seen(self, key: Key, target: Target, at_once: bool = False, is_gap_known: bool = False) -> Look:
        """Return the last look at a pipeline's database; have another one begun when it is time.

        `at_once`: what is wanted is news: a look at most each two seconds.
        """
        entry = self._entries.get(key)
        if entry is None or entry.target != target:
            entry = self._entries[key] = _Entry(target, time.time())
        entry.is_gap_known = is_gap_known
        every_s = min(self._every_s, 2.0) if at_once else self._every_s
        now_s = time.monotonic()
        if not entry.is_under_way and now_s >= entry.due_s + every_s - self._every_s:
            entry.is_under_way = True
            entry.due_s = now_s + self._every_s
            asyncio.run_coroutine_threadsafe(self._look(key, entry), self._loop)
        return entry.look

    def forget(self, key: Key) -> None:
        """Drop what is known of a pipeline's database."""
        self._entries.pop(key, None)

    def stop(self) -> None:
        """End the thread; looks that are under way are given up."""
        asyncio.run_coroutine_threadsafe(self._give_up(), self._loop)
        self._thread.join(LOOK_S)

    async def _give_up(self) -> None:
        looks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in looks:
            task.cancel()
        await asyncio.gather(*looks, return_exceptions=True)
        self._loop.call_soon(self._loop.stop)

    async def _look(self, key: Key, entry: _Entry) -> None:
        old = entry.look
        try:
            async with self._places:
                begun_s = time.time()
                facts, problem = None, ""
                try:
                    async with asyncio.timeout(LOOK_S):
                        facts = await look(entry.target)
                except DatabaseUnreachable as error:
                    problem = str(error)
                except TimeoutError:
                    problem = f"{entry.target.host}: no end of a look within {LOOK_S:.0f} s"
                except Exception as error:  # a server unlike all we know must not end the looks
                    log.exception("%s: the source cannot be looked at", key)
                    problem = f"{type(error).__name__}: {error}"
            entry.look = Look(old.asked_s, begun_s, facts, problem, carried(old, entry.is_gap_known))
        finally:
            entry.is_under_way = False
        if _differs(old, entry.look):
            with contextlib.suppress(RuntimeError):  # the operator's loop has ended
                self._changed(key)


def _differs(old: Look, new: Look) -> bool:
    """Tell whether a look brings news; positions that move and counters that grow are none."""
    if (old.facts is None) != (new.facts is None) or old.problem != new.problem:
        return True
    if old.facts is None or new.facts is None:
        return False
    if old.facts.slot and new.facts.slot:
        before, now = old.facts.slot.transactions, new.facts.slot.transactions
        if before is not None and now is not None and now < before:
            return True
    return old.facts.still() != new.facts.still() or new.facts.log_end < old.facts.log_end
