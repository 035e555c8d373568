"""Documents with other sources and sinks than a table and a search index, right and wrong."""

from typing import Any

Changes = dict[str, Any]
_REMOVE: Any = None  # null is the same as nothing given

SOURCE = {
    "class": "io.debezium.connector.mysql.MySqlConnector",
    "config": {"topic.prefix": "shop", "transforms": "flat", "transforms.flat.type": "org.example.Flat"},
    "secrets": {"database.password": {"name": "mysql", "key": "password"}},
    "tasksMax": 1,
    "atLeast": 1000,
}
SINK = {
    "name": "lake",
    "topic": "enriched",
    "connector": {
        "class": "io.confluent.connect.s3.S3SinkConnector",
        "config": {"s3.bucket.name": "clicks", "flush.size": "1000", "topics.dir": "${topic}"},
        "secrets": {"aws.secret.access.key": {"name": "s3", "key": "secret"}},
        "tasksMax": 2,
    },
}


def sink(**changes: Any) -> Changes:
    """Return a document's sinks: one, with changes of it or of its connector."""
    own = {name: value for name, value in changes.items() if name in ("name", "topic")}
    connector = {**SINK["connector"], **{n: v for n, v in changes.items() if n not in own}}  # type: ignore[dict-item]
    return {"sinks": [{**SINK, **own, "connector": connector}]}


VALID: dict[str, Changes] = {
    "no source": {"source": _REMOVE},
    "no source, no sink, no Connect": {"source": _REMOVE, "sink": _REMOVE, "connect": _REMOVE},
    "profiles of somebody else": {"source": {"topic": {}}},
    "profiles of somebody else, no Connect": {
        "source": {"topic": {"atLeast": 100}},
        "sink": _REMOVE,
        "connect": _REMOVE,
    },
    "a source connector": {"source": {"connector": SOURCE}},
    "no search": {"sink": _REMOVE},
    "a sink": sink(),
    "a sink without search": {"sink": _REMOVE, **sink()},
    "two sinks": {"sinks": [SINK, {**SINK, "name": "warehouse", "topic": "metrics"}]},
    "a sink of sessions": {"processing.sessions": {}, **sink(topic="sessions")},
    "a sink of a metric": {
        "processing.metrics": [{"name": "sales", "count": {}, "topic": "shop-sales"}],
        **sink(topic="sales"),
    },
    "an option that is no secret, for it says yes": sink(config={"token.refresh": "true"}),
}
INVALID: dict[str, tuple[str, Changes]] = {
    "a source of no kind": ("spec.source", {"source": {}}),
    "a source of two kinds": ("spec.source", {"source.topic": {}}),
    "a table without Connect": ("spec.connect", {"connect": _REMOVE}),
    "a sink without Connect": (
        "spec.connect",
        {"connect": _REMOVE, "source": _REMOVE, "sink": _REMOVE, **sink()},
    ),
    "a source without a class": ("spec.source.connector.class", {"source": {"connector": {}}}),
    "a class without a package": (
        "spec.source.connector.class",
        {"source": {"connector": {**SOURCE, "class": "MySqlConnector"}}},
    ),
    "fewer profiles than none": ("spec.source.topic.atLeast", {"source": {"topic": {"atLeast": -1}}}),
    "a sink of a topic that is none": ("spec.sinks[0].topic", sink(topic="clicks")),
    "a sink of sessions that are not kept": ("spec.sinks[0].topic", sink(topic="sessions")),
    "a sink of a metric without a topic": (
        "spec.sinks[0].topic",
        {"processing.metrics": [{"name": "sales", "count": {}}], **sink(topic="sales")},
    ),
    "two sinks of one name": ("spec.sinks[1].name", {"sinks": [SINK, SINK]}),
    "a sink's name with capitals": ("spec.sinks[0].name", sink(name="Lake")),
    "topics chosen by a sink": (
        "spec.sinks[0].connector.config.topics",
        sink(config={"topics": "user-clicks"}),
    ),
    "a tolerance chosen by a sink": (
        "spec.sinks[0].connector.config.errors.tolerance",
        sink(config={"errors.tolerance": "none"}),
    ),
    "uncommitted records": (
        "spec.sinks[0].connector.config.consumer.override.isolation.level",
        sink(config={"consumer.override.isolation.level": "read_uncommitted"}),
    ),
    "a source's class among its options": (
        "spec.source.connector.config.connector.class",
        {"source": {"connector": {**SOURCE, "config": {"connector.class": "org.example.Other"}}}},
    ),
    "a source's own way out of the profiles": (
        "spec.source.connector.config.transforms.clickstreamProfiles.regex",
        {"source": {"connector": {**SOURCE, "config": {"transforms.clickstreamProfiles.regex": "x"}}}},
    ),
    "a password in plain text": (
        "spec.sinks[0].connector.config.connection.password",
        sink(config={"connection.password": "hunter2"}),
    ),
    "an access key in plain text": (
        "spec.sinks[0].connector.config.aws.access.key.id",
        sink(config={"aws.access.key.id": "AKIA"}),
    ),
    "a secret of another namespace": (
        "spec.sinks[0].connector.config.connection.url",
        sink(config={"connection.url": "${secrets:other/s3:secret}"}),
    ),
    "an option twice": (
        "spec.sinks[0].connector.secrets.s3.region",
        sink(config={"s3.region": "x"}, secrets={"s3.region": {"name": "s3", "key": "region"}}),
    ),
    "the operator's option from a Secret": (
        "spec.sinks[0].connector.secrets.topics",
        sink(secrets={"topics": {"name": "s3", "key": "topics"}}),
    ),
    "a Secret without a key": (
        "spec.sinks[0].connector.secrets.s3.region.key",
        sink(secrets={"s3.region": {"name": "s3"}}),
    ),
    "a number as an option": ("spec.sinks[0].connector.config.flush.size", sink(config={"flush.size": 1000})),
}
# The API server does not know what an expression reads.
INVALID_FOR_THE_PARSER_ALONE: dict[str, tuple[str, Changes]] = {
    "a filter by a profile that is none": (
        "spec.processing.filter",
        {"source": _REMOVE, "processing.filter": 'profile.country == "USA"'},
    ),
    "a field of a profile that is none": (
        "spec.processing.transform.set.vip",
        {"source": _REMOVE, "processing.transform": {"set": {"vip": 'profile.plan_tier == "premium"'}}},
    ),
    "a metric by a profile that is none": (
        "spec.processing.metrics[0].by.country",
        {
            "source": _REMOVE,
            "processing.metrics": [{"name": "sales", "count": {}, "by": {"country": "profile.country"}}],
        },
    ),
}
