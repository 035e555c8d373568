"""The kinds of objects the operator reads and writes, and where the API server has them."""

from dataclasses import dataclass
from typing import Any

from clickstream_operator.spec.clickpipeline import API_GROUP, API_VERSION, PLURAL

Document = dict[str, Any]  # an object of the API, as JSON has it


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind in one version."""

    api_version: str
    kind: str
    plural: str

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str = "") -> str:
        """Return the URL's path of an object, or of a collection; no namespace: of all of them."""
        root = f"/apis/{self.api_version}" if "/" in self.api_version else f"/api/{self.api_version}"
        parts = [root]
        if namespace:
            parts.append(f"namespaces/{namespace}")
        parts.append(self.plural)
        if name:
            parts.append(name)
        if subresource:
            parts.append(subresource)
        return "/".join(parts)


PIPELINE = Kind(f"{API_GROUP}/{API_VERSION}", "ClickPipeline", PLURAL)
REPLAY = Kind(f"{API_GROUP}/{API_VERSION}", "ClickReplay", "clickreplays")
ERASURE = Kind(f"{API_GROUP}/{API_VERSION}", "ClickErasure", "clickerasures")
SECRET = Kind("v1", "Secret", "secrets")
NAMESPACE = Kind("v1", "Namespace", "namespaces")
LEASE = Kind("coordination.k8s.io/v1", "Lease", "leases")
POD = Kind("v1", "Pod", "pods")
CLAIM = Kind("v1", "PersistentVolumeClaim", "persistentvolumeclaims")

STATEFULSET = Kind("apps/v1", "StatefulSet", "statefulsets")

DEPLOYMENT = Kind("apps/v1", "Deployment", "deployments")

JOB = Kind("batch/v1", "Job", "jobs")

# What a pipeline consists of beside Strimzi's objects; watched by the pipeline's label.
BUILT_IN = (
    Kind("v1", "ConfigMap", "configmaps"),
    Kind("v1", "ServiceAccount", "serviceaccounts"),
    Kind("v1", "Service", "services"),
    STATEFULSET,
    Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    Kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
    DEPLOYMENT,
    Kind("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
    Kind("networking.k8s.io/v1", "Ingress", "ingresses"),
)
# Of the Gateway API, which a cluster may have or not.
GATEWAY_GROUP = "gateway.networking.k8s.io"
HTTP_ROUTE = Kind(f"{GATEWAY_GROUP}/v1", "HTTPRoute", "httproutes")
STRIMZI_GROUP = "kafka.strimzi.io"
STRIMZI = {"KafkaTopic": "kafkatopics", "KafkaConnector": "kafkaconnectors", "KafkaConnect": "kafkaconnects"}


def strimzi_kind(kind: str, version: str) -> Kind:
    """Return a kind of Strimzi's in the version that is served."""
    return Kind(f"{STRIMZI_GROUP}/{version}", kind, STRIMZI[kind])


@dataclass(frozen=True, slots=True)
class Wanted:
    """One object as it shall be."""

    kind: Kind
    document: Document

    @property
    def name(self) -> str:
        return str(self.document["metadata"]["name"])
