"""The name and labels of every object of a pipeline, in one place.

A pipeline's name has at most 40 characters, so that each name below is a valid label value and
the StatefulSet controller can still append its revision hash.
"""

import hashlib
import re
from dataclasses import dataclass

from clickstream_operator.spec.clickpipeline import API_GROUP, ClickPipeline
from clickstream_operator.spec.rules import INTERNAL_TOPICS

MANAGER = "clickstream-operator"
PIPELINE_LABEL = f"{API_GROUP}/pipeline"
INTERNAL_LABEL = f"{API_GROUP}/internal"
CLUSTER_LABEL = "strimzi.io/cluster"
SETTINGS_HASH = f"{API_GROUP}/settings-hash"
SECRETS_HASH = f"{API_GROUP}/secrets-hash"
TEMPLATE_HASH = f"{API_GROUP}/template-hash"
ROLLOUT = f"{API_GROUP}/rollout"
FAILED_ROLLOUT = f"{API_GROUP}/failed-rollout"

# The purposes of internal topics; spec/rules.py keeps other topics from being named so.
ARRIVALS, CHANGELOG, PARTIALS, METRICS_CHANGELOG, POSITIONS, *_REST = INTERNAL_TOPICS
ASSIGNMENT, ACKS, NOTIFICATIONS, IDENTITIES = _REST
_OBJECT_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


@dataclass(frozen=True, slots=True)
class Names:
    """Object names of the pipeline with this name."""

    pipeline: str

    @property
    def statefulset(self) -> str:
        return f"{self.pipeline}-processor"

    @property
    def service_account(self) -> str:
        return f"{self.pipeline}-processor"

    @property
    def disruption_budget(self) -> str:
        return f"{self.pipeline}-processor"

    @property
    def network_policy(self) -> str:
        return f"{self.pipeline}-processor"

    @property
    def headless_service(self) -> str:
        return f"{self.pipeline}-processors"

    @property
    def query_service(self) -> str:
        return f"{self.pipeline}-query"

    @property
    def collector(self) -> str:
        """Of all objects of the collector."""
        return f"{self.pipeline}-collector"

    @property
    def settings(self) -> str:
        return f"{self.pipeline}-settings"

    @property
    def peer_key(self) -> str:
        return f"{self.pipeline}-peer-key"

    @property
    def profiles_connector(self) -> str:
        return f"{self.pipeline}-profiles"

    @property
    def search_connector(self) -> str:
        return f"{self.pipeline}-search"

    def sink_connector(self, sink: str) -> str:
        """Of a sink that the pipeline names so."""
        return f"{self.pipeline}-sink-{sink}"


def names_of(pipeline: ClickPipeline) -> Names:
    """Return the object names of a pipeline."""
    return Names(pipeline.name)


def selector(pipeline: ClickPipeline, component: str = "processor") -> dict[str, str]:
    """Return the labels that select pods; they never change."""
    return {"app.kubernetes.io/name": f"clickstream-{component}", PIPELINE_LABEL: pipeline.name}


def labels(pipeline: ClickPipeline, component: str = "processor") -> dict[str, str]:
    """Return the recommended labels of an object."""
    return {
        "app.kubernetes.io/name": f"clickstream-{component}",
        "app.kubernetes.io/instance": pipeline.name,
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/part-of": "clickstream",
        "app.kubernetes.io/managed-by": MANAGER,
        PIPELINE_LABEL: pipeline.name,
    }


def internal_topic(pipeline: ClickPipeline, purpose: str) -> str:
    """Return the name of an internal topic."""
    return f"{pipeline.id}-{purpose}"


def topic_object(topic: str) -> str:
    """Return the KafkaTopic's object name: the topic's own where Kubernetes allows it."""
    if _OBJECT_NAME.fullmatch(topic):
        return topic
    plain = re.sub(r"[^a-z0-9]+", "-", topic.lower()).strip("-") or "topic"
    return f"{plain[:200]}-{hashlib.sha256(topic.encode()).hexdigest()[:10]}"


def seen_from_afar(bootstrap: str, namespace: str) -> str:
    """Return the servers as another namespace must name them.

    A Service's bare name means the pipeline's own namespace, where the pods are; the operator is elsewhere.
    """
    servers = [server.rpartition(":") for server in bootstrap.split(",")]
    return ",".join(
        f"{host}.{namespace}.svc:{port}" if _is_bare(host) else f"{host}:{port}" for host, _, port in servers
    )


def _is_bare(host: str) -> bool:
    return host != "localhost" and not any(mark in host for mark in ".:[")
