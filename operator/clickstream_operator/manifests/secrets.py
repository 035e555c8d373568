"""The Secrets a pipeline refers to, and the one it makes for itself."""

import base64
from dataclasses import dataclass
from typing import Any

from clickstream_operator.manifests.names import labels, names_of
from clickstream_operator.spec.clickpipeline import ClickPipeline

PEER_KEY = "key"
WRITE_KEYS = "keys"  # of the collector, one a line


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
    uses = [SecretUse(spec.source.postgres.credentials_secret, user_and_password, by_connect=True)]
    if search := spec.sink.search.credentials_secret:
        uses.append(SecretUse(search, user_and_password, by_connect=True, by_processors=True))
    if tls := spec.sink.search.tls:
        uses.append(SecretUse(tls.ca_secret, ("ca.crt",), by_connect=True, by_processors=True))
    if spec.kafka.tls:
        uses.append(
            SecretUse(
                spec.kafka.tls.ca_secret, ("ca.crt",), by_processors=True, by_collector=bool(spec.collector)
            )
        )
    if user := spec.kafka.authentication:
        keys = ("password",) if user.type == "scram-sha-512" else ("user.crt", "user.key")
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
    needed = {kafka.tls.ca_secret} if kafka.tls else set()
    if user := kafka.authentication:
        needed.add(user.controller_user or user.user)
    return needed


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
