"""KafkaConnects: workers in a Deployment, their Service and account; then their KafkaConnectors."""

import hashlib
import json
from collections.abc import Sequence

from strimzi_stand_in import connectors
from strimzi_stand_in.api import Api, Document, annotations_of
from strimzi_stand_in.conditions import not_ready, ready
from strimzi_stand_in.worker import Worker, WorkerRefused

PLURAL = "kafkaconnects"
MANAGED = "strimzi.io/use-connector-resources"
_OWN = {
    "listeners": "http://0.0.0.0:8083",
    "plugin.path": "/opt/kafka/plugins",
    "plugin.discovery": "hybrid_warn",
    "offset.flush.timeout.ms": "10000",
}


def reconcile(api: Api, connect: Document, all_connectors: Sequence[Document]) -> None:
    """Make one KafkaConnect so, then its connectors."""
    meta = connect["metadata"]
    if meta.get("deletionTimestamp"):
        return
    for path, document in _objects(connect):
        api.apply(path, document)
    worker = Worker(meta["name"], meta["namespace"])
    own = [c for c in all_connectors if _is_of(c, meta["name"], meta["namespace"])]
    try:
        plugins = worker.call("GET", "/connector-plugins")
    except WorkerRefused as refused:
        api.write_status(PLURAL, connect, not_ready(connect, "Creating", str(refused)))
        return
    found = [{"class": p["class"], "type": p["type"], "version": p.get("version")} for p in plugins]
    more = {"url": worker.url, "connectorPlugins": found, "replicas": connect["spec"].get("replicas", 1)}
    api.write_status(PLURAL, connect, ready(connect, **more))
    if annotations_of(connect).get(MANAGED) != "true":
        for connector in own:
            text = f"KafkaConnect resource {meta['name']} is not configured with annotation {MANAGED}"
            api.write_status(
                connectors.PLURAL, connector, not_ready(connector, "NoSuchResourceException", text)
            )
        return
    try:
        connectors.remove_others(worker, [c["metadata"]["name"] for c in own])
    except WorkerRefused:
        return  # it starts or rebalances: the next round asks again
    for connector in own:
        if annotations_of(connector).get("strimzi.io/pause-reconciliation") != "true":
            connectors.reconcile(api, worker, connector)


def _is_of(connector: Document, cluster: str, namespace: str) -> bool:
    meta = connector["metadata"]
    return (
        meta["namespace"] == namespace
        and meta.get("labels", {}).get("strimzi.io/cluster") == cluster
        and not meta.get("deletionTimestamp")
    )


def _properties(connect: Document) -> str:
    spec = connect["spec"]
    settings = {
        "bootstrap.servers": spec["bootstrapServers"],
        "group.id": spec["groupId"],
        "config.storage.topic": spec["configStorageTopic"],
        "offset.storage.topic": spec["offsetStorageTopic"],
        "status.storage.topic": spec["statusStorageTopic"],
        "key.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        **{k: json.dumps(v) if isinstance(v, bool) else str(v) for k, v in spec.get("config", {}).items()},
        **_OWN,
    }
    return "".join(f"{key}={value}\n" for key, value in settings.items())


def _objects(connect: Document) -> list[tuple[str, Document]]:
    """Return each object with its path: account, settings, Service, Deployment."""
    meta, spec = connect["metadata"], connect["spec"]
    namespace, name = meta["namespace"], f"{meta['name']}-connect"
    owner = {
        "apiVersion": connect["apiVersion"],
        "kind": "KafkaConnect",
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
    }
    labels = {"strimzi.io/cluster": meta["name"], "strimzi.io/kind": "KafkaConnect"}
    common = {"namespace": namespace, "labels": labels, "ownerReferences": [owner]}
    properties = _properties(connect)
    digest = hashlib.sha256(properties.encode()).hexdigest()[:16]
    core = f"/api/v1/namespaces/{namespace}"
    return [
        (
            f"{core}/serviceaccounts/{name}",
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, **common}},
        ),
        (
            f"{core}/configmaps/{name}-config",
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": f"{name}-config", **common},
                "data": {"connect.properties": properties},
            },
        ),
        (
            f"{core}/services/{name}-api",
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": f"{name}-api", **common},
                "spec": {"selector": labels, "ports": [{"name": "rest", "port": 8083, "protocol": "TCP"}]},
            },
        ),
        (
            f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}",
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": name, **common},
                "spec": {
                    "replicas": spec.get("replicas", 1),
                    "strategy": {"type": "Recreate"},
                    "selector": {"matchLabels": labels},
                    "template": {
                        "metadata": {"labels": labels, "annotations": {"strimzi.io/config-hash": digest}},
                        "spec": _pod(spec, name),
                    },
                },
            },
        ),
    ]


def _pod(spec: Document, name: str) -> Document:
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
