"""What the pods of processors and collectors have in common: probes, security, spread, mounted Secrets."""

from collections.abc import Sequence
from typing import Any

from clickstream_operator.manifests.names import selector
from clickstream_operator.spec.clickpipeline import ClickPipeline

SECRETS_DIR = "/etc/clickstream/secrets"
USER_ID = 10001  # of the images
# A pod that is to end serves on until every node's Service rules have forgotten it: else new connections are
# refused meanwhile (seen on a cluster: a refused query in a hundred while pods were scaled away).
WITHDRAWAL_S = 5
POD_SECURITY = {
    "runAsNonRoot": True,
    "runAsUser": USER_ID,
    "runAsGroup": USER_ID,
    "fsGroup": USER_ID,
}
SECCOMP = {"seccompProfile": {"type": "RuntimeDefault"}}
CONTAINER_SECURITY = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
TMP = {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}
TMP_MOUNT = {"name": "tmp", "mountPath": "/tmp"}  # noqa: S108  # the pod's own, in memory of the node


def probe(path: str, period_s: int, failures: int) -> dict[str, Any]:
    """Return a probe on the admin port."""
    return {
        "httpGet": {"path": path, "port": "admin", "scheme": "HTTP"},
        "periodSeconds": period_s,
        "timeoutSeconds": 2,
        "failureThreshold": failures,
    }


def spread(pipeline: ClickPipeline, component: str) -> list[dict[str, Any]]:
    """Return the constraints that put pods on different hosts and zones, as far as possible."""
    return [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": selector(pipeline, component)},
        }
        for key in ("kubernetes.io/hostname", "topology.kubernetes.io/zone")
    ]


def secret_volumes(names: Sequence[str]) -> list[dict[str, Any]]:
    """Return a volume for each Secret."""
    return [
        {"name": f"secret-{index}", "secret": {"secretName": name, "defaultMode": 0o440}}
        for index, name in enumerate(names)
    ]


def secret_mounts(names: Sequence[str]) -> list[dict[str, Any]]:
    """Return where a container has them: a folder each, with a file for each key."""
    return [
        {"name": f"secret-{index}", "mountPath": f"{SECRETS_DIR}/{name}", "readOnly": True}
        for index, name in enumerate(names)
    ]
