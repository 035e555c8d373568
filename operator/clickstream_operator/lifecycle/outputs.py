"""What a pipeline writes, and whether two pipelines write the same without both saying so. Pure.

Clicks are read, and any number may read them. What two write is mixed: counts of two filters in one topic,
documents of two pipelines under one search. Whoever wants that names it in both pipelines.
"""

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from clickstream_operator.manifests import topics
from clickstream_operator.spec.clickpipeline import ClickPipeline

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Output:
    """One topic or index that a pipeline writes."""

    kind: str  # topic, index
    name: str
    field: str  # the path in the spec that names it
    shared: bool  # whether the spec says that others write it too
    places: frozenset[str]  # the Kafka or the engine, by each name it is known by


def kafkas(pipeline: ClickPipeline) -> frozenset[str]:
    """Return the names by which a pipeline knows its Kafka; two that share one name are on the same."""
    kafka = pipeline.spec.kafka
    found = {_place(server, pipeline.namespace) for server in kafka.bootstrap_servers.split(",")}
    if kafka.cluster:
        found.add(f"Kafka {pipeline.namespace}/{kafka.cluster}")
    return frozenset(found)


def outputs_of(pipeline: ClickPipeline) -> tuple[Output, ...]:
    """Return everything that a pipeline writes."""
    given, places = pipeline.spec.topics, kafkas(pipeline)
    fills_profiles = pipeline.has_table or pipeline.source_connector is not None
    named = {
        **({"profiles": given.profiles} if fills_profiles else {}),
        "enriched": given.enriched,
        "metrics": given.metrics,
        "deadLetters": given.dead_letters,
    }
    own = [
        Output("topic", name, f"topics.{field}", field in given.shared, places)
        for field, name in named.items()
    ]
    own += [
        Output("topic", metric.topic, f"processing.metrics[{place}].topic", False, places)
        for place, metric in enumerate(pipeline.spec.processing.metrics)
        if metric.topic
    ]
    if (sessions := pipeline.spec.processing.sessions) is not None:
        own.append(Output("topic", sessions.topic, "processing.sessions.topic", False, places))
    internal = [
        Output("topic", topic.name, "id", False, places)
        for topic in topics.topic_specs(pipeline)
        if topic.internal
    ]
    return (*own, *internal, *_index(pipeline))


def _index(pipeline: ClickPipeline) -> list[Output]:
    search = pipeline.search
    if search is None:
        return []
    url = urlsplit(search.url)
    engine = _place(f"{url.hostname}:{url.port or _PORTS[url.scheme]}", pipeline.namespace)
    engines = frozenset({f"{engine}{url.path.rstrip('/')}"})
    return [Output("index", search.index, "sink.search.index", search.shared, engines)]


def clashes(own: tuple[Output, ...], others: tuple[Output, ...]) -> list[Output]:
    """Return those of a pipeline's outputs that another writes too, and that not both call shared."""
    named = {(other.kind, other.name): other for other in others}
    return [
        output
        for output in own
        if (other := named.get((output.kind, output.name))) is not None
        and output.places & other.places
        and not (output.shared and other.shared)
    ]


def clash_message(found: list[Output], other: object) -> str:
    """Return what to do about outputs that an older pipeline writes."""
    listed = ", ".join(f"{output.kind} {output.name} ({output.field})" for output in found)
    shared = [output.field.removeprefix("topics.") for output in found if output.field.startswith("topics.")]
    words = [f"list {', '.join(shared)} in topics.shared"] if shared else []
    words += ["set sink.search.shared: true" for output in found if output.kind == "index"]
    on_purpose = f"; or, if both shall write it, {' and '.join(words)} of both pipelines" if words else ""
    return f"{listed}: the older pipeline {other} writes it too. Set other names{on_purpose}."


def _place(address: str, namespace: str) -> str:
    """Return an address of host:port in one spelling; of a host with a name the port says nothing more.

    A bare name is a Service of the pipeline's own namespace.
    """
    host, _, port = address.lower().rpartition(":")
    host = host.strip("[]").removesuffix(".cluster.local")
    if host == "localhost" or _is_ip(host):
        return f"{host}:{port}"
    if host.count(".") == 0:
        return f"{host}.{namespace}.svc"
    return f"{host}.svc" if host.count(".") == 1 else host


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
