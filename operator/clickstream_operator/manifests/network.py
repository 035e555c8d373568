"""The NetworkPolicy of the processor pods: queries from the cluster, the admin port from few."""

from typing import Any
from urllib.parse import urlsplit

from clickstream_operator.manifests.names import labels, names_of, selector
from clickstream_operator.manifests.platform import Platform
from clickstream_operator.spec.clickpipeline import ClickPipeline
from clickstream_operator.spec.rules import ADMIN_PORT

_SCHEME_PORTS = {"http": 80, "https": 443}


def network_policy(pipeline: ClickPipeline, platform: Platform) -> dict[str, Any]:
    """Return the policy. Brokers and engine may be outside the cluster: any address, their ports."""
    peers = {"podSelector": {"matchLabels": selector(pipeline)}}
    readers = dict.fromkeys((platform.operator_namespace, *platform.metrics_namespaces))
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {
            "name": names_of(pipeline).network_policy,
            "namespace": pipeline.namespace,
            "labels": labels(pipeline),
        },
        "spec": {
            "podSelector": {"matchLabels": selector(pipeline)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [
                {"ports": [tcp(pipeline.spec.query.port)]},
                {"from": [peers, *map(of_namespace, readers)], "ports": [tcp(ADMIN_PORT)]},
            ],
            "egress": [
                {"ports": [{"protocol": "UDP", "port": 53}, tcp(53)]},
                {"to": [peers], "ports": [tcp(ADMIN_PORT)]},
                {"ports": [tcp(port) for port in kafka_ports(pipeline)]},
                *token_egress(pipeline),
                *({"ports": [tcp(port)]} for port in search_ports(pipeline)),
            ],
        },
    }


def tcp(port: int) -> dict[str, Any]:
    """Return a port of a policy."""
    return {"protocol": "TCP", "port": port}


def of_namespace(name: str) -> dict[str, Any]:
    """Return all pods of a namespace."""
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


def kafka_ports(pipeline: ClickPipeline) -> list[int]:
    """Return the ports of the brokers to start from."""
    servers = pipeline.spec.kafka.bootstrap_servers.split(",")
    return sorted({int(server.rpartition(":")[2]) for server in servers})


def search_ports(pipeline: ClickPipeline) -> list[int]:
    """Return the port of the search engine; empty where there is none."""
    return [] if pipeline.search is None else [_port(pipeline.search.url)]


def token_egress(pipeline: ClickPipeline) -> list[dict[str, Any]]:
    """Return the way to the endpoint that gives tokens, for those who need them."""
    user = pipeline.spec.kafka.authentication
    if user is None or user.oauth is None:
        return []
    return [{"ports": [tcp(_port(user.oauth.token_endpoint))]}]


def _port(address: str) -> int:
    url = urlsplit(address)
    return url.port or _SCHEME_PORTS[url.scheme]
