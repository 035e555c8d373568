"""The collector's pods: their Deployment, service account, disruption budget and autoscaler."""

from typing import Any

from clickstream_operator.manifests.names import (
    IDENTITIES,
    SECRETS_HASH,
    internal_topic,
    labels,
    names_of,
    selector,
)
from clickstream_operator.manifests.platform import Platform
from clickstream_operator.manifests.pods import (
    CONTAINER_SECURITY,
    POD_SECURITY,
    SECCOMP,
    SECRETS_DIR,
    TMP,
    TMP_MOUNT,
    WITHDRAWAL_S,
    probe,
    secret_mounts,
    secret_volumes,
    spread,
)
from clickstream_operator.manifests.secrets import WRITE_KEYS, secret_uses
from clickstream_operator.spec.clickpipeline import ClickPipeline
from clickstream_operator.spec.collector import Collector
from clickstream_operator.spec.fields import quantity
from clickstream_operator.spec.kafka import Authentication
from clickstream_operator.spec.rules import ADMIN_PORT

COMPONENT = "collector"
PORT = 8080  # for events
# After SIGTERM requests that are under way have 20 s, and records that are queued 5 s.
GRACE_PERIOD_S = WITHDRAWAL_S + 40
# What parts of the memory limit bodies under way and records for Kafka may take: an eighth, a quarter. The
# rest is for the program, what a body decompresses to, and Kafka's client.
_BODIES, _QUEUE = 8, 4
_MOST_BODIES, _SMALLEST_QUEUE, _LARGEST_QUEUE = 8 << 30, 1 << 20, 2 << 30  # what the program takes, bytes
_PREFIX = "CLICKSTREAM_COLLECTOR_"


def metadata(pipeline: ClickPipeline) -> dict[str, Any]:
    """Return the metadata of each object of the collector: all have one name."""
    return {
        "name": names_of(pipeline).collector,
        "namespace": pipeline.namespace,
        "labels": labels(pipeline, COMPONENT),
    }


def deployment(
    pipeline: ClickPipeline, collector: Collector, platform: Platform, replicas: int, secrets_hash: str
) -> dict[str, Any]:
    """Return the Deployment. `secrets_hash` changes when a Secret does that pods read only at their start."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(pipeline),
        "spec": {
            "replicas": replicas,
            "revisionHistoryLimit": 5,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "selector": {"matchLabels": selector(pipeline, COMPONENT)},
            "template": {
                "metadata": {
                    "labels": labels(pipeline, COMPONENT),
                    "annotations": {
                        SECRETS_HASH: secrets_hash,
                        "kubectl.kubernetes.io/default-container": COMPONENT,
                    },
                },
                "spec": _pod(pipeline, collector, platform),
            },
        },
    }


def service_account(pipeline: ClickPipeline) -> dict[str, Any]:
    """Return the pods' service account: without rights and without a token."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(pipeline),
        "automountServiceAccountToken": False,
    }


def disruption_budget(pipeline: ClickPipeline) -> dict[str, Any]:
    """Return the budget: one pod at a time leaves."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(pipeline),
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": selector(pipeline, COMPONENT)},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }


def autoscaler(pipeline: ClickPipeline, collector: Collector) -> dict[str, Any] | None:
    """Return the HorizontalPodAutoscaler, None where none is asked for."""
    if collector.autoscale is None:
        return None
    cpu = {"type": "Utilization", "averageUtilization": collector.autoscale.cpu_percent}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata(pipeline),
        "spec": {
            "scaleTargetRef": {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "name": names_of(pipeline).collector,
            },
            "minReplicas": collector.autoscale.min,
            "maxReplicas": collector.autoscale.max,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": cpu}}],
        },
    }


def mounted_secrets(pipeline: ClickPipeline) -> list[str]:
    """Return the names of the Secrets that the pods mount."""
    return [use.name for use in secret_uses(pipeline) if use.by_collector]


def secrets_of_start(pipeline: ClickPipeline) -> list[str]:
    """Return those of them that a pod reads only at its start; it reads its write keys again and again."""
    keys = pipeline.spec.collector.keys_secret if pipeline.spec.collector else None
    return [name for name in mounted_secrets(pipeline) if name != keys]


def environment(pipeline: ClickPipeline, collector: Collector, log_level: str) -> dict[str, str]:
    """Return the variables of a collector."""
    spec, context = pipeline.spec, collector.context
    variables = {
        "BOOTSTRAP_SERVERS": spec.kafka.bootstrap_servers,
        "PIPELINE_ID": pipeline.id,
        "CLICKS_TOPIC": spec.topics.clicks,
        "DEAD_LETTERS_TOPIC": spec.topics.dead_letters,
        "IDENTITIES_TOPIC": internal_topic(pipeline, IDENTITIES),
        "COMPRESSION": spec.topics.compression,
        "MAX_BODY_BYTES": str(collector.max_body_bytes),
        **_memory(collector),
        "IP": context.ip,
        "USER_AGENT": context.user_agent,
        "BOTS": context.bots,
        "TRUSTED_PROXIES": ",".join(collector.trusted_proxies),
        "PORT": str(PORT),
        "ADMIN_PORT": str(ADMIN_PORT),
        "LOG_FORMAT": "json",
        "LOG_LEVEL": log_level,
    }
    if collector.keys_secret:
        variables["KEYS_FILE"] = f"{SECRETS_DIR}/{collector.keys_secret}/{WRITE_KEYS}"
    else:
        variables["OPEN"] = "on"
    if spec.kafka.tls:
        variables |= {"KAFKA_TLS": "on", "KAFKA_CA_FILE": _authority(spec.kafka.tls.ca_secret)}
    if spec.kafka.authentication:
        variables |= _user(spec.kafka.authentication, collector)
    return {_PREFIX + name: value for name, value in variables.items() if value}


def _user(authentication: Authentication, collector: Collector) -> dict[str, str]:
    """Return the variables of the Kafka user; empty ones are left out later."""
    name = collector.kafka_user or authentication.user
    folder = f"{SECRETS_DIR}/{name}"
    if authentication.type == "tls":
        return {"KAFKA_CERTIFICATE_FILE": f"{folder}/user.crt", "KAFKA_KEY_FILE": f"{folder}/user.key"}
    user = {"KAFKA_AUTHENTICATION": authentication.type, "KAFKA_USER": name}
    oauth = authentication.oauth
    if oauth is None:
        named = {"KAFKA_USER_FILE": f"{folder}/username", "KAFKA_PASSWORD_FILE": f"{folder}/password"}
        return user | named
    return user | {
        "KAFKA_USER_FILE": f"{folder}/clientId",
        "KAFKA_PASSWORD_FILE": f"{folder}/clientSecret",
        "KAFKA_TOKEN_ENDPOINT": oauth.token_endpoint,
        "KAFKA_TOKEN_SCOPE": oauth.scope or "",
        "KAFKA_TOKEN_EXTENSIONS": ",".join(f"{name}={value}" for name, value in oauth.extensions.items()),
        "KAFKA_TOKEN_CA_FILE": _authority(oauth.ca_secret),
    }


def _authority(secret: str | None) -> str:
    return f"{SECRETS_DIR}/{secret}/ca.crt" if secret else ""


def _memory(collector: Collector) -> dict[str, str]:
    """Return bounds that follow from the memory limit; without one the program's own hold."""
    limit = collector.resources.limits.get("memory")
    if limit is None:
        return {}
    whole = int(quantity(limit))
    bodies = max(whole // _BODIES, collector.max_body_bytes)
    queue = max(whole // _QUEUE, _SMALLEST_QUEUE)
    return {
        "MAX_BYTES": str(min(bodies, _MOST_BODIES)),
        "QUEUE_BYTES": str(min(queue, _LARGEST_QUEUE)),
    }


def _pod(pipeline: ClickPipeline, collector: Collector, platform: Platform) -> dict[str, Any]:
    return {
        "serviceAccountName": names_of(pipeline).collector,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "imagePullSecrets": [{"name": name} for name in platform.image_pull_secrets],
        "terminationGracePeriodSeconds": GRACE_PERIOD_S,
        "securityContext": {
            **POD_SECURITY,
            **SECCOMP,
        },
        "topologySpreadConstraints": spread(pipeline, COMPONENT),
        "containers": [_container(pipeline, collector, platform)],
        "volumes": [TMP, *secret_volumes(mounted_secrets(pipeline))],
    }


def _container(pipeline: ClickPipeline, collector: Collector, platform: Platform) -> dict[str, Any]:
    variables = environment(pipeline, collector, platform.log_level)
    return {
        "name": COMPONENT,
        "image": platform.collector_image,
        "imagePullPolicy": platform.image_pull_policy,
        "env": [{"name": name, "value": value} for name, value in variables.items()],
        "ports": [
            {"name": "http", "containerPort": PORT, "protocol": "TCP"},
            {"name": "admin", "containerPort": ADMIN_PORT, "protocol": "TCP"},
        ],
        "startupProbe": probe("/livez", period_s=2, failures=60),
        "livenessProbe": probe("/livez", period_s=10, failures=6),
        "readinessProbe": probe("/readyz", period_s=2, failures=3),
        "resources": {
            "requests": dict(collector.resources.requests),
            "limits": dict(collector.resources.limits),
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "lifecycle": {"preStop": {"sleep": {"seconds": WITHDRAWAL_S}}},
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": [TMP_MOUNT, *secret_mounts(mounted_secrets(pipeline))],
    }
