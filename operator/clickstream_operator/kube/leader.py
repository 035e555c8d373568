"""Leader election by a Lease: of several replicas one works.

A holder that cannot renew stops working before its lease can have run out for others. Others count
from when THEY saw the lease change, so clocks need not agree. An orderly stop gives the lease back.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from clickstream_operator.kube.api import Api, ApiFailure
from clickstream_operator.kube.kinds import LEASE, Document
from clickstream_operator.kube.times import utc_now
from clickstream_operator.metrics import LEADER

log = logging.getLogger(__name__)

LEASE_S = 8.0
RENEW_S = 2.0
# The holder gives up this long before others may take over.
MARGIN_S = 2.0


class Leader:
    """Calls `on_start` when this replica becomes the leader and `on_stop` when it no longer is."""

    def __init__(
        self,
        api: Api,
        namespace: str,
        name: str,
        identity: str,
        on_start: Callable[[], Awaitable[None]],
        on_stop: Callable[[], Awaitable[None]],
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._on_start = on_start
        self._on_stop = on_stop
        self.is_leader = False
        self._renewed = 0.0  # loop time at which the last good renewal was SENT
        self._lease_in_use = asyncio.Lock()
        self._seen: tuple[object, float] = (None, 0.0)  # the lease as others wrote it, and when that was seen

    async def run(self) -> None:
        """Compete until cancelled."""
        while True:
            try:
                async with self._lease_in_use, asyncio.timeout(LEASE_S - MARGIN_S):
                    await self._try()
            except (ApiFailure, TimeoutError) as error:
                log.warning("leader election: %s", error or type(error).__name__)
            if self.is_leader and self._now() - self._renewed > LEASE_S - MARGIN_S:
                log.warning("leader election: the lease could not be renewed, stopping work")
                await self._step_down()
            await asyncio.sleep(RENEW_S)

    async def release(self) -> None:
        """Stop work and give the lease back for good, so that another replica need not wait."""
        await self._lease_in_use.acquire()  # and kept: a renewal on its way ends first, none follows
        was_leader = self.is_leader
        await self._step_down()
        if not was_leader:
            return
        try:
            lease = await self._api.get(LEASE.path(self._namespace, self._name))
            if lease and lease["spec"].get("holderIdentity") == self._identity:
                spec = {**lease["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}
                await self._api.replace(LEASE, {**lease, "spec": spec})
        except ApiFailure as failure:
            log.warning("leader election: the lease was not given back: %s", failure)

    async def _try(self) -> None:
        sent = self._now()
        lease = await self._api.get(LEASE.path(self._namespace, self._name))
        if lease is None:
            await self._api.create(LEASE, self._namespace, self._document(None))
        elif self._is_free(lease):
            await self._api.replace(LEASE, self._document(lease))
        else:
            if self.is_leader:
                log.warning("leader election: %s took the lease", lease["spec"].get("holderIdentity"))
                await self._step_down()
            return
        self._renewed = sent
        if not self.is_leader:
            log.info("leader election: %s is the leader", self._identity)
            self.is_leader = True
            LEADER.set(1)
            await self._on_start()

    def _is_free(self, lease: Document) -> bool:
        holder = lease["spec"].get("holderIdentity", "")
        if holder in ("", self._identity):
            return True
        mark = (holder, lease["metadata"]["resourceVersion"])
        if mark != self._seen[0]:
            self._seen = (mark, self._now())
        return self._now() - self._seen[1] > float(lease["spec"].get("leaseDurationSeconds", LEASE_S))

    def _document(self, lease: Document | None) -> Document:
        now = utc_now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        old = (lease or {}).get("spec", {})
        same = old.get("holderIdentity") == self._identity
        spec = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": int(LEASE_S),
            "renewTime": now,
            "acquireTime": old.get("acquireTime", now) if same else now,
            "leaseTransitions": old.get("leaseTransitions", 0) + (0 if same else 1),
        }
        if lease:
            return {**lease, "spec": spec}
        meta = {"name": self._name, "namespace": self._namespace}
        return {"apiVersion": LEASE.api_version, "kind": LEASE.kind, "metadata": meta, "spec": spec}

    async def _step_down(self) -> None:
        if self.is_leader:
            self.is_leader = False
            LEADER.set(0)
            await self._on_stop()

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
