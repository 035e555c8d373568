"""One set of Kafka clients, and the controllers that share it.

A set belongs to one cluster and one credential. Its threads are: one that reads the control topics and
sees who is due, a few that take the controllers' turns, a few that probe pods, and those of two Kafka
clients; so their number does not grow with the pipelines.
"""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from clickstream_operator.assignment.control_topics.topic_reader import ControlTopicReader
from clickstream_operator.assignment.control_topics.writer_cache import WriterCache
from clickstream_operator.assignment.controller import Controller, SharedClients
from clickstream_operator.assignment.options import ControllerOptions
from clickstream_operator.assignment.worker_pool import WorkerPool

log = logging.getLogger(__name__)

ROUND_S = 0.05
APART_S = 0.1  # between two turns of one controller, whatever the news: publications come in batches
TURNS_AT_ONCE = 8  # a controller that waits for a broker holds one of them up
PROBES_AT_ONCE = 32
CLOSE_S = 10.0  # what hangs longer in a call to Kafka ends with the process


class ControllerHandle:
    """One controller's place in a set."""

    def __init__(self, options: ControllerOptions, shared: SharedClients, adopt: bool = False) -> None:
        self.controller = Controller(options, shared, self._wake, adopt)
        self.error: BaseException | None = None  # why it came to its end by itself
        self.ended = threading.Event()
        self._leaves = False
        self._has_news = True
        self._turn: Future[float] | None = None
        self._last_s = float("-inf")
        self._due_s = float("-inf")

    def leave(self) -> None:
        """Let the controller end after its present turn; `ended` is set then."""
        self._leaves = True

    def serve(self, submit: Callable[[Callable[[], float]], Future[float]]) -> None:
        """See to it that the controller has its turn when it is due. Called by the set's thread alone."""
        now_s = time.monotonic()
        if self._turn is not None:
            if not self._turn.done():
                return
            self.error = self._turn.exception()
            if self.error is None:
                self._last_s, self._due_s = now_s, now_s + self._turn.result()
            self._turn = None
        if self._leaves or self.error is not None:
            self.controller.close()
            self.ended.set()
        elif now_s >= self._due_s or (self._has_news and now_s - self._last_s >= APART_S):
            self._has_news = False
            self._turn = submit(self.controller.turn)

    def _wake(self) -> None:
        self._has_news = True


class Clients:
    """A set of clients; it works from the start until `close`."""

    def __init__(self, kafka: dict[str, Any]) -> None:
        self.topic_reader = ControlTopicReader(kafka)
        self._turns: WorkerPool[float] = WorkerPool(TURNS_AT_ONCE, "controllers")
        self._probing: WorkerPool[bool] = WorkerPool(PROBES_AT_ONCE, "probe")
        self._shared = SharedClients(self.topic_reader, WriterCache(), self._probing)
        self._handles: list[ControllerHandle] = []  # replaced whole: the set's thread walks it
        self._lock = threading.Lock()
        self._closing = False
        self._thread = threading.Thread(target=self._serve, name="control topics", daemon=True)
        self._thread.start()

    def start(self, options: ControllerOptions, adopt: bool = False) -> ControllerHandle:
        """Begin a pipeline's controller."""
        handle = ControllerHandle(options, self._shared, adopt)
        with self._lock:
            self._handles = [*self._handles, handle]
        return handle

    def close(self) -> None:
        """Let all controllers end, then the clients; returns at once."""
        for handle in self._handles:
            handle.leave()
        self._closing = True

    def __enter__(self) -> "Clients":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self._thread.join(CLOSE_S)

    def is_alive(self) -> bool:
        """Tell whether the set can take controllers: neither closed nor broken."""
        return self._thread.is_alive() and not self._closing

    def _serve(self) -> None:
        try:
            while self._handles or not self._closing:
                self.topic_reader.serve(ROUND_S)
                for handle in self._handles:
                    handle.serve(self._turns.submit)
                if any(handle.ended.is_set() for handle in self._handles):
                    with self._lock:
                        self._handles = [handle for handle in self._handles if not handle.ended.is_set()]
        finally:
            for handle in self._handles:
                handle.ended.set()
            self._turns.close()
            self._probing.close()
            self.topic_reader.close()
