"""What the query side is told at start: plain values, made from the settings by ``options_of``.

Every field says why one would change it. Times are milliseconds (``_ms``) or seconds (``_s``).
"""

from dataclasses import dataclass, field
from pathlib import Path

from clickstream_expressions.expression import compile_outputs

from clickstream_processor.query.turns import TurnLimits
from clickstream_processor.settings import Settings
from clickstream_processor.topology.plan import Plan

# Units of a window's name in JSON, largest first: 300_000 ms is "5min", as in clicks_last_5min.
_UNITS = ((3_600_000, "h"), (60_000, "min"), (1_000, "s"), (1, "ms"))


def window_name(size_ms: int) -> str:
    """Return a window size as the API spells it: the largest unit that divides it."""
    for unit_ms, unit in _UNITS:
        if size_ms % unit_ms == 0:
            return f"{size_ms // unit_ms}{unit}"
    raise AssertionError("1 ms divides every size")


@dataclass(frozen=True, slots=True)
class Peers:
    """Where the pods' admin ports are: ``http://{host with {ordinal}}:{port + ordinal * port_step}``."""

    host: str
    port: int = 8081
    port_step: int = 0  # 1 where all pods share one host name

    def url(self, ordinal: int) -> str:
        """Return the base URL of a pod's admin port, without a slash at the end."""
        host = self.host.replace("{ordinal}", str(ordinal))
        return f"http://{host}:{self.port + ordinal * self.port_step}"


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """The search index as `sink.search` and `processing.transform` of the pipeline describe it."""

    url: str
    index: str  # prefix: daily indices <index>-YYYY.MM.DD, searched as <index>-*
    retention_ms: int = 30 * 86_400_000  # whole days that ended earlier are dropped
    credentials: Path | None = None  # folder of a mounted Secret: files username, password
    ca: Path | None = None  # PEM file of a mounted Secret: whom to trust for https; None: the system's
    fields: dict[str, str] = field(default_factory=dict)  # output field of transform.set -> type of its CEL
    dropped: frozenset[str] = frozenset()  # output fields that transform.drop removes
    connect_timeout_s: float = 1.0
    total_timeout_s: float = 5.0


@dataclass(frozen=True, slots=True)
class QueryOptions:
    """Everything the two applications need beside the Directory."""

    name: str  # of the pipeline, shown on the pages
    namespace: str
    plan: Plan  # the windows, and how long they are kept
    peers: Peers
    replicas: int  # processors.replicas: the pods a summary asks, beside those the assignment names
    peer_key: Path  # file with the pipeline's key; read again when it changes
    tokens: Path | None = None  # folder (or file) of bearer tokens, one a line; None: open
    search: SearchOptions | None = None
    max_in_flight: int = 256  # answers being made at once; more are refused with 503
    max_subscribers: int = 64  # open event streams per pod
    turns: TurnLimits = TurnLimits()  # noqa: RUF009  # frozen
    connect_timeout_s: float = 0.25  # to a peer
    total_timeout_s: float = 1.0  # of one hop to a peer
    fresh_ms: int = (
        3_000  # an owner's view of control topic and brokers may be this old without a staleness mark
    )
    worker_silence_s: float = 30.0  # /healthz fails when the worker loop has not turned for so long


def options_of(settings: Settings, plan: Plan) -> QueryOptions:
    """Return the options that the settings give; ``plan`` is the one the worker's tasks run with."""
    tokens = settings.query.tokens_secret
    return QueryOptions(
        name=settings.name,
        namespace=settings.namespace,
        plan=plan,
        peers=Peers(settings.peers.host, settings.peers.port, settings.peers.port_step),
        replicas=settings.pod.static_pods or settings.processors.replicas,
        peer_key=settings.peer_key_path,
        tokens=settings.pod.secrets_dir / tokens if tokens else None,
        search=_search_options(settings),
    )


def _search_options(settings: Settings) -> SearchOptions | None:
    search, transform = settings.sink.search, settings.processing.transform
    if search is None:
        return None
    secret = search.credentials_secret
    return SearchOptions(
        url=search.url,
        index=search.index,
        retention_ms=search.retention_ms,
        credentials=settings.pod.secrets_dir / secret if secret else None,
        ca=settings.secret_path(search.tls.ca_secret, "ca.crt") if search.tls else None,
        fields={name: one.type for name, one in compile_outputs(transform.set).items()},
        dropped=frozenset(transform.drop) - frozenset(transform.set),
    )
