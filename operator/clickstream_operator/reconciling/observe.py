"""Looks at everything one reconcile needs: the watched objects, and what is read by name.

Secrets are read by name, never listed: only what a pipeline refers to is seen, and of it only keys
and a digest leave this module, besides the function that hides their values.
"""

import asyncio
import base64
import hashlib
import time
from collections.abc import Callable, Iterator
from typing import Any

from clickstream_operator.database.facts import Look
from clickstream_operator.database.inspector import Inspector
from clickstream_operator.database.target import target_of
from clickstream_operator.kube.api import Api, ApiFailure
from clickstream_operator.kube.kinds import (
    BUILT_IN,
    CLAIM,
    HTTP_ROUTE,
    NAMESPACE,
    PIPELINE,
    POD,
    SECRET,
    STRIMZI,
    Document,
    Kind,
    strimzi_kind,
)
from clickstream_operator.kube.store import Key, Store, owner_of
from clickstream_operator.lifecycle.collecting import is_at_work
from clickstream_operator.lifecycle.desired import needed_names
from clickstream_operator.lifecycle.rollouts.pod_templates import needs_pods
from clickstream_operator.lifecycle.volumes import must_grow
from clickstream_operator.manifests.chosen_connectors import connector_names
from clickstream_operator.manifests.collector import COMPONENT
from clickstream_operator.manifests.names import names_of, selector
from clickstream_operator.manifests.secrets import PEER_KEY, WRITE_KEYS, controller_secrets, secret_uses
from clickstream_operator.observed import ObjectId, Observed, SecretState
from clickstream_operator.reconciling.pods import Pods
from clickstream_operator.redaction import redactor
from clickstream_operator.spec.clickpipeline import ClickPipeline

_REVIEW = Kind("authorization.k8s.io/v1", "LocalSubjectAccessReview", "localsubjectaccessreviews")
_REVIEW_HOLDS_S = 600
# A name that was free is taken as free for so long: a start takes several looks.
_FREE_HOLDS_S = 30


class Observer:
    """Reads for one operator; `strimzi_version` is asked at each look, since Strimzi may come later."""

    def __init__(
        self,
        api: Api,
        store: Store,
        pods: Pods,
        strimzi_version: Callable[[], str | None],
        inspector: Inspector | None = None,
        has_gateways: Callable[[], bool] = bool,
    ) -> None:
        self._api = api
        self._store = store
        self._pods = pods
        self._strimzi_version = strimzi_version
        self._inspector = inspector
        self._has_gateways = has_gateways
        self._free: dict[tuple[Key, str, str], float] = {}  # (pipeline, kind, name) -> until
        self._allowed: dict[tuple[str, str, str], float] = {}  # (namespace, account, secret) -> until

    async def pipeline(self, key: Key) -> Document | None:
        """Return the ClickPipeline as it is now."""
        return await self._api.get(PIPELINE.path(key.namespace, key.name))

    def forget(self, key: Key) -> None:
        """Drop what is remembered of a pipeline that is gone."""
        if self._inspector:
            self._inspector.forget(key)
        self._free = {where: until for where, until in self._free.items() if where[0] != key}

    async def is_terminating(self, namespace: str) -> bool:
        """Tell whether the namespace is being deleted, or already gone."""
        try:
            found = await self._api.get(NAMESPACE.path(None, namespace))
        except ApiFailure as failure:
            # A Role may read its own namespace only, and is deleted with it; an older one lacks the rule.
            if failure.code == 403:
                return False
            raise
        return found is None or bool(found["metadata"].get("deletionTimestamp"))

    async def observe(
        self,
        pipeline: ClickPipeline,
        *,
        leaving: bool = False,
        wants_news: bool = False,
        is_gap_known: bool = False,
    ) -> Observed:
        """Return what there is of a pipeline; `leaving`: it is being deleted with all that it has.

        `wants_news`: something waits for what the database says next. `is_gap_known`: the status has a gap.
        """
        key = Key(pipeline.namespace, pipeline.name)
        version, connect = self._strimzi_version(), pipeline.spec.connect
        secrets, values = await self._secrets(pipeline)
        foreign = await self._foreign(pipeline, key, version)
        children = self._store.children(key)
        names = names_of(pipeline)
        ready = children.get(("StatefulSet", names.statefulset), {}).get("status", {}).get("readyReplicas", 0)
        peer_key = values.get((names.peer_key, PEER_KEY), "")
        statefulset = children.get(("StatefulSet", names.statefulset))
        count = max(pipeline.spec.processors.replicas, (statefulset or {}).get("spec", {}).get("replicas", 0))
        pod_objects = await self._pod_objects(pipeline, statefulset)
        return Observed(
            children=children,
            foreign=foreign,
            connect=self._store.get("KafkaConnect", pipeline.namespace, connect.cluster) if connect else None,
            connect_pods=self._store.workers(pipeline.namespace, connect.cluster) if connect else None,
            strimzi_version=version,
            has_gateways=self._has_gateways(),
            secrets=secrets,
            denied=await self._denied(pipeline, children, secrets),
            pods=await self._pods.states(pipeline, peer_key, count) if ready and peer_key else {},
            claims=await self._claims(pipeline, statefulset, leaving),
            pod_objects=pod_objects,
            collector_pods=await self._collector_pods(pipeline, children),
            now_s=time.time(),
            source=None if leaving else self._source(key, pipeline, values, wants_news, is_gap_known),
            kafka_secrets=_of_kafka(pipeline, values),
            redact=redactor(_secret_values(values)),
        )

    async def _secrets(
        self, pipeline: ClickPipeline
    ) -> tuple[dict[str, SecretState], dict[tuple[str, str], str]]:
        states: dict[str, SecretState] = {}
        values: dict[tuple[str, str], str] = {}
        for name in (names_of(pipeline).peer_key, *(use.name for use in secret_uses(pipeline))):
            found = await self._api.get(SECRET.path(pipeline.namespace, name))
            if found is None:
                continue
            data: dict[str, str] = found.get("data") or {}
            text = "\n".join(f"{key}={value}" for key, value in sorted(data.items()))
            states[name] = SecretState(frozenset(data), hashlib.sha256(text.encode()).hexdigest())
            for key, value in data.items():
                values[(name, key)] = base64.b64decode(value).decode(errors="replace").strip()
        return states, values

    def _source(
        self,
        key: Key,
        pipeline: ClickPipeline,
        values: dict[tuple[str, str], str],
        wants_news: bool,
        is_gap_known: bool,
    ) -> Look | None:
        """Return the last look at the database; the next one goes on in the background."""
        if self._inspector is None or not pipeline.has_table:
            return None
        secret = pipeline.postgres.credentials_secret
        user, password = (values.get((secret, part), "") for part in ("username", "password"))
        if not user:
            return Look(0, problem=f"Secret {secret} has no username yet")
        return self._inspector.seen(key, target_of(pipeline, user, password), wants_news, is_gap_known)

    @staticmethod
    def _pod_labels(pipeline: ClickPipeline, component: str = "processor") -> str:
        return ",".join(f"{name}={value}" for name, value in selector(pipeline, component).items())

    async def _pod_objects(
        self, pipeline: ClickPipeline, statefulset: Document | None
    ) -> dict[int, Document]:
        """Return the pods by ordinal while what happens next depends on them."""
        if not needs_pods(statefulset):
            return {}
        found, _ = await self._api.list(POD, pipeline.namespace, self._pod_labels(pipeline))
        prefix = f"{names_of(pipeline).statefulset}-"
        by_name = {pod["metadata"]["name"]: pod for pod in found}
        suffixes = {
            name.removeprefix(prefix): pod for name, pod in by_name.items() if name.startswith(prefix)
        }
        return {int(ordinal): pod for ordinal, pod in suffixes.items() if ordinal.isdigit()}

    async def _collector_pods(
        self, pipeline: ClickPipeline, children: dict[ObjectId, Document]
    ) -> list[Document]:
        """Return the collector's pods while not all of them are ready: they say why."""
        live = children.get(("Deployment", names_of(pipeline).collector))
        if pipeline.spec.collector is None or live is None or is_at_work(live):
            return []
        found, _ = await self._api.list(POD, pipeline.namespace, self._pod_labels(pipeline, COMPONENT))
        return found

    async def _claims(
        self, pipeline: ClickPipeline, statefulset: Document | None, leaving: bool
    ) -> dict[str, Document]:
        """Return the volume claims, also those of pods that were scaled away, while they must grow or go.

        They carry the labels by which the StatefulSet selects its pods.
        """
        if not (statefulset is None if leaving else must_grow(pipeline, statefulset)):
            return {}
        found, _ = await self._api.list(CLAIM, pipeline.namespace, self._pod_labels(pipeline))
        return {claim["metadata"]["name"]: claim for claim in found}

    async def _foreign(
        self, pipeline: ClickPipeline, key: Key, version: str | None
    ) -> dict[ObjectId, Document]:
        """Return others' objects under needed names; own ones that the watch has not shown yet are kept."""
        known = self._store.children(key)
        asked = [
            (kind, name)
            for kind_name, name in needed_names(pipeline)
            if (kind_name, name) not in known
            and self._free.get((key, kind_name, name), 0) < time.monotonic()
            and (kind := self._kind(kind_name, version))
        ]
        answers = await asyncio.gather(
            *(self._api.get(kind.path(pipeline.namespace, name)) for kind, name in asked),
            return_exceptions=True,
        )
        foreign: dict[ObjectId, Document] = {}
        for (kind, name), found in zip(asked, answers, strict=True):
            if isinstance(found, BaseException):
                continue  # the others' answers count all the same
            if found and owner_of(found) == key:
                self._store.put(kind, found)
            elif found:
                foreign[(kind.kind, name)] = found
            else:
                self._free[(key, kind.kind, name)] = time.monotonic() + _FREE_HOLDS_S
        for failure in answers:
            if isinstance(failure, BaseException):
                raise failure
        return foreign

    def _kind(self, name: str, strimzi_version: str | None) -> Kind | None:
        """Return a kind, None where the cluster does not know it."""
        if name in STRIMZI:
            return strimzi_kind(name, strimzi_version) if strimzi_version else None
        if name == HTTP_ROUTE.kind:
            return HTTP_ROUTE if self._has_gateways() else None
        return next(kind for kind in BUILT_IN if kind.kind == name)

    async def _denied(
        self, pipeline: ClickPipeline, children: dict[ObjectId, Document], secrets: dict[str, SecretState]
    ) -> tuple[str, ...]:
        """Return the Secrets the Connect's account may not read, asked while a connector does not run."""
        connectors = [children.get(("KafkaConnector", n)) for n in connector_names(pipeline)]
        if all(_is_running(connector) for connector in connectors):
            return ()
        uses = [use.name for use in secret_uses(pipeline) if use.by_connect and use.name in secrets]
        return tuple([name for name in uses if not await self._may_read(pipeline, name)])

    async def _may_read(self, pipeline: ClickPipeline, secret: str) -> bool:
        account = f"{pipeline.connect.cluster}-connect"
        question = (pipeline.namespace, account, secret)
        if self._allowed.get(question, 0) > time.monotonic():
            return True
        review = {
            "apiVersion": _REVIEW.api_version,
            "kind": _REVIEW.kind,
            "metadata": {"namespace": pipeline.namespace},
            "spec": {
                "user": f"system:serviceaccount:{pipeline.namespace}:{account}",
                "groups": ["system:serviceaccounts", f"system:serviceaccounts:{pipeline.namespace}"],
                "resourceAttributes": {
                    "namespace": pipeline.namespace,
                    "verb": "get",
                    "resource": "secrets",
                    "name": secret,
                },
            },
        }
        try:
            answer = await self._api.create(_REVIEW, pipeline.namespace, review)
        except ApiFailure as failure:
            if failure.code == 403:  # this operator may not ask: not known is not denied
                return True
            raise
        if answer["status"]["allowed"]:
            self._allowed[question] = time.monotonic() + _REVIEW_HOLDS_S
            return True
        return False


def _secret_values(values: dict[tuple[str, str], str]) -> Iterator[str]:
    """Yield what no text may show. Write keys are many in one value, each at the beginning of a line."""
    for (_, name), value in values.items():
        if name == WRITE_KEYS:
            yield from (line.split()[0] for line in value.splitlines() if line.split())
        elif not name.endswith(".crt"):
            yield value


def _of_kafka(pipeline: ClickPipeline, values: dict[tuple[str, str], str]) -> dict[tuple[str, str], str]:
    """Return the values that the controller's Kafka clients need."""
    names = controller_secrets(pipeline)
    return {where: value for where, value in values.items() if where[0] in names}


def _is_running(connector: Document | None) -> bool:
    state: dict[str, Any] = ((connector or {}).get("status") or {}).get("connectorStatus") or {}
    return bool(state.get("connector", {}).get("state") == "RUNNING")
