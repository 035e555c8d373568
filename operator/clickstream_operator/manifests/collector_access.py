"""How the collector is reached: its Service, NetworkPolicy, Ingress and HTTPRoute."""

from typing import Any

from clickstream_operator.manifests.collector import COMPONENT, PORT, metadata
from clickstream_operator.manifests.names import names_of, selector
from clickstream_operator.manifests.network import kafka_ports, of_namespace, tcp, token_egress
from clickstream_operator.manifests.platform import Platform
from clickstream_operator.spec.clickpipeline import ClickPipeline
from clickstream_operator.spec.collector import Collector
from clickstream_operator.spec.rules import ADMIN_PORT

SERVICE_PORT = 80
GATEWAY_API_VERSION = "gateway.networking.k8s.io/v1"


def service(pipeline: ClickPipeline) -> dict[str, Any]:
    """Return the Service for events."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(pipeline),
        "spec": {
            "type": "ClusterIP",
            "selector": selector(pipeline, COMPONENT),
            "ports": [{"name": "http", "port": SERVICE_PORT, "targetPort": "http", "protocol": "TCP"}],
        },
    }


def network_policy(pipeline: ClickPipeline, platform: Platform) -> dict[str, Any]:
    """Return the policy: events from anywhere, the admin port from few, and out to the brokers alone."""
    readers = dict.fromkeys((platform.operator_namespace, *platform.metrics_namespaces))
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(pipeline),
        "spec": {
            "podSelector": {"matchLabels": selector(pipeline, COMPONENT)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [
                {"ports": [tcp(PORT)]},
                {"from": [of_namespace(name) for name in readers], "ports": [tcp(ADMIN_PORT)]},
            ],
            "egress": [
                {"ports": [{"protocol": "UDP", "port": 53}, tcp(53)]},
                {"ports": [tcp(port) for port in kafka_ports(pipeline)]},
                *token_egress(pipeline),
            ],
        },
    }


def ingress(pipeline: ClickPipeline, collector: Collector) -> dict[str, Any] | None:
    """Return the Ingress, None where none is asked for."""
    wanted = collector.ingress
    if wanted is None:
        return None
    backend = {"service": {"name": names_of(pipeline).collector, "port": {"name": "http"}}}
    spec: dict[str, Any] = {
        "rules": [
            {
                "host": wanted.host,
                "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]},
            }
        ],
    }
    if wanted.class_name:
        spec["ingressClassName"] = wanted.class_name
    if wanted.tls_secret:
        spec["tls"] = [{"hosts": [wanted.host], "secretName": wanted.tls_secret}]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": metadata(pipeline) | {"annotations": dict(wanted.annotations)},
        "spec": spec,
    }


def http_route(pipeline: ClickPipeline, collector: Collector) -> dict[str, Any] | None:
    """Return the HTTPRoute, None where none is asked for."""
    wanted = collector.gateway
    if wanted is None:
        return None
    parent = {"name": wanted.name, "namespace": wanted.namespace or pipeline.namespace}
    if wanted.section_name:
        parent["sectionName"] = wanted.section_name
    backend = {"name": names_of(pipeline).collector, "port": SERVICE_PORT}
    path = {"path": {"type": "PathPrefix", "value": "/"}}
    return {
        "apiVersion": GATEWAY_API_VERSION,
        "kind": "HTTPRoute",
        "metadata": metadata(pipeline),
        "spec": {
            "parentRefs": [parent],
            "hostnames": [wanted.host],
            "rules": [{"matches": [path], "backendRefs": [backend]}],
        },
    }
