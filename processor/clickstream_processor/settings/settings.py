"""What this pod is told at start, as one frozen `Settings`: the shape of the file and of the environment.

The file is a ClickPipeline's spec with every default filled in (architecture.md), written by the
operator or by local/. `settings_file.load` reads it.
"""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from clickstream_processor.errors import InvalidSettings, cause_of
from clickstream_processor.settings.units import Bytes, Milliseconds

Port = Annotated[int, Meta(ge=1, le=65535)]
Name = Annotated[str, Meta(min_length=1, max_length=249, pattern=r"^[A-Za-z0-9._-]+$")]
HttpUrl = Annotated[str, Meta(pattern=r"^https?://[^@\s]+$")]


class Section(Struct, frozen=True, kw_only=True, rename="camel"):
    """A section of the file; its fields are in camel case there."""


class Tls(Section, frozen=True, kw_only=True):
    """The search engine is trusted by this Secret's key `ca.crt`."""

    ca_secret: Name


class KafkaTls(Section, frozen=True, kw_only=True):
    """Brokers are trusted by this Secret's key `ca.crt`; None: by the system's authorities."""

    ca_secret: Name | None = None


class OAuth(Section, frozen=True, kw_only=True):
    """Where the Kafka client gets its tokens. `ca_secret` None: the system's authorities are trusted."""

    token_endpoint: HttpUrl
    scope: str | None = None
    extensions: dict[str, str] = {}
    ca_secret: Name | None = None


class Authentication(Section, frozen=True, kw_only=True):
    """This pod's Kafka user: a Secret with `password`, `user.crt` and `user.key`, or `clientSecret`.

    The user has the Secret's name, unless a key `username` (oauthbearer: `clientId`) says another.
    """

    type: Literal["scram-sha-256", "scram-sha-512", "plain", "tls", "oauthbearer"]
    user: Name
    oauth: OAuth | None = None


class Kafka(Section, frozen=True, kw_only=True):
    """How to reach the brokers."""

    bootstrap_servers: Annotated[str, Meta(min_length=1)]
    tls: KafkaTls | None = None
    authentication: Authentication | None = None


class Topics(Section, frozen=True, kw_only=True):
    """Topic names; the internal ones follow from the pipeline's id. `retention`: of clicks and outputs."""

    partitions: Annotated[int, Meta(ge=1, le=1000)] = 12
    clicks: Name = "user-clicks"
    profiles: Name = "user-profiles"
    enriched: Name = "enriched-clicks"
    metrics: Name = "user-metrics"
    dead_letters: Name = "dead-letters"
    compression: Literal["none", "gzip", "snappy", "lz4", "zstd"] = "lz4"  # of all that a pod writes
    retention_ms: Milliseconds = msgspec.field(name="retention", default=Milliseconds(7 * 86_400_000))
    partitioner: Literal["murmur2", "any"] = "murmur2"  # of those who write clicks


class Transform(Section, frozen=True, kw_only=True):
    """Output fields set by CEL expressions, and output fields left out."""

    set: dict[str, str] = {}
    drop: list[str] = []


class Join(Section, frozen=True, kw_only=True):
    """The stream-table join of clicks with profiles. `none`: there are no profiles, and no topic of them."""

    type: Literal["inner", "left", "none"] = "inner"
    wait_for_snapshot: bool = True
    at_least: Annotated[int, Meta(ge=0)] = 0  # records of the profiles that the first click waits for
    unmatched: Literal["deadLetter", "drop"] = "deadLetter"


class Window(Section, frozen=True, kw_only=True):
    """Windows of event time. `advance_ms` None: tumbling."""

    size_ms: Milliseconds = msgspec.field(name="size", default=Milliseconds(300_000))
    advance_ms: Milliseconds | None = msgspec.field(name="advance", default=None)
    grace_ms: Milliseconds = msgspec.field(name="grace", default=Milliseconds(60_000))
    retention_ms: Milliseconds = msgspec.field(name="retention", default=Milliseconds(3_600_000))
    emit: Literal["updates", "final"] = "updates"


class MetricWindow(Section, frozen=True, kw_only=True):
    """A metric's windows of event time. `advance_ms` None: tumbling."""

    size_ms: Milliseconds = msgspec.field(name="size", default=Milliseconds(300_000))
    advance_ms: Milliseconds | None = msgspec.field(name="advance", default=None)
    grace_ms: Milliseconds = msgspec.field(name="grace", default=Milliseconds(60_000))
    retention_ms: Milliseconds = msgspec.field(name="retention", default=Milliseconds(86_400_000))


class MetricKeys(Section, frozen=True, kw_only=True):
    """How many keys one pane of a metric may have in one task; what is beyond counts under `(other)`."""

    max: Annotated[int, Meta(ge=1)] = 10_000


class SessionsSection(Section, frozen=True, kw_only=True):
    """Sessions of users. `topic`: where they are told."""

    gap_ms: Milliseconds = msgspec.field(name="gap", default=Milliseconds(1_800_000))
    grace_ms: Milliseconds = msgspec.field(name="grace", default=Milliseconds(60_000))
    topic: Name = "user-sessions"


class DedupSection(Section, frozen=True, kw_only=True):
    """Which clicks are one: those of a user with the same `key` whose records are so far apart at most."""

    key: str = "click.message_id"
    within_ms: Milliseconds = msgspec.field(name="for", default=Milliseconds(3_600_000))


class MetricSection(Section, frozen=True, kw_only=True):
    """One metric: exactly one of `count` to `distinct` is there; all but `count` are CEL."""

    name: Name
    of: Literal["clicks", "sessions"] = "clicks"
    where: str = ""
    by: dict[str, str] = {}
    count: dict[str, str] | None = None
    sum: str | None = None
    min: str | None = None
    max: str | None = None
    avg: str | None = None
    distinct: str | None = None
    window: MetricWindow = MetricWindow()
    topic: Name | None = None
    emit: Literal["updates", "final"] = "updates"
    keys: MetricKeys = MetricKeys()


class Processing(Section, frozen=True, kw_only=True):
    """What happens to a click."""

    filter: str = 'click.action != "heartbeat"'
    transform: Transform = Transform()
    join: Join = Join()
    window: Window = Window()
    metrics: list[MetricSection] = []
    sessions: SessionsSection | None = None  # None: no sessions are kept
    dedup: DedupSection | None = None  # None: every click is another
    late: Literal["deadLetter", "drop"] = "deadLetter"
    max_future_ms: Milliseconds = msgspec.field(name="maxFuture", default=Milliseconds(3_600_000))
    commit_interval_ms: Milliseconds = msgspec.field(name="commitInterval", default=Milliseconds(100))


class Search(Section, frozen=True, kw_only=True):
    """The search index that the sink connector fills and the search page asks."""

    engine: Literal["opensearch", "elasticsearch"] = "opensearch"
    url: HttpUrl
    index: str = "enriched-clicks"
    retention_ms: Milliseconds = msgspec.field(name="retention", default=Milliseconds(30 * 86_400_000))
    credentials_secret: Name | None = None
    api_key_secret: Name | None = None
    tls: Tls | None = None


class Sink(Section, frozen=True, kw_only=True):
    """Where enriched clicks go."""

    search: Search | None = None


class Limits(Section, frozen=True, kw_only=True):
    """Limits of the container."""

    memory_bytes: Bytes = msgspec.field(name="memory", default=Bytes(1 << 30))


class Resources(Section, frozen=True, kw_only=True):
    """Resources of the container; the state's memory follows from the limit."""

    limits: Limits = Limits()


class Processors(Section, frozen=True, kw_only=True):
    """The set of pods this one belongs to."""

    replicas: Annotated[int, Meta(ge=0)] = 3
    standbys: Annotated[int, Meta(ge=0)] = 1
    failover_after_ms: Milliseconds = msgspec.field(name="failoverAfter", default=Milliseconds(5_000))
    resources: Resources = Resources()


class Query(Section, frozen=True, kw_only=True):
    """The query API. `tokens_secret` None: open, as the NetworkPolicy allows."""

    port: Port = 8080
    tokens_secret: Name | None = None


class Peers(Section, frozen=True, kw_only=True):
    """The admin address of pod i: `http://{host with {ordinal}}:{port + i * port_step}`."""

    host: str
    port: Port = 8081
    port_step: int = 0


class PodEnvironment(Struct, frozen=True, kw_only=True):
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

    @property
    def static_pods(self) -> int | None:
        """Return the number of pods of a static assignment, None when the controller assigns."""
        return int(self.assignment.removeprefix("static:")) if self.assignment != "control" else None


class Settings(Section, frozen=True, kw_only=True):
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
    pod: PodEnvironment
    ignored: tuple[str, ...] = ()  # paths of the file's fields that this version does not know

    @property
    def changelog_topic(self) -> str:
        """Return the topic of state changes."""
        return f"{self.id}-changelog"

    @property
    def identities_topic(self) -> str:
        """Return the topic of pairs of ids of one person, which a collector fills."""
        return f"{self.id}-identities"

    @property
    def arrivals_topic(self) -> str:
        """Return the topic of clicks by user, where producers may write them to any partition."""
        return f"{self.id}-arrivals"

    @property
    def partials_topic(self) -> str:
        """Return the topic of what the clicks add to metrics."""
        return f"{self.id}-partials"

    @property
    def metrics_changelog_topic(self) -> str:
        """Return the topic of the metrics' state changes."""
        return f"{self.id}-metrics-changelog"

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
                f"secret {secret}, key {key}: cannot read {path}: {cause_of(error)}"
            ) from error
        if not value:
            raise InvalidSettings(f"secret {secret}, key {key}: {path} is empty")
        return value

    def read_secret_or(self, secret: str, key: str, default: str) -> str:
        """Return a mounted Secret's value; `default` where it has no such key. Raises InvalidSettings."""
        return self.read_secret(secret, key) if self.secret_path(secret, key).exists() else default
