"""Writes what a reconcile decided, and nothing else. Each write is safe to repeat."""

import copy
import datetime
from collections.abc import Callable

from clickstream_operator.kube.api import Api, ApiFailure
from clickstream_operator.kube.kinds import CLAIM, PIPELINE, Document, Kind, Wanted
from clickstream_operator.kube.store import Store
from clickstream_operator.kube.times import utc_now
from clickstream_operator.metrics import WRITES
from clickstream_operator.spec.clickpipeline import API_GROUP

FINALIZER = f"{API_GROUP}/deletion-policy"


class Applier:
    """Writes for one operator. Answers go into the store, so that the next look sees them."""

    def __init__(self, api: Api, store: Store, now: Callable[[], datetime.datetime] = utc_now) -> None:
        self._api = api
        self._store = store
        self._now = now

    async def apply(self, wanted: Wanted) -> None:
        """Make an object's fields so.

        A list that others changed under another key, such as a Service's port, cannot be merged into
        a valid one: then the object's content is set first, lists whole.
        """
        WRITES.labels(wanted.kind.kind, "apply").inc()
        try:
            answer = await self._api.apply(wanted.kind, wanted.document)
        except ApiFailure as failure:
            if failure.code != 422:
                raise
            meta = wanted.document["metadata"]
            content = {
                k: v for k, v in wanted.document.items() if k not in ("apiVersion", "kind", "metadata")
            }
            WRITES.labels(wanted.kind.kind, "merge").inc()
            try:
                await self._api.merge(wanted.kind, meta["namespace"], meta["name"], content)
            except ApiFailure as second:
                if second.code == 404:  # there is nothing to merge with: the first answer says what is wrong
                    raise failure from second
                raise
            answer = await self._api.apply(wanted.kind, wanted.document)
        self._store.put(wanted.kind, answer)

    async def create_once(self, wanted: Wanted) -> None:
        """Create an object unless it exists: what is in it is not compared, ever."""
        WRITES.labels(wanted.kind.kind, "create").inc()
        try:
            await self._api.create(wanted.kind, wanted.document["metadata"]["namespace"], wanted.document)
        except ApiFailure as failure:
            if failure.code != 409:
                raise

    async def delete(self, kind: Kind, namespace: str, name: str) -> None:
        """Delete an object."""
        WRITES.labels(kind.kind, "delete").inc()
        await self._api.delete(kind, namespace, name)

    async def remove(self, kind: Kind, document: Document) -> None:
        """Delete this very object: one of its name that was made meanwhile stays."""
        WRITES.labels(kind.kind, "delete").inc()
        meta = document["metadata"]
        await self._api.delete(kind, meta["namespace"], meta["name"], uid=meta["uid"])

    async def scale(self, document: Document, replicas: int) -> None:
        """Set a pipeline's number of pods, unless somebody has changed the pipeline since it was read."""
        WRITES.labels(PIPELINE.kind, "merge").inc()
        meta = document["metadata"]
        patch = {
            "metadata": {"resourceVersion": meta["resourceVersion"]},
            "spec": {"processors": {"replicas": replicas}},
        }
        await self._api.merge(PIPELINE, meta["namespace"], meta["name"], patch)

    async def grow(self, namespace: str, claim: str, size: str) -> str:
        """Ask a volume to grow; return why it may not, empty when it may."""
        WRITES.labels(CLAIM.kind, "merge").inc()
        patch = {"spec": {"resources": {"requests": {"storage": size}}}}
        try:
            await self._api.merge(CLAIM, namespace, claim, patch)
        except ApiFailure as failure:
            if failure.code not in (403, 422):
                raise
            return failure.message
        return ""

    async def orphan(self, kind: Kind, namespace: str, name: str) -> None:
        """Delete an object and leave what it owns."""
        WRITES.labels(kind.kind, "delete").inc()
        await self._api.delete(kind, namespace, name, orphan=True)

    async def annotate(self, kind: Kind, namespace: str, name: str, annotations: dict[str, str]) -> None:
        """Set annotations that another controller takes away again."""
        WRITES.labels(kind.kind, "merge").inc()
        patch = {"metadata": {"annotations": annotations}}
        self._store.put(kind, await self._api.merge(kind, namespace, name, patch))

    def has_finalizer(self, document: Document) -> bool:
        """Tell whether this operator holds the object's deletion."""
        return FINALIZER in (document["metadata"].get("finalizers") or [])

    async def set_finalizer(self, document: Document, present: bool) -> bool:
        """Add or remove this operator's finalizer; tell whether that was a write."""
        meta = document["metadata"]
        finalizers: list[str] = meta.get("finalizers") or []
        if self.has_finalizer(document) == present:
            return False
        rest = [f for f in finalizers if f != FINALIZER]
        # The version makes the server refuse a list that another one has changed meanwhile.
        patch = {
            "metadata": {
                "finalizers": [*rest, FINALIZER] if present else rest,
                "resourceVersion": meta["resourceVersion"],
            }
        }
        WRITES.labels(PIPELINE.kind, "merge").inc()
        try:
            await self._api.merge(PIPELINE, meta["namespace"], meta["name"], patch)
        except ApiFailure as failure:
            if failure.code != 404:
                raise
        return True

    async def write_status(self, document: Document, status: Document, kind: Kind = PIPELINE) -> bool:
        """Write the status if it says anything new; tell whether it did. `kind`: of the document."""
        stamped = with_times(status, document, self._now().strftime("%Y-%m-%dT%H:%M:%SZ"))
        if _comparable(stamped) == _comparable(document.get("status") or {}):
            return False
        meta = document["metadata"]
        body = {
            "apiVersion": kind.api_version,
            "kind": kind.kind,
            # The uid: a namesake made meanwhile must not get this status.
            "metadata": {"name": meta["name"], "namespace": meta["namespace"], "uid": meta["uid"]},
            # Of an object without fields that had some the server makes null, and then refuses it.
            "status": {field: value for field, value in stamped.items() if value != {}},
        }
        WRITES.labels(kind.kind, "status").inc()
        await self._api.apply(kind, body, "status")
        return True


def _comparable(status: Document) -> Document:
    """Return the status in one order, without empty fields the server leaves out."""
    plain = copy.copy({k: v for k, v in status.items() if v not in (None, {}, [])})
    plain["conditions"] = sorted(status.get("conditions", []), key=lambda c: str(c["type"]))
    return plain


def with_times(status: Document, document: Document, now: str) -> Document:
    """Return the status with each condition's last transition, kept while its status is the same."""
    before = {c["type"]: c for c in document.get("status", {}).get("conditions", [])}
    stamped = []
    for condition in status["conditions"]:
        old = before.get(condition["type"], {})
        same = old.get("status") == condition["status"]
        stamped.append(
            {**condition, "lastTransitionTime": old.get("lastTransitionTime", now) if same else now}
        )
    return {**status, "conditions": stamped}
