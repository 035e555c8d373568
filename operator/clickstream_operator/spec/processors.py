"""The pods of a pipeline: how many, what each gets, and when there shall be more."""

from typing import Literal

from pydantic import Field

from clickstream_operator.spec import fields
from clickstream_operator.spec.model import Model


class Storage(Model):
    size: fields.Quantity = "10Gi"
    storage_class_name: fields.ObjectName | None = None
    recreate_lost: bool = False


class Autoscale(Model):
    mode: Literal["report", "act"] = "report"
    min: int = Field(default=1, ge=1, le=1000)
    max: int = Field(ge=1, le=1000)
    target_lag: fields.TargetLag = "30s"
    stabilization: fields.Stabilization = "5m"
    cooldown: fields.Cooldown = "10m"


class Resources(Model):
    requests: dict[fields.ResourceName, fields.Quantity] = Field(
        default={"cpu": "1", "memory": "1Gi"}, max_length=20
    )
    limits: dict[fields.ResourceName, fields.Quantity] = Field(default={"memory": "1Gi"}, max_length=20)


class Processors(Model):
    replicas: int = Field(default=3, ge=1, le=1000)
    standbys: int = Field(default=1, ge=0, le=5)
    failover_after: fields.FailoverAfter = "5s"
    storage: Storage = Storage()
    resources: Resources = Resources()
    autoscale: Autoscale | None = None
