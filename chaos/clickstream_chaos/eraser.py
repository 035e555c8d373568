"""Erases users of the pool again and again while faults happen, with the program that a Job runs.

In each round one user leaves for good, and two are erased who go on to click. The program is killed at times,
and started again until it is done.
"""

import random
import threading
import time
from collections.abc import Callable
from functools import partial

from clickstream_local.machine.process import Process

from clickstream_chaos.load.load import Load
from clickstream_chaos.load.pool import LEAVING, RETURNING
from clickstream_chaos.pipeline import Pipeline
from clickstream_chaos.waiting import NotInTime, eventually

EVERY_S = 10.0  # between two erasures
KILLED = 0.3  # the share of starts that end in a kill
PATIENCE_S = 900.0  # the program itself waits ten minutes; Kafka may be away for five
END_S = 300.0  # for the last one, once all runs


class Eraser:
    """A thread that erases until `finish`."""

    def __init__(self, pipeline: Pipeline, load: Load, seed: int, say: Callable[[str], None]) -> None:
        self.done = self.kills = 0
        self._pipeline, self._load, self._say = pipeline, load, say
        self._chance = random.Random(seed)  # noqa: S311 (test data)
        self._stop = threading.Event()
        self._failure = ""
        self._process: Process | None = None
        self._thread = threading.Thread(target=self._run, name="eraser", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def finish(self) -> None:
        """Wait for the erasure that is under way, at least for one, and end. Raises NotInTime."""
        self._stop.set()
        self._thread.join(END_S)
        if self._thread.is_alive():
            self.stop()
            raise NotInTime(f"not within {END_S:.0f} s: the last erasure is done")
        if self._failure:
            raise NotInTime(self._failure)

    def stop(self) -> None:
        """End at once."""
        self._stop.set()
        self._failure = self._failure or "stopped"
        if self._process is not None:
            self._process.kill()

    def _run(self) -> None:
        leaving = list(LEAVING)
        self._stop.wait(EVERY_S)
        try:
            while not self._failure:
                users = self._chance.sample(RETURNING, 2)
                if leaving:
                    users.append(self._let_leave(leaving.pop(0)))
                self._erase(users)
                if self._stop.wait(EVERY_S):
                    return
        except NotInTime as error:
            self._failure = str(error)

    def _let_leave(self, name: str) -> str:
        """Let a user click no more, and wait until the brokers have every click of it."""
        self._load.leave(name)
        eventually(f"the brokers have the clicks of {name}", lambda: self._load.has_left(name), PATIENCE_S)
        return name

    def _erase(self, users: list[str]) -> None:
        """Start the program until it is done."""
        deadline_s = time.monotonic() + PATIENCE_S
        while not self._failure:
            self._process = process = self._pipeline.erasure(self.done, users)
            process.start()
            if self._chance.random() < KILLED and not self._stop.is_set():
                self._stop.wait(self._chance.uniform(0.5, 6))
                if process.is_running():
                    process.kill()
                    self.kills += 1
                    continue
            left_s = deadline_s - time.monotonic()
            eventually(f"erasure {self.done} ends", partial(_has_ended, process), left_s)
            if process.exit_status == 0:
                self.done += 1
                return
            self._say(f"  erasure {self.done} failed, and is started again: {process.tail(1)}")


def _has_ended(process: Process) -> bool:
    return process.exit_status is not None
