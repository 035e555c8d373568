"""The collector's objects: those that shall be, and those that are not wanted any more. Pure."""

import hashlib

from clickstream_operator.kube.kinds import BUILT_IN, HTTP_ROUTE, Document, Kind
from clickstream_operator.lifecycle.secret_state import missing_secrets
from clickstream_operator.manifests import collector, collector_access
from clickstream_operator.manifests.names import SECRETS_HASH, names_of
from clickstream_operator.manifests.platform import Platform
from clickstream_operator.observed import Observed
from clickstream_operator.spec.clickpipeline import ClickPipeline
from clickstream_operator.spec.collector import Collector

_COMPONENT = "app.kubernetes.io/component"
COLLECTOR_KINDS = (
    "ServiceAccount",
    "Service",
    "PodDisruptionBudget",
    "NetworkPolicy",
    "Deployment",
    "HorizontalPodAutoscaler",
    "Ingress",
    "HTTPRoute",
)


def collector_objects(pipeline: ClickPipeline, platform: Platform, observed: Observed) -> list[Document]:
    """Return the objects in the order in which they are applied; none where no collector is asked for."""
    wanted = pipeline.spec.collector
    if wanted is None:
        return []
    objects: list[Document | None] = [
        collector.service_account(pipeline),
        collector_access.service(pipeline),
        collector.disruption_budget(pipeline),
        collector_access.network_policy(pipeline, platform),
    ]
    if _may_start(pipeline, platform, observed):
        live = collector_of(pipeline, observed)
        replicas, digest = _replicas(wanted, live), _secrets_hash(pipeline, observed)
        objects.append(collector.deployment(pipeline, wanted, platform, replicas, digest))
        objects.append(collector.autoscaler(pipeline, wanted))
    objects.append(collector_access.ingress(pipeline, wanted))
    if observed.has_gateways:
        objects.append(collector_access.http_route(pipeline, wanted))
    return [document for document in objects if document is not None]


def collector_of(pipeline: ClickPipeline, observed: Observed) -> Document | None:
    """Return the collector's Deployment as it is."""
    return observed.child("Deployment", names_of(pipeline).collector)


def is_at_work(live: Document) -> bool:
    """Tell whether all pods of a Deployment are ready and have its newest template."""
    status, replicas = live.get("status") or {}, live["spec"].get("replicas", 1)
    counts = [status.get(name, 0) for name in ("replicas", "updatedReplicas", "readyReplicas")]
    seen = status.get("observedGeneration", 0) >= live["metadata"].get("generation", 0)
    return bool(seen and counts == [replicas] * 3)


def collector_leftovers(pipeline: ClickPipeline, observed: Observed) -> list[tuple[Kind, Document]]:
    """Return own objects of the collector that the spec does not ask for any more, and that are not going."""
    wanted, own = pipeline.spec.collector, names_of(pipeline).collector
    kept = set(COLLECTOR_KINDS) if wanted else set()
    if wanted and not wanted.autoscale:
        kept.discard("HorizontalPodAutoscaler")
    if wanted and not wanted.ingress:
        kept.discard("Ingress")
    if wanted and not wanted.gateway:
        kept.discard("HTTPRoute")
    kinds = {kind.kind: kind for kind in (*BUILT_IN, HTTP_ROUTE)}
    return [
        (kinds[kind], document)
        for (kind, name), document in sorted(observed.children.items())
        if name == own
        and kind in kinds
        and kind not in kept
        and (document["metadata"].get("labels") or {}).get(_COMPONENT) == collector.COMPONENT
        and not document["metadata"].get("deletionTimestamp")
    ]


def _replicas(wanted: Collector, live: Document | None) -> int:
    """Return how many pods to ask for: with an autoscaler as many as it asks for.

    The number is told all the same. A field that its applier gives up goes back to its default, one pod.
    """
    if wanted.autoscale is None:
        return wanted.replicas
    least = wanted.autoscale.min
    return max(least, live["spec"].get("replicas", 1)) if live else least


def _may_start(pipeline: ClickPipeline, platform: Platform, observed: Observed) -> bool:
    """Tell whether pods can start: what they mount must be there. Those that run stay."""
    if not platform.collector_image:
        return False
    if collector_of(pipeline, observed):
        return True
    missing = {name for name, _ in missing_secrets(pipeline, observed)}
    return not missing & set(collector.mounted_secrets(pipeline))


def _secrets_hash(pipeline: ClickPipeline, observed: Observed) -> str:
    """Return the digest of what pods read at their start; while a Secret is missing, the pods' own."""
    needed = collector.secrets_of_start(pipeline)
    live = collector_of(pipeline, observed)
    if live and not all(name in observed.secrets for name in needed):
        annotations = live["spec"]["template"]["metadata"].get("annotations") or {}
        return str(annotations.get(SECRETS_HASH, ""))
    digests = [f"{name}={observed.secrets[name].digest}" for name in needed if name in observed.secrets]
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()[:16]
