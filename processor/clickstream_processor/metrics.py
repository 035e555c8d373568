"""Every Prometheus metric of a processor pod, defined once; docs/reference/metrics.md lists them.

Rules: one prefix, base units, no user in a label. The worker adds to them once per commit and never per
event; the query side once per request. `render` is what /metrics answers.
"""

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, Counter, Gauge, Histogram, Info, generate_latest

from clickstream_processor.task_id import CLICKS, TaskId

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_QUERY = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)

BUILD = Info("clickstream_processor_build", "Version of this processor")

# --- the stream -----------------------------------------------------------------------------------------
RECORDS_CONSUMED = Counter(
    "clickstream_records_consumed_total", "Input records whose effects are committed", ["input"]
)  # input: clicks, profiles
RECORDS_ENRICHED = Counter("clickstream_records_enriched_total", "Clicks written to the enriched topic")
RECORDS_DROPPED = Counter(
    "clickstream_records_dropped_total", "Clicks and partials left out without a dead letter", ["reason"]
)
CLICKS_AHEAD = Counter(
    "clickstream_clicks_ahead_total",
    "Enriched clicks whose event time leads their record time by more than window.grace",
)
RECORDS_DEAD_LETTERED = Counter(
    "clickstream_records_dead_lettered_total", "Clicks written to the dead-letter topic", ["reason"]
)
QUARANTINED = Counter(
    "clickstream_quarantined_records_total",
    "Clicks set aside because the line failed on them or the brokers refused what they became",
    ["reason"],
)
for _reason in ("processing-failed", "output-refused"):
    QUARANTINED.labels(_reason)  # there at 0: an alert must see the first
OUTPUTS_PAST_RETENTION = Counter(
    "clickstream_outputs_past_retention_total",
    "Outputs that Kafka soon drops: the newest event of their partition is older than topics.retention",
    ["output"],
)  # output: enriched, metrics
PROFILES_REFUSED = Counter(
    "clickstream_profiles_refused_total",
    "Profile records that could not be applied, again at each restore that reads them",
    ["reason"],
)
for _reason in (
    "key-mismatch",
    "missing-field",
    "mistyped-field",
    "not-json",
    "null-key",
    "oversized",
    "processing-failed",
    "wrong-partition",
):
    PROFILES_REFUSED.labels(_reason)  # there at 0: an alert must see the first
END_TO_END = Histogram(
    "clickstream_end_to_end_latency_seconds",
    "Age of the oldest click of a commit, from its record time to the commit; one sample per commit",
    buckets=_FAST,
)
WATERMARK = Gauge("clickstream_watermark_timestamp_seconds", "Stream time of the task", ["partition"])
STREAM_AHEAD = Gauge(
    "clickstream_stream_time_ahead_seconds",
    "How far stream time is beyond this pod's clock and window.grace, else 0",
    ["partition"],
)
LAG_RECORDS = Gauge(
    "clickstream_consumer_lag_records",
    "Clicks between the task's last commit and the end of its input; absent while that is not known",
    ["partition"],
)
LAG_SECONDS = Gauge(
    "clickstream_consumer_lag_seconds",
    "Age of the oldest click that is not committed, at most; 0 when there is none, absent while not known",
    ["partition"],
)
STANDING = Gauge(
    "clickstream_task_standing_seconds",
    "Time for which clicks have waited while the task's last commit did not move",
    ["partition"],
)

# --- metrics of the pipeline (processing.metrics) -------------------------------------------------------
METRIC_PARTIALS = Counter(
    "clickstream_metric_partials_total", "What commits added to panes and keys, merged", ["metric"]
)
METRIC_RESULTS = Counter(
    "clickstream_metric_results_total", "Windows and keys written to its topic", ["metric"]
)
METRIC_LATE = Counter(
    "clickstream_metric_late_total", "Clicks that came too late for a metric, which are enriched", ["metric"]
)
SESSIONS_CLOSED = Counter("clickstream_sessions_closed_total", "Sessions closed and told")
SESSIONS_LATE = Counter(
    "clickstream_sessions_late_total", "Clicks that came too late for a session, which are enriched"
)
METRIC_FAILED = Counter(
    "clickstream_metric_failed_total", "Clicks for which an expression of a metric had no value", ["metric"]
)
METRIC_OTHER = Counter(
    "clickstream_metric_other_total",
    "Times that a key counted under (other): its pane had keys.max keys",
    ["metric"],
)
METRIC_KEYS = Gauge(
    "clickstream_metric_keys", "Keys of the newest pane, in this pod's tasks, without (other)", ["metric"]
)

# --- transactions ---------------------------------------------------------------------------------------
COMMITS = Counter("clickstream_commits_total", "Transactions by result", ["result"])  # committed, failed
COMMIT_FAILURES = Gauge(
    "clickstream_commit_failures_in_a_row", "Transactions given up since the last that was committed"
)
COMMIT_DURATION = Histogram(
    "clickstream_commit_duration_seconds", "From the first flush to the local write", buckets=_FAST
)
PRODUCERS = Counter("clickstream_producer_starts_total", "Transactional producers made, by cause", ["cause"])

# --- tasks ----------------------------------------------------------------------------------------------
PARTITIONS = Gauge("clickstream_pipeline_partitions", "Partitions of the pipeline's clicks topic")
PIPELINE_TASKS = Gauge("clickstream_pipeline_tasks", "Tasks of the pipeline: partitions times stages")
TASK_STATE = Gauge(
    "clickstream_task_state",
    "1 for the role and phase a task of this pod is in",
    ["partition", "role", "phase"],
)
RESTORED_RECORDS = Counter(
    "clickstream_restore_records_total", "Records applied by restores and standbys", ["topic"]
)
RESTORE_DURATION = Histogram(
    "clickstream_restore_duration_seconds",
    "From a task's start to its first click",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800),
)
CHECKPOINT_AGE = Gauge(
    "clickstream_changelog_checkpoint_age_seconds",
    "Time since the task's local state was complete",
    ["partition"],
)
ASSIGNMENT_GENERATION = Gauge(
    "clickstream_assignment_generation", "Generation of the assignment this pod acts on"
)
ASSIGNMENT_AGE = Gauge(
    "clickstream_assignment_age_seconds", "Time since the assignment was last known to be the newest"
)
BROKER_SILENCE = Gauge(
    "clickstream_broker_silence_seconds", "Time since a broker last answered this pod, or since its start"
)

# --- RocksDB --------------------------------------------------------------------------------------------
ROCKSDB_SST = Gauge("clickstream_rocksdb_sst_bytes", "Size of the table files", ["partition"])
ROCKSDB_MEMTABLE = Gauge("clickstream_rocksdb_memtable_bytes", "Size of the write buffers", ["partition"])
ROCKSDB_PENDING = Gauge(
    "clickstream_rocksdb_pending_compaction_bytes",
    "Estimate of what compaction has still to rewrite",
    ["partition"],
)
STATES_DAMAGED = Counter(
    "clickstream_states_damaged_total", "Local states found damaged, which are rebuilt from the changelog"
)
ROCKSDB_CACHE_USED = Gauge("clickstream_rocksdb_block_cache_bytes", "Block cache in use, all tasks")
STATE_CACHE_HITS = Counter(
    "clickstream_state_cache_hits_total", "Look-ups answered without RocksDB", ["table"]
)
STATE_CACHE_MISSES = Counter("clickstream_state_cache_misses_total", "Look-ups that read RocksDB", ["table"])

# --- queries --------------------------------------------------------------------------------------------
QUERY_REQUESTS = Counter(
    "clickstream_query_requests_total", "HTTP requests by route and status", ["route", "code"]
)
QUERY_DURATION = Histogram(
    "clickstream_query_duration_seconds", "Time to answer an HTTP request", ["route"], buckets=_QUERY
)
QUERY_ROUTED = Counter(
    "clickstream_query_routed_total", "User queries by who answered", ["target"]
)  # target: local, remote, standby
QUERY_NOT_OWNER = Counter("clickstream_query_not_owner_total", "Peers' requests refused with 421")
QUERY_IN_FLIGHT = Gauge("clickstream_query_in_flight", "HTTP requests being answered")
QUERY_REFUSED = Counter(
    "clickstream_query_refused_total", "HTTP requests refused because too many were in flight"
)


def label_of(task: TaskId) -> str:
    """Return the label `partition` of a task: its number; of another stage than `clicks`, its name."""
    return str(task.partition) if task.stage == CLICKS else str(task)


def render() -> tuple[bytes, str]:
    """Return the exposition and its content type."""
    return generate_latest(REGISTRY), CONTENT_TYPE_LATEST
