"""KafkaConnects: settings, Service and account of the workers; then their KafkaConnectors."""

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


def reconcile(api: Api, connect: Document, own: Sequence[Document]) -> None:
    """Make one KafkaConnect so, then all its connectors."""
    meta = connect["metadata"]
    if meta.get("deletionTimestamp"):
        return
    for path, document in _objects(connect):
        api.apply(path, document)
    worker = Worker(meta["name"], meta["namespace"])
    try:
        plugins = worker.call("GET", "/connector-plugins")
    except WorkerRefused as refused:
        api.write_status(PLURAL, connect, not_ready(connect, "TimeoutException", str(refused)))
        raise OSError(f"{meta['name']}: {refused}") from refused  # it starts: the next round asks again
    found = [{"class": p["class"], "type": p["type"], "version": p.get("version")} for p in plugins]
    more = {"url": worker.url, "connectorPlugins": found, "replicas": connect["spec"].get("replicas", 1)}
    api.write_status(PLURAL, connect, ready(connect, **more))
    remove_others(connect, own)
    for connector in own:
        reconcile_one(api, connect, connector)


def reconcile_one(api: Api, connect: Document, connector: Document) -> None:
    """Bring one connector to its spec, unless its Connect takes none, or it is paused."""
    meta = connect["metadata"]
    if not is_managed(connect):
        text = f"KafkaConnect resource {meta['name']} is not configured with annotation {MANAGED}"
        status = not_ready(connector, "NoSuchResourceException", text)
        api.write_status(connectors.PLURAL, connector, status)
    elif annotations_of(connector).get("strimzi.io/pause-reconciliation") != "true":
        connectors.reconcile(api, Worker(meta["name"], meta["namespace"]), connector)


def remove_others(connect: Document, own: Sequence[Document]) -> None:
    """Delete in Connect what no KafkaConnector asks for."""
    meta = connect["metadata"]
    if not is_managed(connect):
        return
    try:
        connectors.remove_others(
            Worker(meta["name"], meta["namespace"]), [c["metadata"]["name"] for c in own]
        )
    except WorkerRefused as refused:
        raise OSError(f"{meta['name']}: {refused}") from refused  # it starts or rebalances


def remove(connect: Document, name: str) -> None:
    """Delete one connector in Connect, whose KafkaConnector is gone."""
    meta = connect["metadata"]
    if not is_managed(connect):
        return
    try:
        connectors.remove(Worker(meta["name"], meta["namespace"]), name)
    except WorkerRefused as refused:
        raise OSError(f"{meta['name']}: {refused}") from refused


def is_managed(connect: Document) -> bool:
    """Tell whether a Connect takes its connectors from resources."""
    return annotations_of(connect).get(MANAGED) == "true"


def is_of(connector: Document, connect: Document) -> bool:
    """Tell whether a connector is a Connect's, and stays."""
    meta, cluster = connector["metadata"], connect["metadata"]
    return (
        meta["namespace"] == cluster["namespace"]
        and meta.get("labels", {}).get("strimzi.io/cluster") == cluster["name"]
        and not meta.get("deletionTimestamp")
    )


def labels_of(connect: Document) -> dict[str, str]:
    """Return the labels of all that belongs to a Connect."""
    return {"strimzi.io/cluster": connect["metadata"]["name"], "strimzi.io/kind": "KafkaConnect"}


def owner_of(connect: Document) -> Document:
    """Return the reference with which a Connect's objects go when it goes."""
    meta = connect["metadata"]
    return {
        "apiVersion": connect["apiVersion"],
        "kind": "KafkaConnect",
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
    }


def properties_of(connect: Document) -> str:
    """Return a worker's settings."""
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
    """Return each object with its path: account, settings, Service. The pods are pods.py's."""
    meta = connect["metadata"]
    namespace, name = meta["namespace"], f"{meta['name']}-connect"
    labels = labels_of(connect)
    common = {"namespace": namespace, "labels": labels, "ownerReferences": [owner_of(connect)]}
    properties = properties_of(connect)
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
    ]
