"""The processor pods: their StatefulSet, service account and disruption budget.

All pods start at once (Parallel): they share no start order, and a pod that cannot start must not
hold up the others. A restart moves no partition: the pod's volume, name and tasks stay.
"""

from typing import Any

from clickstream_operator.manifests.names import SECRETS_HASH, SETTINGS_HASH, labels, names_of, selector
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
from clickstream_operator.manifests.secrets import secret_uses
from clickstream_operator.manifests.settings import FILE, hashed_file, settings_document, settings_hash
from clickstream_operator.spec.clickpipeline import ClickPipeline
from clickstream_operator.spec.rules import ADMIN_PORT

SETTINGS_DIR = "/etc/clickstream/settings"
DATA_DIR = "/var/lib/clickstream"
# A pod commits, flushes and closes within 10 s of SIGTERM; the rest is for a slow disk.
GRACE_PERIOD_S = 60


def statefulset(pipeline: ClickPipeline, platform: Platform, secrets_hash: str) -> dict[str, Any]:
    """Return the StatefulSet. `secrets_hash` changes when a mounted Secret does, so that the pods roll."""
    spec, names = pipeline.spec, names_of(pipeline)
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {
            "name": names.statefulset,
            "namespace": pipeline.namespace,
            "labels": labels(pipeline),
        },
        "spec": {
            "serviceName": names.headless_service,
            "replicas": spec.processors.replicas,
            "podManagementPolicy": "Parallel",
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
            "revisionHistoryLimit": 5,
            "persistentVolumeClaimRetentionPolicy": {
                "whenDeleted": spec.deletion_policy,
                "whenScaled": "Retain",
            },
            "selector": {"matchLabels": selector(pipeline)},
            "template": {
                "metadata": {
                    "labels": labels(pipeline),
                    "annotations": {
                        SETTINGS_HASH: settings_hash(settings_document(pipeline)),
                        SECRETS_HASH: secrets_hash,
                        "kubectl.kubernetes.io/default-container": "processor",
                    },
                },
                "spec": _pod(pipeline, platform),
            },
            "volumeClaimTemplates": [_claim(pipeline)],
        },
    }


def service_account(pipeline: ClickPipeline) -> dict[str, Any]:
    """Return the pods' service account: without rights and without a token."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {
            "name": names_of(pipeline).service_account,
            "namespace": pipeline.namespace,
            "labels": labels(pipeline),
        },
        "automountServiceAccountToken": False,
    }


def disruption_budget(pipeline: ClickPipeline) -> dict[str, Any]:
    """Return the budget: one pod at a time leaves, so that a standby of its tasks is always there."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {
            "name": names_of(pipeline).disruption_budget,
            "namespace": pipeline.namespace,
            "labels": labels(pipeline),
        },
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": selector(pipeline)},
            # A pod that is not ready holds no node back from being drained.
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }


def mounted_secrets(pipeline: ClickPipeline) -> list[str]:
    """Return the names of the Secrets the pods mount."""
    used = [use.name for use in secret_uses(pipeline) if use.by_processors]
    return [names_of(pipeline).peer_key, *used]


def _pod(pipeline: ClickPipeline, platform: Platform) -> dict[str, Any]:
    return {
        "serviceAccountName": names_of(pipeline).service_account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "imagePullSecrets": [{"name": name} for name in platform.image_pull_secrets],
        "terminationGracePeriodSeconds": GRACE_PERIOD_S,
        "securityContext": {
            **POD_SECURITY,
            # A large volume would otherwise be walked file by file at each start.
            "fsGroupChangePolicy": "OnRootMismatch",
            **SECCOMP,
        },
        "topologySpreadConstraints": spread(pipeline, "processor"),
        "containers": [_container(pipeline, platform)],
        "volumes": [
            {"name": "settings", "configMap": _settings(pipeline)},
            TMP,
            *secret_volumes(mounted_secrets(pipeline)),
        ],
    }


def _settings(pipeline: ClickPipeline) -> dict[str, Any]:
    """Return the settings of this very template: a pod that restarts in a roll-out reads no newer ones."""
    key = hashed_file(settings_hash(settings_document(pipeline)))
    return {"name": names_of(pipeline).settings, "items": [{"key": key, "path": FILE}]}


def _container(pipeline: ClickPipeline, platform: Platform) -> dict[str, Any]:
    resources = pipeline.spec.processors.resources
    return {
        "name": "processor",
        "image": platform.processor_image,
        "imagePullPolicy": platform.image_pull_policy,
        "env": [
            {"name": "CLICKSTREAM_SETTINGS", "value": f"{SETTINGS_DIR}/{FILE}"},
            {"name": "CLICKSTREAM_DATA_DIR", "value": DATA_DIR},
            {"name": "CLICKSTREAM_SECRETS_DIR", "value": SECRETS_DIR},
            {"name": "CLICKSTREAM_ADMIN_PORT", "value": str(ADMIN_PORT)},
            {"name": "CLICKSTREAM_LOG_FORMAT", "value": "json"},
            {"name": "CLICKSTREAM_LOG_LEVEL", "value": platform.log_level},
        ],
        "ports": [
            {"name": "query", "containerPort": pipeline.spec.query.port, "protocol": "TCP"},
            {"name": "admin", "containerPort": ADMIN_PORT, "protocol": "TCP"},
        ],
        # Alive: the process answers. Ready: it can route a query, whether or not its own tasks run.
        "startupProbe": probe("/healthz", period_s=2, failures=60),
        "livenessProbe": probe("/healthz", period_s=10, failures=6),
        "readinessProbe": probe("/readyz", period_s=2, failures=3),
        "resources": {"requests": dict(resources.requests), "limits": dict(resources.limits)},
        # Of a pod that cannot take its settings the operator reads why; of others that end, the last lines.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "lifecycle": {"preStop": {"sleep": {"seconds": WITHDRAWAL_S}}},
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": [
            {"name": "data", "mountPath": DATA_DIR},
            {"name": "settings", "mountPath": SETTINGS_DIR, "readOnly": True},
            TMP_MOUNT,
            *secret_mounts(mounted_secrets(pipeline)),
        ],
    }


def _claim(pipeline: ClickPipeline) -> dict[str, Any]:
    storage = pipeline.spec.processors.storage
    chosen = {"storageClassName": storage.storage_class_name} if storage.storage_class_name else {}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "labels": selector(pipeline)},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            **chosen,
            "resources": {"requests": {"storage": storage.size}},
        },
    }
