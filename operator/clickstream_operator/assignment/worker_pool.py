"""A few threads that do short work for many, made as they are needed.

Unlike those of `concurrent.futures` they do not hold up the end of the process: what hangs in
a call to a broker that is away must not outlive a stop.
"""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")


class WorkerPool(Generic[T]):
    """At most `size` threads; work beyond that waits its turn."""

    def __init__(self, size: int, name: str) -> None:
        self._size, self._name = size, name
        self._work: queue.SimpleQueue[tuple[Callable[[], T], Future[T]] | None] = queue.SimpleQueue()
        self._threads = 0
        self._lock = threading.Lock()
        self._idle = threading.Semaphore(0)

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Have the work done; its result or error is in the future."""
        future: Future[T] = Future()
        with self._lock:
            self._work.put((work, future))
            if not self._idle.acquire(blocking=False) and self._threads < self._size:
                self._threads += 1
                name = f"{self._name} {self._threads}"
                threading.Thread(target=self._serve, name=name, daemon=True).start()
        return future

    def close(self) -> None:
        """Let the threads end once their present work is done."""
        for _ in range(self._threads):
            self._work.put(None)

    def _serve(self) -> None:
        while (job := self._work.get()) is not None:
            work, future = job
            try:
                future.set_result(work())
            except Exception as error:  # noqa: BLE001  # whoever asked for the work finds it in the future
                future.set_exception(error)
            self._idle.release()
