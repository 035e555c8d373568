"""Every metric of the operator, defined once. docs/reference/conditions.md lists them; a test compares."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()

RECONCILES = Counter(
    "clickstream_operator_reconciles_total",
    "Looks at a pipeline, by result: unchanged, changed, refused, failed, gone.",
    ["result"],
    registry=REGISTRY,
)
RECONCILE_SECONDS = Histogram(
    "clickstream_operator_reconcile_duration_seconds",
    "Time of one look at a pipeline.",
    buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30),
    registry=REGISTRY,
)
WRITES = Counter(
    "clickstream_operator_writes_total",
    "Objects written to the API server, by kind and verb.",
    ["kind", "verb"],
    registry=REGISTRY,
)
QUEUE_DEPTH = Gauge(
    "clickstream_operator_queue_depth", "Pipelines due and not yet looked at.", registry=REGISTRY
)
QUEUE_AGE_SECONDS = Gauge(
    "clickstream_operator_queue_age_seconds",
    "How long the pipeline that waits longest waits.",
    registry=REGISTRY,
)
FAILING = Gauge(
    "clickstream_operator_failing_pipelines", "Pipelines whose last look failed.", registry=REGISTRY
)
WATCH_AGE_SECONDS = Gauge(
    "clickstream_operator_watch_age_seconds",
    "Time since the API server was last heard of a kind.",
    ["kind", "namespace"],
    registry=REGISTRY,
)
LEADER = Gauge("clickstream_operator_leader", "1 while this replica is the leader.", registry=REGISTRY)
PIPELINES = Gauge("clickstream_operator_pipelines", "Pipelines known.", registry=REGISTRY)
CONDITION = Gauge(
    "clickstream_operator_pipeline_condition",
    "Condition of a pipeline: 1 True, 0 False, -1 Unknown.",
    ["namespace", "pipeline", "condition"],
    registry=REGISTRY,
)
SOURCE_FINDINGS = Gauge(
    "clickstream_operator_source_findings",
    "1 for each thing found in a pipeline's source, by reason and severity: refuse, warn, gap.",
    ["namespace", "pipeline", "reason", "severity"],
    registry=REGISTRY,
)
OPERATION_RECONCILES = Counter(
    "clickstream_operator_operation_reconciles_total",
    "Looks at a ClickReplay or a ClickErasure, by result: unchanged, changed, failed, gone.",
    ["kind", "result"],
    registry=REGISTRY,
)
OPERATIONS = Gauge(
    "clickstream_operator_operations",
    "ClickReplays and ClickErasures there are, by phase, also those that have ended.",
    ["namespace", "kind", "phase"],
    registry=REGISTRY,
)
REPLAYED_LETTERS = Counter(
    "clickstream_operator_replayed_letters_total",
    "Dead letters that replays dealt with, by outcome: replayed, failed_again, skipped.",
    ["outcome"],
    registry=REGISTRY,
)
