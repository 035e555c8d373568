"""One look at one operation: observe, decide, tell, act.

The status is written before the objects are made. So whoever looks next, after a crash too, knows that the
operation was taken on, and starts no other one of its pipeline.
"""

import asyncio
import base64
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from clickstream_operator.errors import InvalidSpec
from clickstream_operator.kube.api import Api, ApiFailure
from clickstream_operator.kube.applier import Applier
from clickstream_operator.kube.kinds import ERASURE, PIPELINE, POD, REPLAY, SECRET, Document
from clickstream_operator.kube.store import Key
from clickstream_operator.manifests.platform import Platform
from clickstream_operator.metrics import REPLAYED_LETTERS
from clickstream_operator.operations import job as jobs
from clickstream_operator.operations.decide import (
    Decision,
    decide,
    has_started,
    is_finished,
    refused_by_server,
    refused_spec,
)
from clickstream_operator.operations.erasure import Erasure, parse_erasure
from clickstream_operator.operations.operation import Operation, Phase
from clickstream_operator.operations.pods.progress import ProgressReader
from clickstream_operator.operations.replay import Replay, parse_replay
from clickstream_operator.operations.seen import Seen, job_has, running
from clickstream_operator.operations.status import gains, remaining_s, status_of
from clickstream_operator.reconciling.actions import Record
from clickstream_operator.redaction import redactor
from clickstream_operator.spec.clickpipeline import parse
from clickstream_operator.workqueue.outcome import Outcome

# Answers that waiting alone may not mend: they are said in the status, and tried again all the same.
_REFUSALS = (400, 403, 422)
_SHOWN = 1000


class Sort(NamedTuple):
    """One sort of operations, and how its documents are read."""

    of: type[Operation]
    parse: Callable[[Mapping[str, Any]], Operation]


SORTS = (Sort(Replay, parse_replay), Sort(Erasure, parse_erasure))


class OperationReconciler:
    """Used by the leader's workers; a key is never looked at by two at once."""

    def __init__(
        self,
        sort: Sort,
        api: Api,
        applier: Applier,
        platform: Platform,
        reader: ProgressReader,
        record: Record,
        starting: asyncio.Lock,
    ) -> None:
        """`starting`: one for all sorts, or two of a pipeline could both find themselves first."""
        self._sort = sort
        self._kind = sort.of.KIND
        self._api = api
        self._applier = applier
        self._platform = platform
        self._reader = reader
        self._record = record
        self._starting = starting

    async def reconcile(self, key: Key) -> Outcome:
        """Bring one operation a step further."""
        document = await self._api.get(self._kind.path(key.namespace, key.name))
        if document is None:
            return Outcome("gone")
        if document["metadata"].get("deletionTimestamp"):
            return Outcome("unchanged")  # what it owns goes with it
        try:
            operation = self._sort.parse(document)
        except InvalidSpec as invalid:
            if is_finished(document):
                return Outcome("unchanged")
            return await self._tell(document, refused_spec(str(invalid)))
        if is_finished(document):
            return await self._keep(operation, document)
        if has_started(document):
            return await self._take(key, operation, document)
        async with self._starting:
            return await self._take(key, operation, document)

    async def _keep(self, operation: Operation, document: Document) -> Outcome:
        """Remove an operation whose time is over."""
        left_s = remaining_s(document, operation.ttl_s, time.time())
        if left_s > 0:
            return Outcome("unchanged", left_s)
        await self._applier.remove(self._kind, document)
        return Outcome("changed")

    async def _take(self, key: Key, operation: Operation, document: Document) -> Outcome:
        seen = await self._observe(operation, document)
        decision = decide(operation, document, self._platform, seen)
        outcome = await self._tell(document, decision)
        for wanted in decision.create:
            try:
                await self._applier.create_once(wanted)
            except ApiFailure as failure:
                if failure.code not in _REFUSALS:
                    raise
                told = await self._api.get(self._kind.path(key.namespace, key.name))
                if told is not None:
                    refusal = redactor(operation.hidden())(failure.message)
                    await self._tell(told, refused_by_server(operation, decision, refusal))
                raise
        return outcome

    async def _observe(self, operation: Operation, document: Document) -> Seen:
        """Return what there is. Only an operation that has not started needs to know of the others."""
        objects: dict[tuple[str, str], Document] = {}
        namespace, name = operation.namespace, jobs.object_name(operation)
        for kind in jobs.kinds_of(operation):
            found = await self._api.get(kind.path(namespace, name))
            if found is not None:
                objects[kind.kind, name] = found
        others = [] if has_started(document) else await self._others(namespace)
        pipeline = await self._api.get(PIPELINE.path(namespace, operation.pipeline))
        seen = Seen(time.time(), pipeline, others, objects)
        job = seen.job(operation.uid)
        if job is None:
            return seen
        pods, _ = await self._api.list(POD, namespace, _labels(operation))
        pod = running(pods)
        has_ended = bool(job_has(job, "Complete") or job_has(job, "Failed"))
        return Seen(
            now_s=seen.now_s,
            pipeline=pipeline,
            others=others,
            objects=objects,
            pods=pods,
            progress=await self._reader.read(operation, pod) if pod and not has_ended else None,
            redact=redactor(await self._secret_values(operation, pipeline)),
        )

    async def _others(self, namespace: str) -> list[Document]:
        """Return the operations of a namespace, each with its kind."""
        others: list[Document] = []
        for kind in (REPLAY, ERASURE):
            try:
                found, _ = await self._api.list(kind, namespace)
            except ApiFailure as failure:
                if failure.code != 404:  # the cluster has no such definition: nobody has made one
                    raise
            else:
                others += [{**each, "kind": kind.kind} for each in found]
        return others

    async def _secret_values(self, operation: Operation, pipeline: Document | None) -> list[str]:
        """Return the values of the pipeline's Secrets that the pod has, and users, so that none is shown."""
        try:
            names = jobs.secrets_of(operation, parse(pipeline)) if pipeline else []
        except InvalidSpec:
            names = []
        values = [*operation.hidden()]
        for name in names:
            found = await self._api.get(SECRET.path(operation.namespace, name))
            data: dict[str, str] = (found or {}).get("data") or {}
            values += [base64.b64decode(each).decode(errors="replace").strip() for each in data.values()]
        return values

    async def _tell(self, document: Document, decision: Decision) -> Outcome:
        """Write status, metrics, and an Event at the start and at the end."""
        status = status_of(document, decision, time.time(), self._sort.of.TOLD)
        wrote = await self._applier.write_status(document, status, self._kind)
        if wrote:
            self._events(document, status, decision)
            for outcome, letters in gains(status, document):
                REPLAYED_LETTERS.labels(outcome).inc(letters)
        # An end is looked at once more, for the time it stays.
        again_s = 0 if status.get("completionTime") else decision.again_s
        return Outcome("changed" if wrote else "unchanged", again_s)

    def _events(self, document: Document, status: Document, decision: Decision) -> None:
        complete = next(each for each in decision.conditions if each.type == "Complete")
        noun = self._sort.of.NOUN.capitalize()
        if "startTime" in status and not has_started(document):
            message = f"{self._sort.of.BEGINS} {document['spec']['pipeline']}."
            self._record(document, "Normal", f"{noun}Started", message)
        if decision.phase == Phase.COMPLETE:
            self._record(document, "Normal", f"{noun}Complete", complete.message[:_SHOWN])
        if decision.phase == Phase.FAILED:
            self._record(document, "Warning", f"{noun}Failed", complete.message[:_SHOWN])


def _labels(operation: Operation) -> str:
    return ",".join(f"{name}={value}" for name, value in jobs.selector(operation).items())
