"""`spec.collector`: the pods that take clicks over HTTP."""

from typing import Literal

from pydantic import Field

from clickstream_operator.spec import fields
from clickstream_operator.spec.model import Model


class Context(Model):
    """What is kept of a visitor."""

    ip: Literal["drop", "truncate"] = "truncate"
    user_agent: Literal["keep", "drop"] = "keep"
    bots: Literal["flag", "drop"] = "flag"


class CollectorAutoscale(Model):
    """A HorizontalPodAutoscaler by CPU; without it `replicas` pods run."""

    min: int = Field(default=2, ge=1, le=100)
    max: int = Field(ge=1, le=100)
    cpu_percent: int = Field(default=60, ge=1, le=100)  # of the requested CPU


class Ingress(Model):
    """An Ingress to the collector's Service."""

    host: fields.DnsName
    class_name: fields.ObjectName | None = None  # None: the cluster's default
    tls_secret: fields.ObjectName | None = None  # None: no TLS here
    annotations: dict[fields.Annotation, fields.AnnotationValue] = Field(default={}, max_length=50)


class Gateway(Model):
    """An HTTPRoute of the Gateway API to the collector's Service; TLS is the Gateway's."""

    host: fields.DnsName
    name: fields.ObjectName  # of the Gateway
    namespace: fields.ObjectName | None = None  # of the Gateway; None: the pipeline's
    section_name: fields.ObjectName | None = None  # of its listener; None: all


class CollectorResources(Model):
    requests: dict[fields.ResourceName, fields.Quantity] = Field(
        default={"cpu": "250m", "memory": "256Mi"}, max_length=20
    )
    limits: dict[fields.ResourceName, fields.Quantity] = Field(default={"memory": "512Mi"}, max_length=20)


class Collector(Model):
    replicas: int = Field(default=2, ge=1, le=100)
    autoscale: CollectorAutoscale | None = None
    keys_secret: fields.ObjectName | None = None  # key `keys`: write keys, one a line
    open: bool = False  # no write key is needed
    kafka_user: fields.ObjectName | None = None  # Secret of a user of its own; None: the processors'
    max_body_bytes: int = Field(default=524_288, ge=1_024, le=67_108_864)
    context: Context = Context()
    trusted_proxies: list[fields.Cidr] = Field(default=[], max_length=50)
    resources: CollectorResources = CollectorResources()
    ingress: Ingress | None = None
    gateway: Gateway | None = None
