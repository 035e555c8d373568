"""The running operator: kopf's events and our watches feed the queue, workers empty it on the leader."""

import asyncio
import contextvars
import logging
import random
import time
from typing import Any

import kopf

from clickstream_operator.api import Api, ApiFailure
from clickstream_operator.apply import Applier
from clickstream_operator.controllers import Controllers
from clickstream_operator.errors import InvalidSpec
from clickstream_operator.given import write_given
from clickstream_operator.health import Health
from clickstream_operator.leader import Leader
from clickstream_operator.manifests.names import names_of
from clickstream_operator.metrics import (
    FAILING,
    PIPELINES,
    QUEUE_AGE_SECONDS,
    QUEUE_DEPTH,
    RECONCILE_SECONDS,
    RECONCILES,
)
from clickstream_operator.observe import Observer
from clickstream_operator.observed import Document
from clickstream_operator.pods import Pods
from clickstream_operator.queue import KeyedQueue
from clickstream_operator.reconcile import Reconciler
from clickstream_operator.settings import Settings
from clickstream_operator.source.inspector import Inspector
from clickstream_operator.spec import API_GROUP, API_VERSION, PLURAL, parse
from clickstream_operator.store import Key, Store
from clickstream_operator.watch import Watches

log = logging.getLogger(__name__)

# A look that takes longer hangs: it is given up and tried again.
LOOK_S = 120


class Service:
    """One replica of the operator, inside kopf's event loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._controllers = Controllers() if settings.controllers else None
        self._inspector: Inspector | None = None
        self._known: set[Key] = set()
        self._workers: list[asyncio.Task[None]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._beginning: asyncio.Task[None] | None = None
        self._context = contextvars.copy_context()

    async def start(self) -> None:
        """Connect, listen, watch and compete for leadership. Called inside kopf, so that Events work."""
        settings = self._settings
        loop = asyncio.get_running_loop()
        self._queue: KeyedQueue[Key] = KeyedQueue(loop.time)
        self._api = await Api.connect()
        store = Store()
        self._watches = Watches(self._api, store, settings.namespaces, self._changed, self._connect_changed)
        self._pods = Pods(settings.pod_url)
        if settings.source_look_s:

            def looked(key: Key) -> None:
                loop.call_soon_threadsafe(self._changed, {key})

            self._inspector = Inspector(settings.source_look_s, looked)
        self._observer = Observer(
            self._api,
            store,
            self._pods,
            lambda: self._watches.strimzi_version,
            settings.lost_s,
            self._inspector,
        )
        applier = Applier(self._api, store)
        self._reconciler = Reconciler(
            self._observer,
            applier,
            settings.platform,
            self._record,
            self._controllers,
            settings.slot_settle_s,
            settings.rollout_deadline_s,
        )
        self._leader = Leader(
            self._api,
            settings.operator_namespace,
            settings.lease,
            settings.identity,
            self._start_work,
            self._stop_work,
        )
        self._health = Health(
            settings.http_host,
            settings.http_port,
            lambda: self._queue.age_s if self._leader.is_leader else 0.0,
            lambda: self._watches.stuck_s,
            lambda: self._watches.age_s,
            lambda: self._watches.is_synced,
        )
        QUEUE_DEPTH.set_function(lambda: self._queue.depth)
        QUEUE_AGE_SECONDS.set_function(lambda: self._queue.age_s if self._leader.is_leader else 0.0)
        FAILING.set_function(lambda: self._queue.failing)
        PIPELINES.set_function(lambda: len(self._known))
        await self._health.start()
        self._tasks = [
            asyncio.create_task(self._watches.run(), name="watches"),
            asyncio.create_task(self._leader.run(), name="leader"),
            asyncio.create_task(self._resync(), name="resync"),
        ]
        for task in self._tasks:
            task.add_done_callback(_end_with)

    async def stop(self) -> None:
        """Finish: let pipelines of vanishing namespaces go, give the lease back, close."""
        if self._leader.is_leader:
            await self._stop_work()
            for key in list(self._known):
                try:
                    await self._reconciler.release(key)
                except ApiFailure as failure:
                    log.warning("%s: %s", key, failure)
        await self._leader.release()
        for task in self._tasks:
            task.remove_done_callback(_end_with)
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._health.stop()
        if self._inspector:
            await asyncio.to_thread(self._inspector.stop)
        await self._pods.close()
        await self._api.close()

    def pipeline_event(self, event: str | None, document: Document) -> None:
        """Take kopf's word that a pipeline is there, changed or is gone."""
        self._context = contextvars.copy_context()
        meta = document["metadata"]
        key = Key(meta["namespace"], meta["name"])
        if event == "DELETED":
            self._known.discard(key)
            if self._leader.is_leader and (message := _what_remains(document)):
                self._record(document, "Warning", "Retained", message)
        else:
            if key not in self._known:
                self._reconciler.notice(document)
            self._known.add(key)
        self._queue.add(key)

    def _record(self, document: Document, kind: str, reason: str, message: str) -> None:
        """Post an Event. kopf posts only from the context of one of its handlers, so that is kept."""
        self._context.run(kopf.event, document, type=kind, reason=reason, message=message)

    def _changed(self, keys: set[Key]) -> None:
        for key in keys:
            self._queue.add(key)

    def _connect_changed(self, namespace: str, _: str) -> None:
        self._changed({key for key in self._known if key.namespace == namespace})

    async def _start_work(self) -> None:
        """Begin once the watches are complete; the lease is renewed meanwhile."""
        self._beginning = asyncio.create_task(self._begin(), name="beginning")
        self._beginning.add_done_callback(_end_with)

    async def _begin(self) -> None:
        await self._watches.synced()
        self._workers = [
            asyncio.create_task(self._work(), name=f"worker {number}")
            for number in range(self._settings.workers)
        ]
        for worker in self._workers:
            worker.add_done_callback(_end_with)
        for key in self._known:
            self._queue.add(key)
        await write_given(self._api, self._settings.pipelines_file, self._settings.operator_namespace)

    async def _stop_work(self) -> None:
        if self._beginning:
            self._beginning.remove_done_callback(_end_with)
            self._beginning.cancel()
            await asyncio.gather(self._beginning, return_exceptions=True)
        for worker in self._workers:
            worker.remove_done_callback(_end_with)
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        self._workers = []
        if self._controllers:
            await asyncio.to_thread(self._controllers.stop)

    async def _work(self) -> None:
        while True:
            key = await self._queue.take()
            try:
                await self._look(key)
            finally:
                self._queue.release(key)

    async def _look(self, key: Key) -> None:
        started_s = time.monotonic()
        try:
            outcome = await asyncio.wait_for(self._reconciler.reconcile(key), LOOK_S)
        except (ApiFailure, TimeoutError) as failure:
            at_least_s = failure.retry_after_s if isinstance(failure, ApiFailure) else 0
            delay_s = self._queue.retry(key, at_least_s)
            RECONCILES.labels("failed").inc()
            log.warning("%s: %s; again in %.1f s", key, failure or type(failure).__name__, delay_s)
            return
        finally:
            RECONCILE_SECONDS.observe(time.monotonic() - started_s)
        RECONCILES.labels(outcome.result).inc()
        self._queue.succeeded(key)
        if outcome.result == "gone":
            self._known.discard(key)
            self._queue.discard(key)
        elif outcome.again_s is not None:
            self._queue.add(key, outcome.again_s)

    async def _resync(self) -> None:
        """Ask for each pipeline once per period, spread over it."""
        while True:
            await asyncio.sleep(self._settings.resync_s)
            for key in self._known:
                self._queue.add(key, random.random() * self._settings.resync_s)  # noqa: S311


def registry_of(service: Service) -> kopf.OperatorRegistry:
    """Return kopf's registry with the handlers that feed a service."""
    registry = kopf.OperatorRegistry()

    @kopf.on.startup(registry=registry)  # type: ignore[untyped-decorator]
    async def startup(settings: kopf.OperatorSettings, **_: Any) -> None:
        settings.scanning.disabled = True  # would watch CRDs and namespaces of the whole cluster
        settings.peering.standalone = True  # the Lease decides
        settings.posting.enabled = True
        settings.posting.level = logging.CRITICAL  # log lines are not Events
        settings.watching.server_timeout = 240
        settings.watching.client_timeout = 300
        settings.networking.error_backoffs = (0.2, 0.5, 1, 2, 5)
        await service.start()

    @kopf.on.cleanup(registry=registry)  # type: ignore[untyped-decorator]
    async def cleanup(**_: Any) -> None:
        await service.stop()

    @kopf.on.login(registry=registry)  # type: ignore[untyped-decorator]
    async def login(**arguments: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_service_account(**arguments) or kopf.login_with_kubeconfig(**arguments)

    @kopf.on.event(API_GROUP, API_VERSION, PLURAL, registry=registry)  # type: ignore[untyped-decorator]
    async def changed(event: Any, **_: Any) -> None:
        service.pipeline_event(event["type"], event["object"])

    return registry


def _what_remains(document: Document) -> str:
    """Return what deletion leaves behind, as the policy asks, and how to remove it."""
    try:
        pipeline = parse(document)
    except InvalidSpec:
        return ""  # it made nothing
    if pipeline.spec.deletion_policy == "Delete":
        return ""
    postgres, names = pipeline.spec.source.postgres, names_of(pipeline)
    return (
        f"deletionPolicy is Retain. Replication slot {postgres.slot} of database {postgres.database} "
        f"fills its disk until you run: SELECT pg_drop_replication_slot('{postgres.slot}'). "
        f"The topics and the volumes data-{names.statefulset}-* are kept."
    )


def _end_with(task: "asyncio.Task[None]") -> None:
    """End the process when a part of it ends: half an operator looks alive and does nothing."""
    if task.cancelled():
        return
    error = task.exception()
    if error is None and task.get_name() == "beginning":
        return  # the one part that is meant to end
    log.critical("%s ended: %r", task.get_name(), error, exc_info=error)
    raise SystemExit(1)
