"""The condition of a pipeline's collector, from what was observed. Pure."""

from clickstream_operator.condition import Condition, met, unmet
from clickstream_operator.kube.kinds import HTTP_ROUTE, Document
from clickstream_operator.lifecycle.collecting import collector_of, is_at_work
from clickstream_operator.lifecycle.decided import Decided
from clickstream_operator.lifecycle.rollouts.pod_templates import is_ready, why_not_ready
from clickstream_operator.lifecycle.secret_state import missing_secrets
from clickstream_operator.manifests import collector, names
from clickstream_operator.observed import Observed
from clickstream_operator.spec.clickpipeline import ClickPipeline
from clickstream_operator.spec.collector import Collector

KIND = "CollectorReady"
_NOT_PULLED = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName")
_WHY_CHARACTERS = 500


def of_collector(pipeline: ClickPipeline, decided: Decided, observed: Observed) -> list[Condition]:
    """Return whether clicks can be sent over HTTP; nothing where the spec has no collector."""
    wanted = pipeline.spec.collector
    return [] if wanted is None else [_collector_ready(pipeline, wanted, decided, observed)]


def _collector_ready(
    pipeline: ClickPipeline, wanted: Collector, decided: Decided, observed: Observed
) -> Condition:
    if not decided.has_collector_image:
        message = (
            "This operator knows no image of the collector. "
            "Set collector.image of its chart, CLICKSTREAM_COLLECTOR_IMAGE."
        )
        return unmet(KIND, "NoImage", message, is_fatal=True)
    if missing := _missing(pipeline, wanted, observed):
        return missing
    live = collector_of(pipeline, observed)
    if live is None:
        return unmet(KIND, "NotCreated", "The collector is about to be created.")
    if wanted.gateway and (problem := _route_problem(pipeline, observed)):
        return problem
    return _of_pods(pipeline, live, observed)


def _missing(pipeline: ClickPipeline, wanted: Collector, observed: Observed) -> Condition | None:
    mounted = collector.mounted_secrets(pipeline)
    missing = [(name, key) for name, key in missing_secrets(pipeline, observed) if name in mounted]
    if not missing:
        return None
    name, key = missing[0]
    what = f"Secret {name} in namespace {pipeline.namespace} "
    what += f"lacks the key {key}" if key else "is missing"
    if name == wanted.keys_secret:
        message = f"{what}: create it with write keys, one a line, under the key keys."
        return unmet(KIND, "KeysMissing", message)
    return unmet(KIND, "SecretMissing", f"{what}: the collector needs it to write to Kafka.")


def _of_pods(pipeline: ClickPipeline, live: Document, observed: Observed) -> Condition:
    wanted, status = live["spec"].get("replicas", 1), live.get("status") or {}
    count = f"{status.get('readyReplicas', 0)} of {wanted} pods are ready"
    if is_at_work(live):
        return met(KIND, "Ready", f"{count}.")
    if status.get("observedGeneration", 0) < live["metadata"].get("generation", 0):
        return unmet(
            KIND, "Rolling", f"{count}; the last change is not yet seen by the Deployment's controller."
        )
    reasons = [(pod["metadata"]["name"], _why(pod, observed)) for pod in observed.collector_pods]
    said = [(name, why) for name, why in reasons if why]
    for name, why in said:
        if why.startswith(_NOT_PULLED):
            return unmet(KIND, "ImageNotPulled", f"{count}. The image of {name} cannot be pulled: {why}")
    if status.get("readyReplicas", 0) >= wanted and not said:
        return unmet(KIND, "Rolling", f"{count}; not all of them are of the newest template yet.")
    selector = ",".join(f"{k}={v}" for k, v in names.selector(pipeline, collector.COMPONENT).items())
    where = f"see kubectl describe pods -n {pipeline.namespace} -l {selector}."
    first = f"{said[0][0]}: {said[0][1]}; " if said else ""
    return unmet(KIND, "NotReady", f"{count}. {first}{where}" if first else f"{count}; {where}")


def _why(pod: Document, observed: Observed) -> str:
    """Return why a pod is not ready, without secrets; empty when it is, or when nothing is said."""
    if is_ready(pod):
        return ""
    return str(observed.redact(why_not_ready(pod.get("status") or {})))[:_WHY_CHARACTERS]


def _route_problem(pipeline: ClickPipeline, observed: Observed) -> Condition | None:
    if not observed.has_gateways:
        message = (
            "collector.gateway asks for an HTTPRoute, and the cluster does not know the Gateway API "
            "(gateway.networking.k8s.io/v1). Install its resources, or use collector.ingress."
        )
        return unmet(KIND, "NoGatewayApi", message, is_fatal=True)
    route = observed.child(HTTP_ROUTE.kind, names.names_of(pipeline).collector)
    for parent in ((route or {}).get("status") or {}).get("parents", []):
        for found in parent.get("conditions", []):
            if found.get("type") in ("Accepted", "ResolvedRefs") and found.get("status") == "False":
                said = observed.redact(f"{found.get('reason', '')}: {found.get('message', '')}")
                message = f"The Gateway does not take the route: {said[:_WHY_CHARACTERS]}"
                return unmet(KIND, "RouteRefused", message)
    return None
