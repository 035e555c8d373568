"""The operations of one kind in one replica: their queue and workers, and what makes them be looked at."""

import asyncio
import random
from typing import NamedTuple

from clickstream_operator.kube.kinds import Document, Kind
from clickstream_operator.kube.store import Key
from clickstream_operator.metrics import OPERATION_RECONCILES
from clickstream_operator.operations.census import Census
from clickstream_operator.operations.decide import has_started, is_finished
from clickstream_operator.operations.reconcile import OperationReconciler
from clickstream_operator.workqueue.queue import KeyedQueue
from clickstream_operator.workqueue.workers import Workers

_WORKERS = 2


class _State(NamedTuple):
    """What of an operation makes it worth a look when it changes."""

    uid: str
    generation: int
    has_started: bool
    is_finished: bool


class OperationsOfKind:
    """Only the leader's workers work."""

    def __init__(self, kind: Kind, reconciler: OperationReconciler) -> None:
        self._queue: KeyedQueue[Key] = KeyedQueue(asyncio.get_running_loop().time)
        self._known: dict[Key, _State] = {}
        self._census = Census(kind.kind)
        self._workers = Workers(
            self._queue,
            reconciler,
            _WORKERS,
            self._forget,
            lambda result: OPERATION_RECONCILES.labels(kind.kind, result),
            seconds=None,
        )
        self._works = False

    def start(self) -> None:
        """Begin to work: this replica leads."""
        self._works = True
        self._workers.start()
        for key in self._known:
            self._queue.add(key)

    async def stop(self) -> None:
        """Cease to work."""
        self._works = False
        await self._workers.stop()

    @property
    def age_s(self) -> float:
        """Return how long the one that waits longest waits for a worker."""
        return self._queue.age_s if self._works else 0.0

    def event(self, event: str | None, document: Document) -> bool:
        """Take kopf's word that one is there, changed or is gone; tell whether another may start now."""
        meta = document["metadata"]
        key = Key(meta["namespace"], meta["name"])
        known = self._known.get(key)
        if event == "DELETED":
            self._forget(key)
            self._queue.add(key)
            return True
        self._census.put(key, str((document.get("status") or {}).get("phase") or "Waiting"))
        self._known[key] = now = _State(
            meta["uid"], meta.get("generation", 0), has_started(document), is_finished(document)
        )
        # What the operator tells of one that runs is no news: each look would be followed by the next.
        if now == known:
            return False
        self._queue.add(key)
        return now.is_finished

    def namespace_changed(self, namespace: str) -> None:
        """Look at those of a namespace that wait: a pipeline or an operation there has changed."""
        for key, state in self._known.items():
            if key.namespace == namespace and not state.has_started and not state.is_finished:
                self._queue.add(key)

    def resync(self, period_s: float) -> None:
        """Ask for each once within a period."""
        for key in self._known:
            self._queue.add(key, random.random() * period_s)  # noqa: S311

    def _forget(self, key: Key) -> None:
        self._known.pop(key, None)
        self._census.remove(key)
