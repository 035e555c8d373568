"""Collectors that are right and collectors that are wrong, as documents.py has the rest of a spec."""

from typing import Any

from operator_support.metric_documents import Changes

KEYS = {"keysSecret": "collector-keys"}
SCALED = {"autoscale": {"max": 5}}
FULL: dict[str, Any] = KEYS | {
    "replicas": 3,
    "autoscale": {"min": 3, "max": 9, "cpuPercent": 70},
    "maxBodyBytes": 65536,
    "context": {"ip": "drop", "userAgent": "drop", "bots": "drop"},
    "trustedProxies": ["10.0.0.0/8", "fd00::/8"],
    "resources": {"requests": {"cpu": "500m", "memory": "512Mi"}, "limits": {"memory": "1Gi"}},
    "ingress": {
        "host": "clicks.example.com",
        "className": "nginx",
        "tlsSecret": "clicks-tls",
        "annotations": {"cert-manager.io/issuer": "letsencrypt"},
    },
    "gateway": {
        "host": "clicks.example.com",
        "name": "public",
        "namespace": "gateways",
        "sectionName": "https",
    },
}
USER = {"kafka.authentication": {"type": "scram-sha-512", "user": "storefront"}}


def collector(given: Any = None, **more: Any) -> Changes:
    """Return the change that asks for one; with the keys of a Secret unless `given` says otherwise."""
    return {"collector": (KEYS if given is None else given) | more}


VALID: dict[str, Changes] = {
    "a collector": collector(),
    "a collector that is null": {"collector": None},
    "an open collector": collector({"open": True}),
    "a collector with all said": {"collector": FULL},
    "a collector with an autoscaler": collector(**SCALED),
    "a collector with a host of any name": collector(ingress={"host": "*.example.com"}),
    "a collector with a user of its own": USER | collector(kafkaUser="storefront-collector"),
}

# path that the problem is about, then the changes
INVALID: dict[str, tuple[str, Changes]] = {
    "a collector that is a text": ("spec.collector", {"collector": "yes"}),
    "a misspelled field of a collector": (
        "spec.collector.keySecret",
        collector({"keySecret": "x"}, open=True),
    ),
    "a collector without keys": ("spec.collector.keysSecret", collector({})),
    "a collector that is not open without keys": ("spec.collector.keysSecret", collector({"open": False})),
    "an open collector with keys": ("spec.collector.open", collector(open=True)),
    "no pod of a collector": ("spec.collector.replicas", collector(replicas=0)),
    "an autoscaler without a limit": ("spec.collector.autoscale.max", collector(autoscale={"min": 3})),
    "an autoscaler from more to fewer": (
        "spec.collector.autoscale.max",
        collector(autoscale={"min": 3, "max": 2}),
    ),
    "an autoscaler from the default to fewer": (
        "spec.collector.autoscale.max",
        collector(autoscale={"max": 1}),
    ),
    "an autoscaler without CPU": (
        "spec.collector.resources.requests",
        collector(**SCALED, resources={"requests": {"memory": "1Gi"}}),
    ),
    "a body of nothing": ("spec.collector.maxBodyBytes", collector(maxBodyBytes=0)),
    "an address kept whole": ("spec.collector.context.ip", collector(context={"ip": "keep"})),
    "a proxy that is no network": ("spec.collector.trustedProxies[0]", collector(trustedProxies=["proxy"])),
    "an ingress without a host": ("spec.collector.ingress.host", collector(ingress={})),
    "an ingress with a scheme": ("spec.collector.ingress.host", collector(ingress={"host": "https://a.b"})),
    "an annotation of ours": (
        "spec.collector.ingress.annotations.clickstream.dev/applied-hash",
        collector(ingress={"host": "a.b", "annotations": {"clickstream.dev/applied-hash": "x"}}),
    ),
    "a route without a gateway": ("spec.collector.gateway.name", collector(gateway={"host": "a.b"})),
    "a user without authentication": (
        "spec.collector.kafkaUser",
        collector(kafkaUser="storefront-collector"),
    ),
}

INVALID_FOR_THE_PARSER_ALONE: dict[str, tuple[str, Changes]] = {
    "a proxy with bits beyond its length": (
        "spec.collector.trustedProxies[0]",
        collector(trustedProxies=["10.0.0.1/8"]),
    ),
    "a proxy with too long a length": (
        "spec.collector.trustedProxies[0]",
        collector(trustedProxies=["10.0.0.0/99"]),
    ),
}
