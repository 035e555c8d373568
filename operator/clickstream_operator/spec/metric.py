"""`spec.processing.metrics`: what is counted of which clicks or sessions, by which keys, in which windows.

Rules across fields are in metric_rules.py.
"""

from typing import Literal

from pydantic import Field

from clickstream_operator.spec import fields
from clickstream_operator.spec.model import Model

MAX_METRICS = 50
MAX_BY = 3


class MetricWindow(Model):
    """Windows of event time, made of panes of `advance`; None: tumbling, one pane each."""

    size: fields.WindowSize = "5m"
    advance: fields.WindowSize | None = None
    grace: fields.Grace = "1m"
    retention: fields.Retention = "24h"


class MetricKeys(Model):
    """How many keys a pane may have in one task; what is beyond counts under `(other)`."""

    max: int = Field(default=10_000, ge=1, le=100_000)


class Count(Model):
    """Clicks are counted: nothing is to be said of it."""


class Sessions(Model):
    """`spec.processing.sessions`: clicks of a user with at most `gap` between each other."""

    gap: fields.SessionGap = "30m"
    grace: fields.SessionGrace = "1m"
    topic: fields.TopicName = "user-sessions"


class Dedup(Model):
    """`spec.processing.dedup`: clicks of a user with the same `key`, within `for`, are one."""

    key: fields.ClickField = "click.message_id"
    within: fields.DedupSpan = Field(default="1h", alias="for")


class Metric(Model):
    """One metric; exactly one of `count` to `distinct` is there."""

    name: fields.MetricName
    of: Literal["clicks", "sessions"] = "clicks"
    where: fields.MetricCondition = ""
    by: fields.Keys = Field(default={}, max_length=MAX_BY)
    count: Count | None = None
    sum: fields.Number | None = None
    min: fields.Number | None = None
    max: fields.Number | None = None
    avg: fields.Number | None = None
    distinct: fields.Scalar | None = None
    window: MetricWindow = MetricWindow()
    topic: fields.TopicName | None = None
    emit: Literal["updates", "final"] = "updates"
    keys: MetricKeys = MetricKeys()

    def expressions(self) -> list[str]:
        """Return every CEL expression."""
        values = (self.sum, self.min, self.max, self.avg, self.distinct)
        return [self.where, *self.by.values(), *(value for value in values if value is not None)]
