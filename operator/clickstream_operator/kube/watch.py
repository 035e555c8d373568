"""Watches by label: the children of pipelines into the store, and the keys of the changed ones out.

kopf watches whole kinds; of ConfigMaps and Services a cluster has thousands that are none of ours.
These watches ask the server for what carries the pipeline's label, and say when they last heard.
"""

import asyncio
import logging
import random
from collections.abc import Callable

from clickstream_operator import ending
from clickstream_operator.kube.api import Api, ApiFailure
from clickstream_operator.kube.kinds import (
    BUILT_IN,
    GATEWAY_GROUP,
    HTTP_ROUTE,
    POD,
    STRIMZI,
    STRIMZI_GROUP,
    Document,
    Kind,
    strimzi_kind,
)
from clickstream_operator.kube.store import Key, Store
from clickstream_operator.manifests.names import PIPELINE_LABEL
from clickstream_operator.metrics import WATCH_AGE_SECONDS

log = logging.getLogger(__name__)

FIRST_BACKOFF_S, LONGEST_BACKOFF_S = 0.2, 20.0
# Strimzi may be installed after the operator, and upgraded under it.
DISCOVERY_S, UPGRADE_S = 5.0, 60.0
_PREFERRED = ("v1", "v1beta2")
# What is watched of a kind: mostly what carries a pipeline's label. Of pods, those of Connects.
_SELECTORS = {"KafkaConnect": "", POD.kind: "strimzi.io/kind=KafkaConnect"}

# (pipelines whose objects changed; kind and namespace of a Connect that changed)
OnChange = Callable[[set[Key]], None]
OnConnect = Callable[[str, str], None]


class StrimziChanged(Exception):
    """Strimzi was upgraded. Start again: every watch and every object speaks the other version then."""


class Watcher:
    """One kind in one namespace (or all): lists, then watches from there, forever."""

    def __init__(
        self,
        api: Api,
        store: Store,
        kind: Kind,
        namespace: str | None,
        on_change: OnChange,
        on_connect: OnConnect,
    ) -> None:
        self.kind = kind
        self.namespace = namespace
        self.synced = asyncio.Event()
        self._api = api
        self._store = store
        self._on_change = on_change
        self._on_connect = on_connect
        self._selector = _SELECTORS.get(kind.kind, PIPELINE_LABEL)
        self._heard = asyncio.get_running_loop().time()
        self.attempted = self._heard
        WATCH_AGE_SECONDS.labels(kind.kind, namespace or "").set_function(lambda: self.age_s)

    @property
    def age_s(self) -> float:
        """Return the seconds since the server was last heard."""
        return asyncio.get_event_loop_policy().get_event_loop().time() - self._heard

    async def run(self) -> None:
        """Keep the store true until cancelled."""
        version, failures = "", 0
        while True:
            self.attempted = asyncio.get_running_loop().time()
            try:
                if not version:
                    version = await self._list()
                    failures = 0
                async for event, document in self._api.watch(
                    self.kind, self.namespace, self._selector, version
                ):
                    self._hear()
                    failures = 0
                    version = document["metadata"]["resourceVersion"]
                    self._take(event, document)
                self._hear()
            except ApiFailure as failure:
                if failure.code == 410:  # the version is too old: what happened since is lost, list again
                    version = ""
                    continue
                backoff_s = min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2.0 ** min(failures, 10))
                failures += 1
                if failures > 2:
                    log.warning("watch of %s: %s", self.kind.plural, failure)
                delay_s = max(failure.retry_after_s, backoff_s * (0.5 + random.random() / 2))  # noqa: S311
                await asyncio.sleep(delay_s)

    async def _list(self) -> str:
        documents, version = await self._api.list(self.kind, self.namespace, self._selector)
        self._hear()
        # Items of a list do not say what they are.
        full = [{"apiVersion": self.kind.api_version, "kind": self.kind.kind, **d} for d in documents]
        changed = self._store.replace(self.kind, self.namespace, full)
        self.synced.set()
        self._on_change(changed)
        if self.kind.kind in _SELECTORS:
            for document in full:
                self._on_connect(document["metadata"]["namespace"], document["metadata"]["name"])
        return version

    def _take(self, event: str, document: Document) -> None:
        if event == "BOOKMARK":
            return
        meta = document["metadata"]
        if event == "DELETED":
            key = self._store.remove(self.kind, meta["namespace"], meta["name"])
        else:
            key = self._store.put(self.kind, document)
        if key:
            self._on_change({key})
        if self.kind.kind in _SELECTORS:
            self._on_connect(meta["namespace"], meta["name"])

    def _hear(self) -> None:
        self._heard = asyncio.get_running_loop().time()


class Watches:
    """All watches of the operator. Strimzi's begin when Strimzi is there."""

    def __init__(
        self, api: Api, store: Store, namespaces: tuple[str, ...], on_change: OnChange, on_connect: OnConnect
    ) -> None:
        self.strimzi_version: str | None = None
        self.has_gateways = False  # the Gateway API is there
        self.watchers: list[Watcher] = []
        self._api = api
        self._store = store
        self._scopes: tuple[str | None, ...] = namespaces or (None,)
        self._on_change = on_change
        self._on_connect = on_connect
        self._tasks: list[asyncio.Task[None]] = []
        self._discovered = False

    async def run(self) -> None:
        """Start the watches, look for Strimzi, and keep looking until cancelled."""
        try:
            for kind in (*BUILT_IN, POD):
                self._start(kind)
            while True:
                await self._discover()
                await asyncio.sleep(UPGRADE_S if self.strimzi_version else DISCOVERY_S)
        finally:
            await ending.stop(*self._tasks)

    async def synced(self) -> None:
        """Wait until every watch has listed once, Strimzi's too where it is installed."""
        while not self.watchers or not self._discovered:
            await asyncio.sleep(0.02)
        for watcher in list(self.watchers):
            await watcher.synced.wait()

    @property
    def is_synced(self) -> bool:
        """Tell whether every watch has listed once."""
        return self._discovered and all(watcher.synced.is_set() for watcher in self.watchers)

    @property
    def age_s(self) -> float:
        """Return the seconds since the quietest watch was heard."""
        return max((watcher.age_s for watcher in self.watchers), default=0.0)

    @property
    def stuck_s(self) -> float:
        """Return the seconds since the watch that hangs longest last began an attempt."""
        now = asyncio.get_running_loop().time()
        return max((now - watcher.attempted for watcher in self.watchers), default=0.0)

    def _start(self, kind: Kind) -> None:
        for scope in self._scopes:
            watcher = Watcher(self._api, self._store, kind, scope, self._on_change, self._on_connect)
            self.watchers.append(watcher)
            self._tasks.append(ending.start(watcher.run(), f"watch {kind.plural} {scope or ''}".rstrip()))

    async def _discover(self) -> None:
        await self._discover_gateways()
        try:
            group = await self._api.get(f"/apis/{STRIMZI_GROUP}")
        except ApiFailure as failure:
            log.warning("discovery of Strimzi: %s", failure)
            return
        served = {version["version"] for version in (group or {}).get("versions", [])}
        version = next((version for version in _PREFERRED if version in served), None)
        if version and self.strimzi_version and version != self.strimzi_version:
            raise StrimziChanged(f"Strimzi's resources are served in {version} from here on")
        if version and not self.strimzi_version:
            log.info("Strimzi is here, its resources are served in %s", version)
            for name in STRIMZI:
                self._start(strimzi_kind(name, version))
            self.strimzi_version = version
        self._discovered = True

    async def _discover_gateways(self) -> None:
        """Watch routes once the cluster knows them. A cluster that forgets them is one to restart for."""
        if self.has_gateways:
            return
        try:
            group = await self._api.get(f"/apis/{GATEWAY_GROUP}")
        except ApiFailure as failure:
            log.warning("discovery of the Gateway API: %s", failure)
            return
        served = {version["version"] for version in (group or {}).get("versions", [])}
        if HTTP_ROUTE.api_version.partition("/")[2] in served:
            log.info("the Gateway API is here")
            self._start(HTTP_ROUTE)
            self.has_gateways = True
