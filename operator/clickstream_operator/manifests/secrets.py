"""The Secrets a pipeline refers to, and the one it makes for itself."""

import base64
from dataclasses import dataclass
from typing import Any

from clickstream_operator.manifests.names import labels, names_of
from clickstream_operator.spec.clickpipeline import ClickPipeline
from clickstream_operator.spec.kafka import Kafka

PEER_KEY = "key"
API_KEY = "apiKey"  # of Elasticsearch, as it calls it encoded
WRITE_KEYS = "keys"  # of the collector, one a line
# What a Kafka user's Secret must have, by the type of authentication. It may have the user's name too, where
# that is not the Secret's own: `username`, and `clientId` for oauthbearer.
USER_KEYS: dict[str, tuple[str, ...]] = {
    "scram-sha-256": ("password",),
    "scram-sha-512": ("password",),
    "plain": ("password",),
    "tls": ("user.crt", "user.key"),
    "oauthbearer": ("clientSecret",),
}


@dataclass(frozen=True, slots=True)
class SecretUse:
    """One Secret, the keys it must have, and who reads it."""

    name: str
    keys: tuple[str, ...]
    by_connect: bool = False
    by_processors: bool = False
    by_collector: bool = False


def secret_uses(pipeline: ClickPipeline) -> list[SecretUse]:
    """Return every Secret the pipeline refers to, each once; the peer key is not among them."""
    spec = pipeline.spec
    user_and_password = ("username", "password")
    uses = []
    if pipeline.has_table:
        uses.append(SecretUse(pipeline.postgres.credentials_secret, user_and_password, by_connect=True))
    chosen = [sink.connector for sink in spec.sinks]
    for connector in [*([pipeline.source_connector] if pipeline.source_connector else []), *chosen]:
        uses += [SecretUse(use.name, (use.key,), by_connect=True) for use in connector.secrets.values()]
    search = pipeline.search
    if search and search.credentials_secret:
        name = search.credentials_secret
        uses.append(SecretUse(name, user_and_password, by_connect=True, by_processors=True))
    if search and search.api_key_secret:
        uses.append(SecretUse(search.api_key_secret, (API_KEY,), by_connect=True, by_processors=True))
    if search and search.tls:
        uses.append(SecretUse(search.tls.ca_secret, ("ca.crt",), by_connect=True, by_processors=True))
    has_collector = spec.collector is not None
    uses += [
        SecretUse(authority, ("ca.crt",), by_processors=True, by_collector=has_collector)
        for authority in kafka_authorities(spec.kafka)
    ]
    if user := spec.kafka.authentication:
        keys = USER_KEYS[user.type]
        uses.append(SecretUse(user.user, keys, by_processors=True))
        if spec.collector:
            uses.append(SecretUse(spec.collector.kafka_user or user.user, keys, by_collector=True))
        if user.controller_user:
            uses.append(SecretUse(user.controller_user, keys))
    if tokens := spec.query.tokens_secret:
        uses.append(SecretUse(tokens, (), by_processors=True))
    if (collector := spec.collector) and collector.keys_secret:
        uses.append(SecretUse(collector.keys_secret, (WRITE_KEYS,), by_collector=True))
    return _merged(uses)


def controller_secrets(pipeline: ClickPipeline) -> set[str]:
    """Return the Secrets that the controller's Kafka clients need."""
    kafka = pipeline.spec.kafka
    needed = set(kafka_authorities(kafka))
    if user := kafka.authentication:
        needed.add(user.controller_user or user.user)
    return needed


def kafka_authorities(kafka: Kafka) -> list[str]:
    """Return the Secrets with a private CA: of the brokers, and of the endpoint that gives tokens."""
    names = [kafka.tls.ca_secret] if kafka.tls else []
    if kafka.authentication and kafka.authentication.oauth:
        names.append(kafka.authentication.oauth.ca_secret)
    return [name for name in names if name]


def search_secrets(pipeline: ClickPipeline) -> list[str]:
    """Return the Secrets with which pods reach the search engine."""
    search = pipeline.search
    if search is None:
        return []
    names = (search.credentials_secret, search.api_key_secret, search.tls.ca_secret if search.tls else None)
    return [name for name in names if name]


def peer_key_secret(pipeline: ClickPipeline, key: str) -> dict[str, Any]:
    """Return the Secret by which the pods of this pipeline know each other."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": names_of(pipeline).peer_key,
            "namespace": pipeline.namespace,
            "labels": labels(pipeline),
        },
        "type": "Opaque",
        "data": {PEER_KEY: base64.b64encode(key.encode()).decode()},
    }


def _merged(uses: list[SecretUse]) -> list[SecretUse]:
    merged: dict[str, SecretUse] = {}
    for use in uses:
        old = merged.get(use.name, SecretUse(use.name, ()))
        merged[use.name] = SecretUse(
            use.name,
            tuple(dict.fromkeys((*old.keys, *use.keys))),
            old.by_connect or use.by_connect,
            old.by_processors or use.by_processors,
            old.by_collector or use.by_collector,
        )
    return list(merged.values())
