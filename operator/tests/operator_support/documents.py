"""Documents that are right and documents that are wrong: the parser and the API server get the same.

A case is a change to the reference example: dotted path -> value, REMOVE to take a field away.
"""

import copy
from typing import Any

import yaml

from operator_support import (
    REPOSITORY,
    collector_documents,
    dedup_documents,
    metric_documents,
    session_documents,
    source_documents,
)

REMOVE = object()
Changes = dict[str, Any]

TOKENS: Changes = {
    "type": "oauthbearer",
    "user": "storefront",
    "oauth": {"tokenEndpoint": "https://sso.example.com/token"},
}


def tokens(**more: Any) -> Changes:
    """Return tokens of an endpoint about which this is said, too."""
    return TOKENS | {"oauth": TOKENS["oauth"] | more}


VALID: dict[str, Changes] = {
    "the reference": {},
    "nulls as if absent": {
        "id": None,
        "processing.window.advance": None,
        "query": None,
        "topics.clicks": None,
    },
    "an id of its own": {"id": "team-a.shop.storefront"},
    "topics made elsewhere": {"topics.manage": False, "kafka.cluster": REMOVE},
    "as many pods as partitions": {"processors.replicas": 12},
    "several brokers": {"kafka.bootstrapServers": "a:9092,b.example.com:9093,[2001:db8::1]:9092"},
    "mutual TLS": {
        "kafka.tls": {"caSecret": "ca"},
        "kafka.authentication": {"type": "tls", "user": "storefront"},
    },
    "TLS by the system's authorities": {"kafka.tls": {}},
    "SCRAM-SHA-256": {"kafka.authentication": {"type": "scram-sha-256", "user": "storefront"}},
    "a password over TLS": {"kafka.tls": {}, "kafka.authentication": {"type": "plain", "user": "storefront"}},
    "a password in clear text on purpose": {
        "kafka.authentication": {"type": "plain", "user": "storefront", "allowClearText": True}
    },
    "tokens": {"kafka.tls": {}, "kafka.authentication": TOKENS},
    "tokens with all said": {
        "kafka.tls": {"caSecret": "ca"},
        "kafka.authentication": TOKENS
        | {
            "controllerUser": "operator",
            "oauth": {
                "tokenEndpoint": "https://sso:8443/realms/kafka/protocol/openid-connect/token",
                "scope": "api://kafka/.default offline",
                "extensions": {"logicalCluster": "lkc-1", "identityPoolId": "pool-1"},
                "caSecret": "sso-ca",
            },
        },
    },
    "tokens in clear text on purpose": {
        "kafka.authentication": TOKENS
        | {"oauth": {"tokenEndpoint": "http://sso/token"}, "allowClearText": True}
    },
    "SCRAM without TLS": {"kafka.authentication": {"type": "scram-sha-512", "user": "storefront"}},
    "a Kafka user of the operator's own": {
        "kafka.authentication": {"type": "scram-sha-512", "user": "storefront", "controllerUser": "operator"}
    },
    "hopping windows": {"processing.window": {"size": "10m", "advance": "1m"}},
    "advance as long as size": {"processing.window": {"size": "10m", "advance": "600s"}},
    "no grace": {"processing.window": {"grace": "0s"}},
    "every click": {"processing.filter": ""},
    "an empty transform": {"processing.transform": {}},
    "a computed field": {"processing.transform": {"set": {"vip": 'profile.plan_tier == "premium"'}}},
    "a dropped field": {"processing.transform": {"drop": ["user_name"]}},
    "a search engine behind a path": {"sink.search.url": "https://search.example.com:9243/team"},
    "a search engine with a CA of its own": {
        "sink.search.url": "https://search:9200",
        "sink.search.tls": {"caSecret": "search-ca"},
    },
    "a search engine with an API key": {
        "sink.search.engine": "elasticsearch",
        "sink.search.apiKeySecret": "key",
    },
    "a topic with capitals": {"topics.clicks": "Shop_Clicks.v1"},
    "resources as numbers": {"processors.resources": {"limits": {"cpu": 2, "memory": "1.5Gi"}}},
    "a device": {"processors.resources": {"limits": {"nvidia.com/gpu": 1}}},
    "pods by lag": {"processors.autoscale": {"max": 6}},
    "pods by lag, all said": {
        "processors.autoscale": {
            "mode": "act",
            "min": 2,
            "max": 12,
            "targetLag": "1m",
            "stabilization": "90s",
            "cooldown": "0s",
        }
    },
    "lost volumes created again": {"processors.storage": {"recreateLost": True}},
    "clicks of any partitioner": {"topics.partitioner": "any"},
    "outputs shared on purpose": {"topics.shared": ["deadLetters", "enriched"], "sink.search.shared": True},
    "unmatched clicks dropped": {"processing.join": {"type": "inner", "unmatched": "drop"}},
    "a table that needs quotes": {"source.postgres.table": '"tenant-1"."User Profiles"'},
    "a table with a dot in its name": {"source.postgres.table": 'public."a.b"'},
    "columns chosen": {"source.postgres.columns": ["name", "Plan Tier", "größe"]},
    "no column but the key": {"source.postgres.key": "User ID", "source.postgres.columns": []},
}

# path that the problem is about, then the changes
INVALID: dict[str, tuple[str, Changes]] = {
    "no kafka": ("spec.kafka", {"kafka": REMOVE}),
    "no host": ("spec.source.postgres.host", {"source.postgres.host": REMOVE}),
    "a required field that is null": ("spec.sink.search.url", {"sink.search.url": None}),
    "an unknown field": ("spec.conect", {"conect": {"cluster": "x"}}),
    "an unknown nested field": ("spec.source.postgres.password", {"source.postgres.password": "hunter2"}),
    "a number as text": ("spec.source.postgres.port", {"source.postgres.port": "5432"}),
    "a text as number": ("spec.source.postgres.host", {"source.postgres.host": 10}),
    "a port out of range": ("spec.source.postgres.port", {"source.postgres.port": 70000}),
    "no pod": ("spec.processors.replicas", {"processors.replicas": 0}),
    "more pods than partitions": ("spec.processors.replicas", {"processors.replicas": 13}),
    "more pods than given partitions": (
        "spec.processors.replicas",
        {"processors.replicas": 5, "topics.partitions": 4},
    ),
    "more pods by lag than partitions": (
        "spec.processors.autoscale.max",
        {"processors.autoscale": {"max": 13}},
    ),
    "no limit of pods by lag": ("spec.processors.autoscale.max", {"processors.autoscale": {"min": 1}}),
    "a lower limit above the upper one": (
        "spec.processors.autoscale.min",
        {"processors.autoscale": {"min": 3, "max": 2}},
    ),
    "a target lag of nothing": (
        "spec.processors.autoscale.targetLag",
        {"processors.autoscale": {"max": 6, "targetLag": "0s"}},
    ),
    "an unknown autoscaling": (
        "spec.processors.autoscale.mode",
        {"processors.autoscale": {"max": 6, "mode": "guess"}},
    ),
    "managed topics without a cluster": ("spec.kafka.cluster", {"kafka.cluster": REMOVE}),
    "TLS user without TLS": (
        "spec.kafka.tls",
        {"kafka.authentication": {"type": "tls", "user": "storefront"}},
    ),
    "a CA for plain http": ("spec.sink.search.url", {"sink.search.tls": {"caSecret": "search-ca"}}),
    "an API key beside a user": (
        "spec.sink.search.apiKeySecret",
        {
            "sink.search.engine": "elasticsearch",
            "sink.search.apiKeySecret": "key",
            "sink.search.credentialsSecret": "user",
        },
    ),
    "an API key for OpenSearch": ("spec.sink.search.apiKeySecret", {"sink.search.apiKeySecret": "key"}),
    "an API key for a sink that sends none": (
        "spec.sink.search.apiKeySecret",
        {
            "sink.search.engine": "elasticsearch",
            "sink.search.apiKeySecret": "key",
            "sink.search.connector": "elasticsearch",
        },
    ),
    "an unknown mechanism": (
        "spec.kafka.authentication.type",
        {"kafka.authentication": {"type": "gssapi", "user": "storefront"}},
    ),
    "a password in clear text": (
        "spec.kafka.tls",
        {"kafka.authentication": {"type": "plain", "user": "storefront"}},
    ),
    "tokens in clear text": ("spec.kafka.tls", {"kafka.authentication": TOKENS}),
    "tokens from nowhere": (
        "spec.kafka.authentication.oauth",
        {"kafka.tls": {}, "kafka.authentication": {"type": "oauthbearer", "user": "storefront"}},
    ),
    "tokens that nobody asks for": (
        "spec.kafka.authentication.oauth",
        {"kafka.tls": {}, "kafka.authentication": TOKENS | {"type": "scram-sha-256"}},
    ),
    "a client's secret in clear text": (
        "spec.kafka.authentication.oauth.tokenEndpoint",
        {"kafka.tls": {}, "kafka.authentication": TOKENS | {"oauth": {"tokenEndpoint": "http://sso/token"}}},
    ),
    "an endpoint with a user": (
        "spec.kafka.authentication.oauth.tokenEndpoint",
        {"kafka.tls": {}, "kafka.authentication": TOKENS | {"oauth": {"tokenEndpoint": "https://a:b@sso/t"}}},
    ),
    "a scope that ends the form's field": (
        "spec.kafka.authentication.oauth.scope",
        {"kafka.tls": {}, "kafka.authentication": tokens(scope="a&audience=b")},
    ),
    "an extension that is two": (
        "spec.kafka.authentication.oauth.extensions.logicalCluster",
        {"kafka.tls": {}, "kafka.authentication": tokens(extensions={"logicalCluster": "a,b=c"})},
    ),
    "an extension with a reserved name": (
        "spec.kafka.authentication.oauth.extensions.auth",
        {"kafka.tls": {}, "kafka.authentication": tokens(extensions={"auth": "x"})},
    ),
    "brokers without port": (
        "spec.kafka.bootstrapServers",
        {"kafka.bootstrapServers": "events-kafka-bootstrap"},
    ),
    "an id with capitals": ("spec.id", {"id": "Shop.storefront"}),
    "an id with two dots": ("spec.id", {"id": "shop..storefront"}),
    "a topic with a slash": ("spec.topics.clicks", {"topics.clicks": "user/clicks"}),
    "a topic of dots": ("spec.topics.clicks", {"topics.clicks": ".."}),
    "one topic twice": ("spec.topics.clicks", {"topics.clicks": "enriched-clicks"}),
    "a partitioner that is none": ("spec.topics.partitioner", {"topics.partitioner": "crc32"}),
    "a word for clicks, which all may read": ("spec.topics.shared[0]", {"topics.shared": ["clicks"]}),
    "a table without schema": ("spec.source.postgres.table", {"source.postgres.table": "user_profiles"}),
    "a table with a blank and no quotes": (
        "spec.source.postgres.table",
        {"source.postgres.table": "public.User Profiles"},
    ),
    "a table with one quote": ("spec.source.postgres.table", {"source.postgres.table": 'public."users'}),
    "a key in quotes": ("spec.source.postgres.key", {"source.postgres.key": '"User ID"'}),
    "a key without a name": ("spec.source.postgres.key", {"source.postgres.key": ""}),
    "a column with a backslash": ("spec.source.postgres.columns[0]", {"source.postgres.columns": ["a\\b"]}),
    "a slot with a hyphen": ("spec.source.postgres.slot", {"source.postgres.slot": "shop-storefront"}),
    "a placeholder in a host": (
        "spec.source.postgres.host",
        {"source.postgres.host": "${file:/etc/passwd:x}"},
    ),
    "a placeholder in a filter": (
        "spec.processing.filter",
        {"processing.filter": 'click.action == "${a:b}"'},
    ),
    "a placeholder in a transform": (
        "spec.processing.transform.set.x",
        {"processing.transform": {"set": {"x": '"${a:b}"'}}},
    ),
    "a placeholder in a URL": ("spec.sink.search.url", {"sink.search.url": "http://search/${env:HOME}"}),
    "another scheme": ("spec.sink.search.url", {"sink.search.url": "ftp://search:21"}),
    "user info in a URL": ("spec.sink.search.url", {"sink.search.url": "http://u:hunter2@search:9200"}),
    "a query in a URL": ("spec.sink.search.url", {"sink.search.url": "http://search:9200/?a=b"}),
    "an index with capitals": ("spec.sink.search.index", {"sink.search.index": "Clicks"}),
    "an index retention in hours": ("spec.sink.search.retention", {"sink.search.retention": "36h"}),
    "no task": ("spec.sink.search.tasksMax", {"sink.search.tasksMax": 0}),
    "an unknown sink": ("spec.sink.search.connector", {"sink.search.connector": "camel"}),
    "an unknown join": ("spec.processing.join.type", {"processing.join": {"type": "outer"}}),
    "a window without unit": ("spec.processing.window.size", {"processing.window": {"size": "300"}}),
    "a window below a second": ("spec.processing.window.size", {"processing.window": {"size": "500ms"}}),
    "a window too long": ("spec.processing.window.size", {"processing.window": {"size": "745h"}}),
    "advance over size": (
        "spec.processing.window.advance",
        {"processing.window": {"size": "5m", "advance": "10m"}},
    ),
    "advance over the default size": (
        "spec.processing.window.advance",
        {"processing.window": {"advance": "6m"}},
    ),
    "a grace in days": ("spec.processing.window.grace", {"processing.window": {"grace": "1d"}}),
    "commits too close": ("spec.processing.commitInterval", {"processing.commitInterval": "5ms"}),
    "commits too far apart": ("spec.processing.commitInterval", {"processing.commitInterval": "11s"}),
    "fail-over too soon": ("spec.processors.failoverAfter", {"processors.failoverAfter": "1s"}),
    "a transform of the document's id": (
        "spec.processing.transform.set.event_id",
        {"processing.transform": {"set": {"event_id": "click.user_id"}}},
    ),
    "a transform without the event time": (
        "spec.processing.transform.drop[0]",
        {"processing.transform": {"drop": ["timestamp"]}},
    ),
    "a field set and dropped": (
        "spec.processing.transform.set.x",
        {"processing.transform": {"set": {"x": "1"}, "drop": ["x"]}},
    ),
    "a field that is no name": (
        "spec.processing.transform.set.a-b",
        {"processing.transform": {"set": {"a-b": "1"}}},
    ),
    "a volume without size": ("spec.processors.storage.size", {"processors.storage": {"size": "large"}}),
    "a resource that is no name": (
        "spec.processors.resources.limits.Memory!",
        {"processors.resources": {"limits": {"Memory!": "1Gi"}}},
    ),
    "memory that is no quantity": (
        "spec.processors.resources.limits.memory",
        {"processors.resources": {"limits": {"memory": "lots"}}},
    ),
    "the admin port for queries": ("spec.query.port", {"query.port": 8081}),
    "a port that needs root": ("spec.query.port", {"query.port": 80}),
    "a provider with a colon": ("spec.connect.secretsProvider", {"connect.secretsProvider": "a:b"}),
    "an unknown policy": ("spec.deletionPolicy", {"deletionPolicy": "Orphan"}),
}

# What the API server cannot know: the operator says it in a condition.
INVALID_FOR_THE_PARSER_ALONE: dict[str, tuple[str, Changes]] = {
    "a filter that is no condition": ("spec.processing.filter", {"processing.filter": "click.action"}),
    "a filter of wrong types": ("spec.processing.filter", {"processing.filter": "click.timestamp > 'noon'"}),
    "a filter that does not parse": ("spec.processing.filter", {"processing.filter": "click.action =="}),
    "an unknown record": ("spec.processing.filter", {"processing.filter": "clik.action == 'view'"}),
    "a field that JSON lacks": (
        "spec.processing.transform.set.at",
        {"processing.transform": {"set": {"at": "timestamp(click.timestamp)"}}},
    ),
}

for more in (
    collector_documents,
    dedup_documents,
    metric_documents,
    session_documents,
    source_documents,
):
    VALID |= more.VALID
    INVALID |= more.INVALID
    INVALID_FOR_THE_PARSER_ALONE |= more.INVALID_FOR_THE_PARSER_ALONE


def reference() -> dict[str, Any]:
    """Return the reference example, without metrics and sessions: others of this folder have some."""
    document = dict(yaml.safe_load((REPOSITORY / "examples/storefront.yaml").read_text()))
    for name in ("metrics", "sessions"):
        document["spec"]["processing"].pop(name, None)
    return document


def changed(changes: Changes, document: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the reference example (or a document) with changes."""
    changed_document = copy.deepcopy(document or reference())
    for path, value in changes.items():
        *parents, last = path.split(".")
        section = changed_document["spec"]
        for parent in parents:
            section = section.setdefault(parent, {})
        if value is REMOVE:
            del section[last]
        else:
            section[last] = value
    return changed_document
