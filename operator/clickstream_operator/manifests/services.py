"""The two Services: one name per pod for routing among pods, one address for who asks."""

from typing import Any

from clickstream_operator.manifests.names import labels, names_of, selector
from clickstream_operator.spec.clickpipeline import ClickPipeline
from clickstream_operator.spec.rules import ADMIN_PORT


def headless_service(pipeline: ClickPipeline) -> dict[str, Any]:
    """Return the Service that gives each pod its name, ready or not: a restoring pod is routed to as well."""
    return _service(
        pipeline,
        names_of(pipeline).headless_service,
        {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": selector(pipeline),
            "ports": [
                _port("query", pipeline.spec.query.port, "query"),
                _port("admin", ADMIN_PORT, "admin"),
            ],
        },
    )


def query_service(pipeline: ClickPipeline) -> dict[str, Any]:
    """Return the Service for queries and the pages: any ready pod answers."""
    return _service(
        pipeline,
        names_of(pipeline).query_service,
        {"type": "ClusterIP", "selector": selector(pipeline), "ports": [_port("http", 80, "query")]},
    )


def _service(pipeline: ClickPipeline, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": pipeline.namespace, "labels": labels(pipeline)},
        "spec": spec,
    }


def _port(name: str, port: int, target: str) -> dict[str, Any]:
    return {"name": name, "port": port, "targetPort": target, "protocol": "TCP"}
