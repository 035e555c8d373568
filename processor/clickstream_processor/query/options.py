"""What the query side is told at start: plain values, made from the settings by ``options_of``.

Every field says why one would change it. Times are milliseconds (``_ms``) or seconds (``_s``).
"""

from dataclasses import dataclass
from pathlib import Path

from clickstream_expressions.expression import compile_outputs

from clickstream_processor.aggregation.metric import Metric
from clickstream_processor.query.http.peers import PeerAddresses
from clickstream_processor.query.letters.scan import ScanLimits
from clickstream_processor.query.search.index import SearchOptions
from clickstream_processor.query.users.turns import TurnLimits
from clickstream_processor.settings.settings import Settings
from clickstream_processor.topology.plan import Plan


@dataclass(frozen=True, slots=True)
class QueryOptions:
    """Everything the two applications need beside the Directory."""

    name: str  # of the pipeline, shown on the pages
    namespace: str
    plan: Plan  # the windows, and how long they are kept
    peers: PeerAddresses
    replicas: int  # processors.replicas: the pods a summary asks, beside those the assignment names
    peer_key: Path  # file with the pipeline's key; read again when it changes
    tokens: Path | None = None  # folder (or file) of bearer tokens, one a line; None: open
    search: SearchOptions | None = None
    metrics: tuple[Metric, ...] = ()
    sessions: bool = False  # whether sessions are kept
    max_in_flight: int = 256  # answers being made at once; more are refused with 503
    max_subscribers: int = 64  # open event streams per pod
    turns: TurnLimits = TurnLimits()  # noqa: RUF009  # frozen
    # Reads of all keys of a metric: a window of 10,000 keys and five panes takes some 30 ms of a pod.
    scans: TurnLimits = TurnLimits(at_once=2, wait_s=0.5, read_s=3.0)  # noqa: RUF009  # frozen
    letter_limits: ScanLimits = ScanLimits()  # noqa: RUF009  # frozen; what one question about dead letters reads
    letter_wait_s: float = 2.0  # for one of few readers of dead letters
    connect_timeout_s: float = 0.25  # to a peer
    total_timeout_s: float = 1.0  # of one hop to a peer
    fresh_ms: int = (
        3_000  # an owner's view of control topic and brokers may be this old without a staleness mark
    )
    worker_silence_s: float = 30.0  # /healthz fails when the worker loop has not turned for so long


def options_of(settings: Settings, plan: Plan, metrics: tuple[Metric, ...] = ()) -> QueryOptions:
    """Return the options that the settings give; plan and metrics are those the worker's tasks run with."""
    tokens = settings.query.tokens_secret
    return QueryOptions(
        name=settings.name,
        namespace=settings.namespace,
        plan=plan,
        peers=PeerAddresses(settings.peers.host, settings.peers.port, settings.peers.port_step),
        replicas=settings.pod.static_pods or settings.processors.replicas,
        peer_key=settings.peer_key_path,
        tokens=settings.pod.secrets_dir / tokens if tokens else None,
        search=_search_options(settings),
        metrics=metrics,
        sessions=settings.processing.sessions is not None,
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
        api_key=settings.secret_path(search.api_key_secret, "apiKey") if search.api_key_secret else None,
        ca=settings.secret_path(search.tls.ca_secret, "ca.crt") if search.tls else None,
        fields={name: one.type for name, one in compile_outputs(transform.set).items()},
        dropped=frozenset(transform.drop) - frozenset(transform.set),
    )
