"""The workers' pods, as Strimzi's pod sets make them: by number, again when one is gone or was changed."""

import hashlib
import json

from strimzi_stand_in.api import Api, Document, annotations_of
from strimzi_stand_in.connects import labels_of, owner_of, properties_of

HASH = "strimzi.io/config-hash"


def reconcile(api: Api, connect: Document) -> None:
    """Make the pods of one KafkaConnect so: what is there of other settings goes first."""
    meta, spec = connect["metadata"], connect["spec"]
    if meta.get("deletionTimestamp"):
        return
    name, path = f"{meta['name']}-connect", f"/api/v1/namespaces/{meta['namespace']}/pods"
    wanted = {f"{name}-{number}": _pod(connect, name) for number in range(spec.get("replicas", 1))}
    selector = ",".join(f"{label}={value}" for label, value in labels_of(connect).items())
    found = {
        pod["metadata"]["name"]: pod
        for pod in api.request("GET", f"{path}?labelSelector={selector}")["items"]
    }
    digest = hashlib.sha256(
        json.dumps([wanted, properties_of(connect)], sort_keys=True).encode()
    ).hexdigest()[:16]
    for pod_name, pod in found.items():
        is_over = pod.get("status", {}).get("phase") in ("Failed", "Succeeded")
        is_old = pod_name not in wanted or annotations_of(pod).get(HASH) != digest or is_over
        if is_old and not pod["metadata"].get("deletionTimestamp"):
            api.request("DELETE", f"{path}/{pod_name}")
    for pod_name, body in wanted.items():
        if pod_name not in found:
            labels = {**labels_of(connect), "strimzi.io/name": name, "strimzi.io/pod-name": pod_name}
            own = {"labels": labels, "annotations": {HASH: digest}, "ownerReferences": [owner_of(connect)]}
            pod_meta = {"name": pod_name, **own}
            api.request("POST", path, {"apiVersion": "v1", "kind": "Pod", "metadata": pod_meta, "spec": body})


def _pod(connect: Document, name: str) -> Document:
    spec = connect["spec"]
    memory = spec.get("jvmOptions", {})
    java = [
        "exec java",
        f"-Xms{memory.get('-Xms', '64m')}",
        f"-Xmx{memory.get('-Xmx', '512m')}",
        "-XX:+UseSerialGC",
    ]
    java += ["-Dlog4j2.configurationFile=/opt/kafka/log4j2.yaml", "-cp '/opt/kafka/libs/*'"]
    java += ["org.apache.kafka.connect.cli.ConnectDistributed", "/tmp/connect.properties"]
    # A worker names itself by its address, which only the pod knows.
    lines = [
        "cp /config/connect.properties /tmp/",
        'echo "rest.advertised.host.name=$POD_IP" >> /tmp/connect.properties',
    ]
    return {
        "serviceAccountName": name,
        "terminationGracePeriodSeconds": 30,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 1001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": name,
                "image": spec["image"],
                "command": ["sh", "-ec", "\n".join([*lines, " ".join(java)])],
                "env": [{"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
                "ports": [{"name": "rest", "containerPort": 8083, "protocol": "TCP"}],
                "readinessProbe": {
                    "httpGet": {"path": "/", "port": "rest"},
                    "periodSeconds": 2,
                    "timeoutSeconds": 5,
                },
                "resources": spec.get("resources", {}),
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                "volumeMounts": [
                    {"name": "config", "mountPath": "/config"},
                    {"name": "tmp", "mountPath": "/tmp"},
                ],
            }
        ],
        "volumes": [
            {"name": "config", "configMap": {"name": f"{name}-config"}},
            {"name": "tmp", "emptyDir": {}},
        ],
    }
