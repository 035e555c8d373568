"""All operations of one replica, whatever their kind: one of a pipeline runs at a time."""

import asyncio

from clickstream_operator.kube.api import Api
from clickstream_operator.kube.applier import Applier
from clickstream_operator.kube.kinds import Document, Kind
from clickstream_operator.manifests.platform import Platform
from clickstream_operator.operations.of_kind import OperationsOfKind
from clickstream_operator.operations.pods.progress import ProgressReader
from clickstream_operator.operations.reconcile import SORTS, OperationReconciler
from clickstream_operator.reconciling.actions import Record


class Operations:
    """Used by the service, inside its loop."""

    def __init__(self, api: Api, applier: Applier, platform: Platform, pod_url: str, record: Record) -> None:
        self._reader = ProgressReader(pod_url)
        starting = asyncio.Lock()
        self._kinds: dict[Kind, OperationsOfKind] = {}
        for sort in SORTS:
            reconciler = OperationReconciler(sort, api, applier, platform, self._reader, record, starting)
            self._kinds[sort.of.KIND] = OperationsOfKind(sort.of.KIND, reconciler)

    def start(self) -> None:
        """Begin to work: this replica leads."""
        for each in self._kinds.values():
            each.start()

    async def stop(self) -> None:
        """Cease to work."""
        for each in self._kinds.values():
            await each.stop()

    async def close(self) -> None:
        """Close the connections."""
        await self._reader.close()

    @property
    def age_s(self) -> float:
        """Return how long the operation that waits longest waits for a worker."""
        return max(each.age_s for each in self._kinds.values())

    def event(self, kind: Kind, event: str | None, document: Document) -> None:
        """Take kopf's word that an operation is there, changed or is gone."""
        if self._kinds[kind].event(event, document):
            self.namespace_changed(document["metadata"]["namespace"])

    def namespace_changed(self, namespace: str) -> None:
        """Look at the operations of a namespace that wait: a pipeline or an operation there has changed."""
        for each in self._kinds.values():
            each.namespace_changed(namespace)

    def resync(self, period_s: float) -> None:
        """Ask for each operation once within a period."""
        for each in self._kinds.values():
            each.resync(period_s)
