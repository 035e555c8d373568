"""One replica of the operator: its parts, made and wired, and what starts and stops when it leads."""

import asyncio
import contextvars
import logging
import random

import kopf

from clickstream_operator import ending, metrics
from clickstream_operator.database.inspector import Inspector
from clickstream_operator.kube.api import Api, ApiFailure
from clickstream_operator.kube.applier import Applier
from clickstream_operator.kube.kinds import Document, Kind
from clickstream_operator.kube.leader import Leader
from clickstream_operator.kube.store import Key, Store
from clickstream_operator.kube.watch import Watches
from clickstream_operator.lifecycle.decided import Deadlines
from clickstream_operator.lifecycle.deletion.deletion import what_remains
from clickstream_operator.operations.operations import Operations
from clickstream_operator.reconciling.observe import Observer
from clickstream_operator.reconciling.pods import Pods
from clickstream_operator.reconciling.reconcile import Reconciler
from clickstream_operator.replica.bundled_pipelines import write_given
from clickstream_operator.replica.controllers import Controllers
from clickstream_operator.replica.health import Health
from clickstream_operator.settings import Settings
from clickstream_operator.workqueue.queue import KeyedQueue
from clickstream_operator.workqueue.workers import Workers

log = logging.getLogger(__name__)


class Service:
    """Lives inside kopf's event loop. kopf's events and the watches feed the queue, the workers empty it."""

    def __init__(self, settings: Settings, api: Api) -> None:
        """Make the parts; nothing runs yet. Called inside the loop."""
        self._settings = settings
        self._api = api
        self._loop = asyncio.get_running_loop()
        self._known: set[Key] = set()
        self._context = contextvars.copy_context()
        self._queue: KeyedQueue[Key] = KeyedQueue(self._loop.time)
        store = Store()
        self._watches = Watches(api, store, settings.namespaces, self._changed, self._connect_changed)
        self._pods = Pods(settings.pod_url)
        self._controllers = Controllers() if settings.controllers else None
        look_s = settings.source_look_s
        self._inspector = Inspector(look_s, self._database_looked_at) if look_s else None
        applier = Applier(api, store)
        self._operations = Operations(api, applier, settings.platform, settings.pod_url, self._record)
        self._reconciler = Reconciler(
            Observer(
                api,
                store,
                self._pods,
                lambda: self._watches.strimzi_version,
                self._inspector,
                lambda: self._watches.has_gateways,
            ),
            applier,
            settings.platform,
            self._record,
            self._controllers,
            settings.slot_settle_s,
            Deadlines(settings.rollout_deadline_s, settings.lost_s),
        )
        self._workers = Workers(self._queue, self._reconciler, settings.workers, self._known.discard)
        self._leader = Leader(
            api,
            settings.operator_namespace,
            settings.lease,
            settings.identity,
            self._start_work,
            self._stop_work,
        )
        self._health = Health(
            settings.http_host,
            settings.http_port,
            self._queue_age_s,
            lambda: self._watches.stuck_s,
            lambda: self._watches.age_s,
            lambda: self._watches.is_synced,
        )
        self._parts: list[asyncio.Task[None]] = []
        self._beginning: list[asyncio.Task[None]] = []  # one, from when this replica leads

    @classmethod
    async def connect(cls, settings: Settings) -> "Service":
        """Return a replica that is connected to the API server."""
        return cls(settings, await Api.connect())

    async def start(self) -> None:
        """Listen, watch and compete for leadership. Called inside kopf, so that Events work."""
        metrics.QUEUE_DEPTH.set_function(lambda: self._queue.depth)
        metrics.QUEUE_AGE_SECONDS.set_function(self._queue_age_s)
        metrics.FAILING.set_function(lambda: self._queue.failing)
        metrics.PIPELINES.set_function(lambda: len(self._known))
        await self._health.start()
        self._parts = [
            ending.start(self._watches.run(), "watches"),
            ending.start(self._leader.run(), "leader"),
            ending.start(self._resync(), "resync"),
        ]

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
        await ending.stop(*self._parts)
        await self._health.stop()
        if self._inspector:
            await asyncio.to_thread(self._inspector.stop)
        await self._pods.close()
        await self._operations.close()
        await self._api.close()

    def pipeline_event(self, event: str | None, document: Document) -> None:
        """Take kopf's word that a pipeline is there, changed or is gone."""
        self._context = contextvars.copy_context()
        meta = document["metadata"]
        key = Key(meta["namespace"], meta["name"])
        if event == "DELETED":
            self._known.discard(key)
            if self._leader.is_leader and (message := what_remains(document)):
                self._record(document, "Warning", "Retained", message)
        else:
            if key not in self._known:
                self._reconciler.notice(document)
            self._known.add(key)
        self._queue.add(key)
        self._operations.namespace_changed(key.namespace)

    def operation_event(self, kind: Kind, event: str | None, document: Document) -> None:
        """Take kopf's word that a replay or an erasure is there, changed or is gone."""
        self._context = contextvars.copy_context()
        self._operations.event(kind, event, document)

    def _record(self, document: Document, kind: str, reason: str, message: str) -> None:
        """Post an Event. kopf posts only from the context of one of its handlers, so that is kept."""
        self._context.run(kopf.event, document, type=kind, reason=reason, message=message)

    def _changed(self, keys: set[Key]) -> None:
        for key in keys:
            self._queue.add(key)

    def _connect_changed(self, namespace: str, _: str) -> None:
        self._changed({key for key in self._known if key.namespace == namespace})

    def _database_looked_at(self, key: Key) -> None:
        """Take the word of the inspector's thread."""
        self._loop.call_soon_threadsafe(self._changed, {key})

    def _queue_age_s(self) -> float:
        return max(self._queue.age_s, self._operations.age_s) if self._leader.is_leader else 0.0

    async def _start_work(self) -> None:
        """Begin once the watches are complete; the lease is renewed meanwhile."""
        self._beginning = [ending.start(self._begin(), "beginning", may_end=True)]

    async def _begin(self) -> None:
        await self._watches.synced()
        self._workers.start()
        self._operations.start()
        self._changed(self._known)
        await write_given(self._api, self._settings.pipelines_file, self._settings.operator_namespace)

    async def _stop_work(self) -> None:
        await ending.stop(*self._beginning)
        await self._workers.stop()
        await self._operations.stop()
        if self._controllers:
            await asyncio.to_thread(self._controllers.stop)

    async def _resync(self) -> None:
        """Ask for each pipeline and operation once per period, spread over it."""
        while True:
            await asyncio.sleep(self._settings.resync_s)
            self._operations.resync(self._settings.resync_s)
            for key in self._known:
                self._queue.add(key, random.random() * self._settings.resync_s)  # noqa: S311
