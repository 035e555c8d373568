"""ClickPipeline: the one document a user writes, as frozen values.

`parse` accepts a document as YAML gives it and returns it with every default filled in, or
raises `InvalidSpec` with ALL problems. The CRD in `crds/` says the same to the API server.
`local/` reads the same file through this module, so it knows neither kopf nor Kubernetes.
"""

import difflib
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from pydantic import Field, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from clickstream_operator.errors import InvalidSpec, Problem
from clickstream_operator.spec import fields
from clickstream_operator.spec.chosen import MAX_SINKS, ChosenSink, ProfilesTopic, SourceConnector
from clickstream_operator.spec.collector import Collector
from clickstream_operator.spec.kafka import Kafka
from clickstream_operator.spec.metric import MAX_METRICS, Dedup, Metric, Sessions
from clickstream_operator.spec.model import Model
from clickstream_operator.spec.processors import Processors
from clickstream_operator.spec.rules import broken_rules

API_GROUP = "clickstream.dev"
API_VERSION = "v1alpha1"
KIND = "ClickPipeline"
PLURAL = "clickpipelines"

_TOP_FIELDS = ("apiVersion", "kind", "metadata", "spec", "status")
_OPTIONS = r"spec\.(source|sinks\[\d+\])\.connector\.config"
_SLOT_CHARACTERS = 63
_SHOWN_CHARACTERS = 120


class Tls(Model):
    ca_secret: fields.ObjectName  # key ca.crt


class Connect(Model):
    cluster: fields.ObjectName  # a Strimzi KafkaConnect in the same namespace
    secrets_provider: fields.Alias = "secrets"


class Postgres(Model):
    host: fields.Host
    port: fields.Port = 5432
    database: fields.Database
    table: fields.Table
    key: fields.Column = "user_id"
    # What is sent of a row besides the key and what expressions read; None: the contract's columns.
    columns: list[fields.Column] | None = Field(default=None, max_length=200)
    credentials_secret: fields.ObjectName  # keys username, password
    slot: fields.Slot | None = None
    publication: fields.Slot | None = None


class Source(Model):
    """Exactly one of them is there."""

    postgres: Postgres | None = None
    connector: SourceConnector | None = None
    topic: ProfilesTopic | None = None


class Topics(Model):
    manage: bool = True
    partitions: int = Field(default=12, ge=1, le=1000)
    replicas: int = Field(default=3, ge=1, le=9)
    clicks: fields.TopicName = "user-clicks"
    profiles: fields.TopicName = "user-profiles"
    enriched: fields.TopicName = "enriched-clicks"
    metrics: fields.TopicName = "user-metrics"
    dead_letters: fields.TopicName = "dead-letters"
    partitioner: Literal["murmur2", "any"] = "murmur2"  # of those who write clicks
    compression: Literal["none", "gzip", "snappy", "lz4", "zstd"] = "lz4"
    # Which of them other pipelines write too, on purpose.
    shared: list[Literal["profiles", "enriched", "metrics", "deadLetters"]] = Field(default=[], max_length=4)
    retention: fields.Days = "7d"  # of clicks, enriched clicks and metrics, by the records' time


class Transform(Model):
    set: dict[fields.OutputField, fields.Value] = Field(default={}, max_length=50)
    drop: list[fields.OutputField] = Field(default=[], max_length=50)


class Join(Model):
    type: Literal["inner", "left"] = "inner"
    wait_for_snapshot: bool = True
    unmatched: Literal["deadLetter", "drop"] = "deadLetter"


class Window(Model):
    size: fields.WindowSize = "5m"
    advance: fields.WindowSize | None = None
    grace: fields.Grace = "1m"
    retention: fields.Retention = "1h"
    emit: Literal["updates", "final"] = "updates"


class Processing(Model):
    filter: fields.Condition = 'click.action != "heartbeat"'
    transform: Transform = Transform()
    join: Join = Join()
    window: Window = Window()
    metrics: list[Metric] = Field(default=[], max_length=MAX_METRICS)
    sessions: Sessions | None = None  # None: none are kept
    dedup: Dedup | None = None  # None: every click is another
    late: Literal["deadLetter", "drop"] = "deadLetter"
    max_future: fields.MaxFuture = "1h"
    commit_interval: fields.CommitInterval = "100ms"


class Search(Model):
    engine: Literal["opensearch", "elasticsearch"] = "opensearch"
    url: fields.HttpUrl
    index: fields.IndexPrefix = "enriched-clicks"
    shared: bool = False  # whether other pipelines write the same index, on purpose
    retention: fields.Days = "30d"
    credentials_secret: fields.ObjectName | None = None  # keys username, password
    api_key_secret: fields.ObjectName | None = None  # key apiKey
    tls: Tls | None = None
    connector: Literal["clickstream", "opensearch", "elasticsearch"] = "clickstream"
    tasks_max: int = Field(default=2, ge=1, le=1000)


class Sink(Model):
    search: Search


class Query(Model):
    port: int = Field(default=8080, ge=1024, le=65535)
    tokens_secret: fields.ObjectName | None = None


class Spec(Model):
    """`spec` of a ClickPipeline: every field of the contract."""

    id: fields.PipelineId
    kafka: Kafka
    connect: Connect | None = None  # None: nothing needs one
    source: Source | None = None  # None: there are no profiles, and no join
    topics: Topics = Topics()
    processing: Processing = Processing()
    sink: Sink | None = None  # None: there is no search
    sinks: list[ChosenSink] = Field(default=[], max_length=MAX_SINKS)
    processors: Processors = Processors()
    query: Query = Query()
    collector: Collector | None = None  # None: nothing takes clicks over HTTP
    deletion_policy: Literal["Retain", "Delete"] = "Retain"


@dataclass(frozen=True, slots=True)
class ClickPipeline:
    """One pipeline: who it is and what it shall be."""

    name: str
    namespace: str
    spec: Spec

    @property
    def id(self) -> str:
        """Return the prefix of its topics, transactional ids, group and replication slot."""
        return self.spec.id

    @property
    def search(self) -> Search | None:
        """Return the search index, None where there is none."""
        return self.spec.sink.search if self.spec.sink else None

    @property
    def has_table(self) -> bool:
        """Tell whether profiles come from a table of PostgreSQL."""
        return self.spec.source is not None and self.spec.source.postgres is not None

    @property
    def postgres(self) -> Postgres:
        """Return the table. Raises LookupError where there is none: ask `has_table` first."""
        if self.spec.source is None or self.spec.source.postgres is None:
            raise LookupError(f"pipeline {self.name} reads no table")
        return self.spec.source.postgres

    @property
    def source_connector(self) -> SourceConnector | None:
        """Return the source that the pipeline chose, None where it has another or none."""
        return self.spec.source.connector if self.spec.source else None

    @property
    def at_least(self) -> int:
        """Return how many profiles must be in their topic before the first click, where no table says it."""
        source = self.spec.source
        chosen = source and (source.connector or source.topic)
        return chosen.at_least if chosen else 0

    @property
    def connect(self) -> Connect:
        """Return the Kafka Connect. Raises LookupError where none is named, since nothing needs it."""
        if self.spec.connect is None:
            raise LookupError(f"pipeline {self.name} names no Kafka Connect")
        return self.spec.connect


def parse(document: Mapping[str, Any]) -> ClickPipeline:
    """Return the pipeline a document describes, defaults filled in.

    An explicit null is the same as nothing given, as for the API server.
    Raises InvalidSpec with every problem, in the document's order of sections.
    """
    problems, name, namespace = _identity(document)
    raw = _without_nulls(document.get("spec") or {})
    if not isinstance(raw, dict):
        raise InvalidSpec([*problems, Problem("spec", _shown(raw), "must be an object")])
    raw.setdefault("id", f"{namespace}.{name}")
    spec = None
    try:
        spec = Spec.model_validate(raw)
    except ValidationError as error:
        problems += [_problem(detail) for detail in error.errors(include_url=False)]
    problems += [p for p in _placeholders(raw, "spec") if p.path not in {q.path for q in problems}]
    problems += broken_rules(raw, defaults=_DEFAULTS, metric=_defaults(Metric))
    if problems or spec is None:
        raise InvalidSpec(problems)
    return ClickPipeline(name, namespace, _with_slot(spec))


def slot_of(pipeline_id: str) -> str:
    """Return the replication slot's name for an id; distinct ids give distinct names.

    PostgreSQL allows 63 of a-z, 0-9 and _. A dot never stands beside a hyphen in an id, so one
    underscore for a dot and two for a hyphen cannot be confused; longer names end in a hash.
    """
    name = pipeline_id.replace("-", "__").replace(".", "_")
    if len(name) <= _SLOT_CHARACTERS:
        return name
    digest = hashlib.sha256(pipeline_id.encode()).hexdigest()[:10]
    return f"{name[: _SLOT_CHARACTERS - 11]}_{digest}"


def _with_slot(spec: Spec) -> Spec:
    if spec.source is None or spec.source.postgres is None:
        return spec
    postgres = spec.source.postgres
    names = {
        "slot": postgres.slot or slot_of(spec.id),
        "publication": postgres.publication or slot_of(spec.id),
    }
    source = spec.source.model_copy(update={"postgres": postgres.model_copy(update=names)})
    return spec.model_copy(update={"source": source})


def _identity(document: Mapping[str, Any]) -> tuple[list[Problem], str, str]:
    problems = [
        Problem(path, _shown(document.get(path)), f"must be {expected}")
        for path, expected in (("apiVersion", f"{API_GROUP}/{API_VERSION}"), ("kind", KIND))
        if document.get(path) != expected
    ]
    problems += [
        Problem(name, _shown(value), f"unknown field; known are {', '.join(_TOP_FIELDS)}")
        for name, value in document.items()
        if name not in _TOP_FIELDS
    ]
    metadata = document.get("metadata") or {}
    name, namespace = metadata.get("name"), metadata.get("namespace") or "default"
    if not isinstance(name, str) or not re.fullmatch(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?", name):
        allowed = "must be 1 to 40 lower-case letters, digits and hyphens, a letter first"
        problems.append(Problem("metadata.name", _shown(name), allowed))
    return problems, str(name), str(namespace)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_nulls(inner) for name, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value


def _placeholders(value: Any, path: str) -> list[Problem]:
    """Find `${`: Connect's config providers would replace it, with a secret of another team perhaps."""
    if re.fullmatch(_OPTIONS, path):
        return []  # a connector's own templates may stand there, see fields.OptionValue
    if isinstance(value, dict):
        found = [Problem(path, _shown(name), "must not hold ${") for name in value if "${" in str(name)]
        return found + [p for name, inner in value.items() for p in _placeholders(inner, f"{path}.{name}")]
    if isinstance(value, list):
        return [p for i, inner in enumerate(value) for p in _placeholders(inner, f"{path}[{i}]")]
    return (
        [Problem(path, _shown(value), "must not hold ${")] if isinstance(value, str) and "${" in value else []
    )


def _problem(detail: ErrorDetails) -> Problem:
    location = [part for part in detail["loc"] if part != "[key]"]
    path = "spec" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    if detail["type"] == "missing":
        return Problem(path, "", "is required")
    if detail["type"] == "extra_forbidden":
        return Problem(path, "", _unknown(location))  # the value may be a password: not shown
    return Problem(path, _shown(detail["input"]), detail["msg"].replace("Input should be", "must be"))


def _unknown(location: list[int | str]) -> str:
    known = [to_camel(name) for name in _model_at(location[:-1]).model_fields]
    if not known:
        return "unknown field; write {}, nothing can be said in it"
    close = difflib.get_close_matches(str(location[-1]), known, n=1)
    meant = f"; did you mean {close[0]}?" if close else ""
    return (
        f"unknown field{meant} Known are {', '.join(known)}"
        if meant
        else f"unknown field; known are {', '.join(known)}"
    )


def _model_at(location: list[int | str]) -> type[Model]:
    model: type[Model] = Spec
    for part in location:
        if isinstance(part, int):
            continue  # of a list: its items have one model
        field = next(f for f in model.model_fields.values() if f.alias == part)
        model = next(
            kind
            for kind in (field.annotation, *get_args(field.annotation))
            if isinstance(kind, type) and issubclass(kind, Model)
        )
    return model


def _defaults(model: type[Model]) -> dict[str, Any]:
    """Return the defaults below a model, also of required sections."""
    found: dict[str, Any] = {}
    for field in model.model_fields.values():
        name = field.alias or ""
        if isinstance(field.annotation, type) and issubclass(field.annotation, Model):
            found[name] = _defaults(field.annotation)
        elif not field.is_required():
            found[name] = field.default
    return found


def _shown(value: Any) -> str:
    if value is None:
        return ""
    text = re.sub(r"//[^/@\s]*@", "//***@", json.dumps(value, default=str))
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 3]}..."


_DEFAULTS = _defaults(Spec)
