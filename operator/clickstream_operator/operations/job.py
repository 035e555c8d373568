"""The objects of one operation: a ConfigMap, a NetworkPolicy and a Job of the processor's image. Pure.

The Job gets the settings of the moment at which the operation starts, and keeps them: a retry does what the
first try began, whatever has become of the pipeline. A file that names users is in a Secret instead.
"""

import base64
import json
from typing import Any

from clickstream_operator.kube.kinds import JOB, SECRET, Document, Kind, Wanted
from clickstream_operator.manifests.names import MANAGER, PIPELINE_LABEL, names_of
from clickstream_operator.manifests.network import kafka_ports, of_namespace, search_ports, tcp, token_egress
from clickstream_operator.manifests.platform import Platform
from clickstream_operator.manifests.pods import (
    CONTAINER_SECURITY,
    POD_SECURITY,
    SECCOMP,
    SECRETS_DIR,
    TMP,
    TMP_MOUNT,
    probe,
    secret_mounts,
    secret_volumes,
)
from clickstream_operator.manifests.secrets import kafka_authorities, search_secrets
from clickstream_operator.manifests.settings import FILE, settings_document, settings_text
from clickstream_operator.operations.operation import Operation
from clickstream_operator.spec.clickpipeline import API_GROUP, ClickPipeline
from clickstream_operator.spec.rules import ADMIN_PORT

USERS_FILE = "users"
# With the Job controller's pauses, 10 s and twice as long each time, failures end after about ten minutes.
# The eviction of a pod does not count.
BACKOFF_LIMIT = 6
DEADLINE_S = 24 * 3600
GRACE_PERIOD_S = 60  # it ends between two transactions
RESOURCES = {"requests": {"cpu": "250m", "memory": "256Mi"}, "limits": {"memory": "512Mi"}}
_CONFIG_MAP = Kind("v1", "ConfigMap", "configmaps")
_NETWORK_POLICY = Kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies")


def kinds_of(operation: Operation) -> list[Kind]:
    """Return the kinds of its objects, in the order in which they are made."""
    return [_CONFIG_MAP, *([SECRET] if operation.is_file_secret else []), _NETWORK_POLICY, JOB]


def object_name(operation: Operation) -> str:
    """Return the name of each of its objects."""
    return f"{operation.name}-{operation.NOUN}"


def selector(operation: Operation) -> dict[str, str]:
    """Return the labels that select its pods."""
    return {"app.kubernetes.io/name": f"clickstream-{operation.NOUN}", _label(operation): operation.name}


def secrets_of(operation: Operation, pipeline: ClickPipeline) -> list[str]:
    """Return the names of the pipeline's Secrets that the Job mounts: those it needs, and no other."""
    kafka = pipeline.spec.kafka
    user = [kafka.authentication.user] if kafka.authentication else []
    search = search_secrets(pipeline) if operation.ASKS_SEARCH else []
    return list(dict.fromkeys([*kafka_authorities(kafka), *user, *search]))


def objects(operation: Operation, pipeline: ClickPipeline, platform: Platform) -> list[Wanted]:
    """Return all objects, in the order in which they are made."""
    documents = (
        _config_map(operation, pipeline),
        *([_secret(operation)] if operation.is_file_secret else []),
        _network_policy(operation, pipeline, platform),
        _job(operation, pipeline, platform),
    )
    return [Wanted(kind, document) for kind, document in zip(kinds_of(operation), documents, strict=True)]


def _label(operation: Operation) -> str:
    return f"{API_GROUP}/{operation.NOUN}"


def _files_dir(operation: Operation) -> str:
    return f"/etc/clickstream/{operation.NOUN}"


def _file_name(operation: Operation) -> str:
    return f"{operation.NOUN}.json"


def _file_text(operation: Operation) -> str:
    return json.dumps(operation.file(), indent=2, ensure_ascii=False) + "\n"


def _metadata(operation: Operation) -> Document:
    return {
        "name": object_name(operation),
        "namespace": operation.namespace,
        "labels": _labels(operation),
        "ownerReferences": [
            {
                "apiVersion": operation.KIND.api_version,
                "kind": operation.KIND.kind,
                "name": operation.name,
                "uid": operation.uid,
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }


def _labels(operation: Operation) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": f"clickstream-{operation.NOUN}",
        "app.kubernetes.io/instance": operation.name,
        "app.kubernetes.io/component": operation.NOUN,
        "app.kubernetes.io/part-of": "clickstream",
        "app.kubernetes.io/managed-by": MANAGER,
        PIPELINE_LABEL: operation.pipeline,
        _label(operation): operation.name,
    }


def _config_map(operation: Operation, pipeline: ClickPipeline) -> Document:
    file = {} if operation.is_file_secret else {_file_name(operation): _file_text(operation)}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(operation),
        "data": {FILE: settings_text(settings_document(pipeline)), **file},
    }


def _secret(operation: Operation) -> Document:
    text = _file_text(operation).encode("utf-8", "replace")
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": _metadata(operation),
        "type": "Opaque",
        "data": {_file_name(operation): base64.b64encode(text).decode()},
    }


def _network_policy(operation: Operation, pipeline: ClickPipeline, platform: Platform) -> Document:
    """Return the policy: the operator reads the progress, and the pod speaks to what its program needs."""
    readers = dict.fromkeys((platform.operator_namespace, *platform.metrics_namespaces))
    search = search_ports(pipeline) if operation.ASKS_SEARCH else []
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": _metadata(operation),
        "spec": {
            "podSelector": {"matchLabels": selector(operation)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": [*map(of_namespace, readers)], "ports": [tcp(ADMIN_PORT)]}],
            "egress": [
                {"ports": [{"protocol": "UDP", "port": 53}, tcp(53)]},
                {"ports": [tcp(port) for port in kafka_ports(pipeline)]},
                *token_egress(pipeline),
                *({"ports": [tcp(port)]} for port in search),
            ],
        },
    }


def _job(operation: Operation, pipeline: ClickPipeline, platform: Platform) -> Document:
    pod = _pod(operation, pipeline, platform)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": _metadata(operation),
        "spec": {
            "backoffLimit": BACKOFF_LIMIT,
            "activeDeadlineSeconds": DEADLINE_S,
            "completions": 1,
            "parallelism": 1,
            # One pod at a time: the next comes when the one before it is gone.
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": {
                "rules": [
                    {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
                ]
            },
            "template": {"metadata": {"labels": _labels(operation)}, "spec": pod},
        },
    }


def _pod(operation: Operation, pipeline: ClickPipeline, platform: Platform) -> dict[str, Any]:
    secrets = secrets_of(operation, pipeline)
    return {
        "restartPolicy": "Never",
        "serviceAccountName": names_of(pipeline).service_account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "imagePullSecrets": [{"name": name} for name in platform.image_pull_secrets],
        "terminationGracePeriodSeconds": GRACE_PERIOD_S,
        "securityContext": {**POD_SECURITY, **SECCOMP},
        "containers": [_container(operation, secrets, platform)],
        "volumes": [_files(operation), TMP, *secret_volumes(secrets)],
    }


def _files(operation: Operation) -> dict[str, Any]:
    """Return the volume with all files: of the ConfigMap, and of Secrets that name users."""
    name = object_name(operation)
    sources: list[dict[str, Any]] = [{"configMap": {"name": name}}]
    if operation.is_file_secret:
        sources.append({"secret": {"name": name}})
    if operation.users_secret:
        secret, key = operation.users_secret
        sources.append({"secret": {"name": secret, "items": [{"key": key, "path": USERS_FILE}]}})
    if len(sources) == 1:
        return {"name": "files", **sources[0]}
    return {"name": "files", "projected": {"defaultMode": 0o440, "sources": sources}}


def _container(operation: Operation, secrets: list[str], platform: Platform) -> dict[str, Any]:
    folder, prefix = _files_dir(operation), f"CLICKSTREAM_{operation.NOUN.upper()}"
    users = [{"name": f"{prefix}_USERS_FILE", "value": f"{folder}/{USERS_FILE}"}]
    return {
        "name": operation.NOUN,
        "image": platform.processor_image,
        "imagePullPolicy": platform.image_pull_policy,
        "command": ["python", "-m", operation.PROGRAM],
        "env": [
            {"name": "CLICKSTREAM_SETTINGS", "value": f"{folder}/{FILE}"},
            {"name": f"{prefix}_FILE", "value": f"{folder}/{_file_name(operation)}"},
            *(users if operation.users_secret else []),
            {"name": "CLICKSTREAM_SECRETS_DIR", "value": SECRETS_DIR},
            {"name": "CLICKSTREAM_ADMIN_PORT", "value": str(ADMIN_PORT)},
            {"name": "CLICKSTREAM_LOG_FORMAT", "value": "json"},
            {"name": "CLICKSTREAM_LOG_LEVEL", "value": platform.log_level},
        ],
        "ports": [{"name": "admin", "containerPort": ADMIN_PORT, "protocol": "TCP"}],
        "startupProbe": probe("/healthz", period_s=2, failures=60),
        "livenessProbe": probe("/healthz", period_s=10, failures=6),
        "resources": RESOURCES,
        # The last word; of a pod that could not write one, its last lines, unless these may name users.
        "terminationMessagePolicy": "FallbackToLogsOnError" if operation.LAST_LINES else "File",
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": [
            {"name": "files", "mountPath": folder, "readOnly": True},
            TMP_MOUNT,
            *secret_mounts(secrets),
        ],
    }
