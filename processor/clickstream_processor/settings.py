"""What this pod is told at start: the settings file and the environment, as one frozen `Settings`.

The file is a ClickPipeline's spec with every default filled in (docs/architecture.md), written by the
operator or by local/. This module is the only reader of the environment. `load` raises InvalidSettings with
ALL problems, one a line, each with its path. Fields this version does not know are kept in `ignored`
and logged: a newer operator may write more than this image reads. What is for the operator is read over.
"""

import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta, Struct

from clickstream_processor.errors import InvalidSettings
from clickstream_processor.units import Bytes, Milliseconds, decode_unit

FOR_THE_OPERATOR = frozenset(
    {
        "kafka.cluster",
        "source",
        "topics.manage",
        "topics.replicas",
        "sink.search.connector",
        "sink.search.tasksMax",
        "processors.storage",
        "processors.autoscale",
        "processors.resources.requests",
    }
)
SETTINGS_VERSION = 1  # a file with a greater one may mean something else by the same names: refused

Port = Annotated[int, Meta(ge=1, le=65535)]
Name = Annotated[str, Meta(min_length=1, max_length=249, pattern=r"^[A-Za-z0-9._-]+$")]
HttpUrl = Annotated[str, Meta(pattern=r"^https?://[^@\s]+$")]


class _Section(Struct, frozen=True, kw_only=True, rename="camel"):
    pass


class Tls(_Section, frozen=True, kw_only=True):
    """Brokers are trusted by this Secret's key `ca.crt`."""

    ca_secret: Name


class Authentication(_Section, frozen=True, kw_only=True):
    """This pod's Kafka user: a Secret as a Strimzi KafkaUser makes it."""

    type: Literal["scram-sha-512", "tls"]
    user: Name


class Kafka(_Section, frozen=True, kw_only=True):
    """How to reach the brokers."""

    bootstrap_servers: Annotated[str, Meta(min_length=1)]
    tls: Tls | None = None
    authentication: Authentication | None = None


class Topics(_Section, frozen=True, kw_only=True):
    """Topic names; the internal ones follow from the pipeline's id."""

    partitions: Annotated[int, Meta(ge=1, le=1000)] = 12
    clicks: Name = "user-clicks"
    profiles: Name = "user-profiles"
    enriched: Name = "enriched-clicks"
    metrics: Name = "user-metrics"
    dead_letters: Name = "dead-letters"


class Transform(_Section, frozen=True, kw_only=True):
    """Output fields set by CEL expressions, and output fields left out."""

    set: dict[str, str] = {}
    drop: list[str] = []


class Join(_Section, frozen=True, kw_only=True):
    """The stream-table join of clicks with profiles."""

    type: Literal["inner", "left"] = "inner"
    wait_for_snapshot: bool = True
    unmatched: Literal["deadLetter", "drop"] = "deadLetter"


class Window(_Section, frozen=True, kw_only=True):
    """Windows of event time. `advance_ms` None: tumbling."""

    size_ms: Milliseconds = msgspec.field(name="size", default=Milliseconds(300_000))
    advance_ms: Milliseconds | None = msgspec.field(name="advance", default=None)
    grace_ms: Milliseconds = msgspec.field(name="grace", default=Milliseconds(60_000))
    retention_ms: Milliseconds = msgspec.field(name="retention", default=Milliseconds(3_600_000))
    emit: Literal["updates", "final"] = "updates"


class Processing(_Section, frozen=True, kw_only=True):
    """What happens to a click."""

    filter: str = 'click.action != "heartbeat"'
    transform: Transform = Transform()
    join: Join = Join()
    window: Window = Window()
    late: Literal["deadLetter", "drop"] = "deadLetter"
    max_future_ms: Milliseconds = msgspec.field(name="maxFuture", default=Milliseconds(3_600_000))
    commit_interval_ms: Milliseconds = msgspec.field(name="commitInterval", default=Milliseconds(100))


class Search(_Section, frozen=True, kw_only=True):
    """The search index that the sink connector fills and the search page asks."""

    engine: Literal["opensearch", "elasticsearch"] = "opensearch"
    url: HttpUrl
    index: str = "enriched-clicks"
    retention_ms: Milliseconds = msgspec.field(name="retention", default=Milliseconds(30 * 86_400_000))
    credentials_secret: Name | None = None


class Sink(_Section, frozen=True, kw_only=True):
    """Where enriched clicks go."""

    search: Search | None = None


class Limits(_Section, frozen=True, kw_only=True):
    """Limits of the container."""

    memory_bytes: Bytes = msgspec.field(name="memory", default=Bytes(1 << 30))


class Resources(_Section, frozen=True, kw_only=True):
    """Resources of the container; the state's memory follows from the limit."""

    limits: Limits = Limits()


class Processors(_Section, frozen=True, kw_only=True):
    """The set of pods this one belongs to."""

    replicas: Annotated[int, Meta(ge=0)] = 3
    standbys: Annotated[int, Meta(ge=0)] = 1
    failover_after_ms: Milliseconds = msgspec.field(name="failoverAfter", default=Milliseconds(5_000))
    resources: Resources = Resources()


class Query(_Section, frozen=True, kw_only=True):
    """The query API. `tokens_secret` None: open, as the NetworkPolicy allows."""

    port: Port = 8080
    tokens_secret: Name | None = None


class Peers(_Section, frozen=True, kw_only=True):
    """The admin address of pod i: `http://{host with {ordinal}}:{port + i * port_step}`."""

    host: str
    port: Port = 8081
    port_step: int = 0


class Pod(Struct, frozen=True, kw_only=True):
    """What the environment says about this process."""

    ordinal: int  # place in the StatefulSet; part of the transactional id
    data_dir: Path  # the state: one RocksDB per task
    secrets_dir: Path  # mounted Secrets: files SECRETNAME/KEY
    host: str  # bind address of both servers
    query_port: int
    admin_port: int
    assignment: str  # "control", or "static:<pods>": task p belongs to pod p mod pods
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"]
    log_format: Literal["json", "text"]
    crash_at: str  # tests only: the process kills itself at this point of the protocol, see runtime/crash.py
    unsafe_skip_rule: str  # tests only: switches a rule of docs/protocol.md off, to show what that costs

    @property
    def static_pods(self) -> int | None:
        """Return the number of pods of a static assignment, None when the controller assigns."""
        return int(self.assignment.removeprefix("static:")) if self.assignment != "control" else None


class Settings(_Section, frozen=True, kw_only=True):
    """Everything a pod is told: the file's sections, and `pod` from the environment."""

    settings_version: int
    name: Name
    namespace: Name
    id: Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9._-]+$")]
    kafka: Kafka
    topics: Topics = Topics()
    processing: Processing = Processing()
    sink: Sink = Sink()
    processors: Processors = Processors()
    query: Query = Query()
    peers: Peers
    pod: Pod
    ignored: tuple[str, ...] = ()  # paths of the file's fields that this version does not know

    @property
    def changelog_topic(self) -> str:
        """Return the topic of state changes."""
        return f"{self.id}-changelog"

    @property
    def positions_topic(self) -> str:
        """Return the topic of input positions."""
        return f"{self.id}-positions"

    @property
    def assignment_topic(self) -> str:
        """Return the control topic, written by the controller."""
        return f"{self.id}-assignment"

    @property
    def acks_topic(self) -> str:
        """Return the topic the pods answer in."""
        return f"{self.id}-acks"

    @property
    def notifications_topic(self) -> str:
        """Return the topic in which the source connector says that its snapshot is complete."""
        return f"{self.id}-notifications"

    @property
    def peer_key_path(self) -> Path:
        """Return the file of the key by which the pods of this pipeline know each other."""
        return self.pod.secrets_dir / f"{self.name}-peer-key" / "key"

    def secret_path(self, secret: str, key: str) -> Path:
        """Return the file that a mounted Secret's key is."""
        return self.pod.secrets_dir / secret / key

    def read_secret(self, secret: str, key: str) -> str:
        """Return a mounted Secret's value without a newline at its end. Raises InvalidSettings."""
        path = self.secret_path(secret, key)
        try:
            value = path.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidSettings(
                f"secret {secret}, key {key}: cannot read {path}: {_cause(error)}"
            ) from error
        if not value:
            raise InvalidSettings(f"secret {secret}, key {key}: {path} is empty")
        return value


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings that the environment and the file it names give. Raises InvalidSettings."""
    problems: list[str] = []
    document = _read_document(environ, problems)
    pod = _pod(environ, document, problems)
    ignored: list[str] = []
    values = _convert_section(document, Settings, "", problems, ignored, skip=("pod", "ignored"))
    if not problems:
        problems += _broken_rules(values, pod)
    if problems:
        raise InvalidSettings("\n".join(problems))
    unknown = tuple(path for path in ignored if path not in FOR_THE_OPERATOR)
    return Settings(**values, pod=pod, ignored=unknown)


def _read_document(environ: Mapping[str, str], problems: list[str]) -> dict[str, Any]:
    path = environ.get("CLICKSTREAM_SETTINGS", "")
    if not path:
        problems.append("CLICKSTREAM_SETTINGS: not set; it names the settings file (JSON)")
        raise InvalidSettings("\n".join(problems))
    try:
        document = msgspec.json.decode(Path(path).read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        raise InvalidSettings(f"CLICKSTREAM_SETTINGS: cannot read {path}: {_cause(error)}") from error
    if not isinstance(document, dict):
        raise InvalidSettings(f"CLICKSTREAM_SETTINGS: {path} must hold a JSON object")
    version = document.get("settingsVersion")
    if isinstance(version, int) and version > SETTINGS_VERSION:
        raise InvalidSettings(
            f"settingsVersion: {version} is newer than this image knows ({SETTINGS_VERSION}); use a newer one"
        )
    return document


def _pod(environ: Mapping[str, str], document: dict[str, Any], problems: list[str]) -> Pod:
    """Return the environment's part; wrong values are noted in `problems` and replaced."""

    def number(name: str, default: int, low: int, high: int) -> int:
        text = environ.get(name, "")
        if not text:
            return default
        if text.isascii() and text.isdigit() and low <= int(text) <= high:
            return int(text)
        problems.append(f"{name}: {text!r} must be a whole number from {low} to {high}")
        return default

    def one_of(name: str, default: str, allowed: tuple[str, ...]) -> Any:
        value = environ.get(name) or default
        if value not in allowed:
            problems.append(f"{name}: {value!r} must be one of {', '.join(allowed)}")
        return value

    assignment = environ.get("CLICKSTREAM_ASSIGNMENT") or "control"
    if not re.fullmatch(r"control|static:[1-9][0-9]{0,3}", assignment):
        problems.append(f"CLICKSTREAM_ASSIGNMENT: {assignment!r} must be control or static:<number of pods>")
        assignment = "control"
    ordinal = number("CLICKSTREAM_ORDINAL", _host_ordinal(), 0, 9999)
    if ordinal < 0:
        problems.append(
            "CLICKSTREAM_ORDINAL: not set, and the host name does not end in -<number> as a pod's does"
        )
    query = document.get("query")
    port = query.get("port", 8080) if isinstance(query, dict) else 8080
    return Pod(
        ordinal=ordinal,
        data_dir=Path(environ.get("CLICKSTREAM_DATA_DIR") or "/var/lib/clickstream"),
        secrets_dir=Path(environ.get("CLICKSTREAM_SECRETS_DIR") or "/etc/clickstream/secrets"),
        host=environ.get("CLICKSTREAM_HOST") or "0.0.0.0",  # noqa: S104  # the NetworkPolicy decides who may reach it
        query_port=number("CLICKSTREAM_QUERY_PORT", port if isinstance(port, int) else 8080, 1, 65535),
        admin_port=number("CLICKSTREAM_ADMIN_PORT", 8081, 1, 65535),
        assignment=assignment,
        log_level=one_of("CLICKSTREAM_LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR")),
        log_format=one_of("CLICKSTREAM_LOG_FORMAT", "text", ("json", "text")),
        crash_at=environ.get("CLICKSTREAM_CRASH_AT", ""),
        unsafe_skip_rule=one_of(
            "CLICKSTREAM_UNSAFE_SKIP_RULE", "", ("", "R1", "R2", "R3", "R4", "R13", "R14", "R18")
        ),
    )


def _host_ordinal() -> int:
    match = re.search(r"-([0-9]{1,4})$", socket.gethostname())
    return int(match.group(1)) if match else -1


def _convert_section(
    document: object,
    section: type[Struct],
    path: str,
    problems: list[str],
    ignored: list[str],
    skip: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Return the section's fields as keyword arguments; problems and unknown fields are noted with paths."""
    if not isinstance(document, dict):
        problems.append(f"{path}: must be an object, not {_shown(document)}")
        return {}
    values: dict[str, Any] = {}
    known = {info.encode_name: info for info in msgspec.structs.fields(section) if info.name not in skip}
    for name, info in known.items():
        where = f"{path}.{name}" if path else name
        given = document.get(name)
        if given is None:  # an explicit null is the same as nothing given, as for the API server
            if info.required:
                problems.append(f"{where}: missing")
        elif (inner := _section_of(info.type)) is not None:
            before = len(problems)
            arguments = _convert_section(given, inner, where, problems, ignored)
            if len(problems) == before:
                values[info.name] = inner(**arguments)
        else:
            try:
                values[info.name] = msgspec.convert(given, info.type, dec_hook=decode_unit)
            except (msgspec.ValidationError, ValueError) as error:
                problems.append(f"{where}: {_shown(given)}: {error}")
    ignored += [f"{path}.{name}" if path else name for name in document if name not in known]
    return values


def _section_of(kind: Any) -> type[_Section] | None:
    for choice in (kind, *get_args(kind)):
        if isinstance(choice, type) and issubclass(choice, _Section):
            return choice
    return None


def _broken_rules(values: dict[str, Any], pod: Pod) -> list[str]:
    """Return what no single field shows."""
    problems: list[str] = []
    processing: Processing = values.get("processing", Processing())
    window = processing.window
    if window.size_ms < 1_000:
        problems.append("processing.window.size: must be at least 1s: rolling counts have 1 s buckets")
    if window.advance_ms is not None and not 0 < window.advance_ms <= window.size_ms:
        problems.append("processing.window.advance: must be more than 0 and at most processing.window.size")
    if not 10 <= processing.commit_interval_ms <= 10_000:
        problems.append("processing.commitInterval: must be from 10ms to 10s")
    kafka: Kafka = values["kafka"]
    if kafka.authentication is not None and kafka.authentication.type == "tls" and kafka.tls is None:
        problems.append("kafka.authentication.type: tls needs kafka.tls")
    pods, partitions = pod.static_pods, values.get("topics", Topics()).partitions
    if pods is not None and pods > partitions:
        problems.append(f"CLICKSTREAM_ASSIGNMENT: {pods} pods are more than topics.partitions ({partitions})")
    if pods is not None and pod.ordinal >= pods:
        problems.append(
            f"CLICKSTREAM_ORDINAL: {pod.ordinal} is not one of the {pods} pods of CLICKSTREAM_ASSIGNMENT"
        )
    return problems


def _shown(value: object) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 80 else text[:77] + "..."


def _cause(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
