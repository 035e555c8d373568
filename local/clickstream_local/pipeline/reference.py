"""The reference pipeline of examples/storefront.yaml, with the addresses of this machine.

The document goes through the operator's own parser and builders, so what runs here is what the
operator would apply: only addresses and sizes differ.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from clickstream_operator.manifests.names import internal_topic
from clickstream_operator.manifests.settings import settings_document
from clickstream_operator.manifests.topics import topic_specs
from clickstream_operator.spec.clickpipeline import ClickPipeline, parse
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from clickstream_local.errors import CannotStart
from clickstream_local.machine.ports import HOST
from clickstream_local.parts.collector import IDENTITIES

EXAMPLE = Path(__file__).parents[3] / "examples" / "storefront.yaml"


@dataclass(frozen=True, slots=True)
class Place:
    """Where this machine's parts are, and the sizes that fit it."""

    bootstrap: str
    postgres_port: int
    search_url: str
    search_engine: str
    query_port: int  # pod i listens on query_port + i
    admin_port: int  # pod i listens on admin_port + i
    pods: int = 2
    replicas: int = 1  # of the topics


def load(example: Path, place: Place) -> ClickPipeline:
    """Return the example as it runs here. Raises InvalidSpec or, without a file, CannotStart."""
    if not example.exists():
        raise CannotStart(f"{example} is missing: name a ClickPipeline with --pipeline")
    document = yaml.safe_load(example.read_text())
    here = _here(place)
    spec = document.get("spec") or {}
    # What the pipeline leaves out is not brought in by its address.
    if "postgres" not in (spec.get("source") or {}):
        del here["source"]
    if not spec.get("sink"):
        del here["sink"]
    return parse(_merged(document, {"spec": here}))


def _here(place: Place) -> dict[str, Any]:
    return {
        "kafka": {"bootstrapServers": place.bootstrap, "tls": None, "authentication": None},
        "source": {"postgres": {"host": HOST, "port": place.postgres_port}},
        "topics": {"replicas": place.replicas},
        "sink": {
            "search": {
                "url": place.search_url,
                "engine": place.search_engine,
                "credentialsSecret": None,
                "tls": None,
            }
        },
        "processors": {"replicas": place.pods, "standbys": min(1, place.pods - 1)},
        "query": {"port": place.query_port, "tokensSecret": None},
    }


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for name, value in over.items():
        inner = merged.get(name)
        deeper = isinstance(value, Mapping) and isinstance(inner, Mapping)
        merged[name] = _merged(inner, value) if deeper else value  # type: ignore[arg-type]
    return merged


def write_settings(pipeline: ClickPipeline, place: Place, file: Path) -> None:
    """Write the file that CLICKSTREAM_SETTINGS names, the same as the operator's ConfigMap holds."""
    document = settings_document(pipeline, HOST, place.admin_port, 1)
    file.write_text(json.dumps(document, indent=2) + "\n")


def write_secret(folder: Path, name: str, values: Mapping[str, str]) -> None:
    """Write one Secret as files folder/NAME/KEY, readable by this user only."""
    secret = folder / name
    secret.mkdir(parents=True, exist_ok=True)
    secret.chmod(0o700)
    for key, value in values.items():
        (secret / key).write_text(value)


def create_topics(pipeline: ClickPipeline, bootstrap: str) -> None:
    """Create the pipeline's topics; those that exist stay as they are."""
    wanted = [
        NewTopic(spec.name, spec.partitions, replication_factor=spec.replicas, config=spec.config)
        for spec in topic_specs(pipeline)
    ]
    _create(wanted, bootstrap)


def create_identities(pipeline: ClickPipeline, bootstrap: str) -> None:
    """Create the topic of pairs of ids, which only a collector writes."""
    topics = pipeline.spec.topics
    name = internal_topic(pipeline, IDENTITIES)
    _create([NewTopic(name, topics.partitions, replication_factor=topics.replicas)], bootstrap)


def _create(wanted: list[NewTopic], bootstrap: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for future in admin.create_topics(wanted).values():
        try:
            future.result(60)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
