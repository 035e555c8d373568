"""The condition of a pipeline's collector, from what was observed. Pure."""

from clickstream_operator.condition import Condition, met, unmet
from clickstream_operator.lifecycle.decided import Decided
from clickstream_operator.lifecycle.secret_state import missing_secrets
from clickstream_operator.manifests import collector, names
from clickstream_operator.observed import Observed, condition
from clickstream_operator.spec.clickpipeline import ClickPipeline
from clickstream_operator.spec.collector import Collector

KIND = "CollectorReady"


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
    own = names.names_of(pipeline).collector
    live = observed.child("Deployment", own)
    if live is None:
        mounted = set(collector.mounted_secrets(pipeline))
        missing = sorted({name for name, _ in missing_secrets(pipeline, observed) if name in mounted})
        if missing:
            message = f"The collector starts once these Secrets are there: {', '.join(missing)}."
            return unmet(KIND, "NotCreated", message)
        return unmet(KIND, "NotCreated", "The collector is about to be created.")
    if wanted.gateway and not observed.has_gateways:
        message = (
            "collector.gateway asks for an HTTPRoute, and the cluster does not know the Gateway API "
            "(gateway.networking.k8s.io/v1). Install its resources, or use collector.ingress."
        )
        return unmet(KIND, "NoGatewayApi", message, is_fatal=True)
    return _of_pods(pipeline, live, own, observed)


def _of_pods(pipeline: ClickPipeline, live: dict[str, object], own: str, observed: Observed) -> Condition:
    spec, status = live.get("spec"), live.get("status")
    wanted = spec.get("replicas", 1) if isinstance(spec, dict) else 1
    seen = status if isinstance(status, dict) else {}
    meta = live.get("metadata")
    generation = meta.get("generation", 0) if isinstance(meta, dict) else 0
    if seen.get("observedGeneration", 0) < generation:
        return unmet(KIND, "Updating", "The Deployment's last change is not yet seen by its controller.")
    ready, updated = seen.get("readyReplicas", 0), seen.get("updatedReplicas", 0)
    selector = f"{names.PIPELINE_LABEL}={pipeline.name},app.kubernetes.io/component={collector.COMPONENT}"
    if ready < wanted:
        stuck = condition(live, "Progressing")
        why = f" {observed.redact(stuck.get('message', ''))}" if stuck.get("status") == "False" else ""
        message = (
            f"{ready} of {wanted} pods of {own} are ready; see kubectl describe pods -l {selector}, "
            f"and kubectl logs -l {selector}.{why}"
        )
        return unmet(KIND, "NotReady", message)
    if updated < wanted:
        return unmet(KIND, "Rolling", f"{updated} of {wanted} pods of {own} have the newest settings.")
    return met(KIND, "Ready", f"All {wanted} pods of {own} are ready.")
