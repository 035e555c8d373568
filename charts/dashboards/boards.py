"""The dashboards' contents: what an operator of a pipeline looks at, and why."""

from charts.dashboards.panels import Board, Panel, Query

POD = 'job=~"$job", instance=~"$instance"'
HITS, MISSES = (
    f"sum by (table) (rate(clickstream_state_cache_{kind}_total{{{POD}}}[$__rate_interval]))"
    for kind in ("hits", "misses")
)


def rate(metric: str, by: str, legend: str) -> Query:
    """Sum of a counter's rate."""
    return Query(f"sum by ({by}) (rate({metric}{{{POD}}}[$__rate_interval]))", legend)


def quantiles(metric: str, *shares: float) -> tuple[Query, ...]:
    """Quantiles of a histogram over all chosen pods."""
    series = f"sum by (le) (rate({metric}_bucket{{{POD}}}[$__rate_interval]))"
    return tuple(Query(f"histogram_quantile({share}, {series})", f"p{share * 100:g}") for share in shares)


def gauge(metric: str, legend: str, how: str = "max", by: str = "partition") -> Query:
    """A gauge, folded over pods."""
    return Query(f"{how} by ({by}) ({metric}{{{POD}}})", legend)


def known(metric: str) -> str:
    """A lag, where the pod has heard from a broker lately: without one it tells the last it knew."""
    return f"{metric}{{{POD}}} and on (namespace, instance) clickstream_broker_silence_seconds{{{POD}}} < 10"


PIPELINE = Board(
    uid="clickstream-pipeline",
    title="Clickstream / Pipeline",
    description="Is the pipeline healthy, how much does it do, and how fresh is what it answers?",
    probe="clickstream_records_consumed_total",
    rows=(
        (
            "Now",
            (
                Panel(
                    "Clicks per second",
                    "Input clicks whose effects are committed.",
                    "ops",
                    (
                        Query(
                            f'sum(rate(clickstream_records_consumed_total{{input="clicks", {POD}}}[$__rate_interval]))',
                            "clicks",
                        ),
                    ),
                    single=True,
                ),
                Panel(
                    "Lag",
                    "How far the slowest task is behind its input, in time; none is known while Kafka is away.",
                    "s",
                    (Query(f"max({known('clickstream_consumer_lag_seconds')})", "lag"),),
                    single=True,
                ),
                Panel(
                    "Tasks running",
                    "Tasks that have a running owner: one for each partition, two with metrics.",
                    "short",
                    (
                        Query(
                            f'sum(clickstream_task_state{{role="owner", phase="running", {POD}}})', "running"
                        ),
                    ),
                    single=True,
                ),
                Panel(
                    "Dead letters per second",
                    "Clicks that could not be used; the reason is in their headers.",
                    "ops",
                    (
                        Query(
                            f"sum(rate(clickstream_records_dead_lettered_total{{{POD}}}[$__rate_interval])) or vector(0)",
                            "dead letters",
                        ),
                    ),
                    single=True,
                ),
                Panel(
                    "Query p99",
                    "99 of 100 user queries are answered faster than this.",
                    "s",
                    quantiles("clickstream_query_duration_seconds", 0.99),
                    single=True,
                ),
            ),
        ),
        (
            "Stream",
            (
                Panel(
                    "Throughput",
                    "Records consumed and enriched per second.",
                    "ops",
                    (
                        rate("clickstream_records_consumed_total", "input", "{{input}}"),
                        Query(
                            f"sum(rate(clickstream_records_enriched_total{{{POD}}}[$__rate_interval]))",
                            "enriched",
                        ),
                    ),
                ),
                Panel(
                    "End-to-end latency",
                    "Age of the oldest click of a commit when it becomes visible to readers of committed data.",
                    "s",
                    quantiles("clickstream_end_to_end_latency_seconds", 0.5, 0.99),
                ),
                Panel(
                    "Lag by partition",
                    "Clicks a task is behind the end of its input; none is known while Kafka is away. One line far above the others: a hot key.",
                    "short",
                    (
                        Query(
                            f"max by (partition) ({known('clickstream_consumer_lag_records')})",
                            "{{partition}}",
                        ),
                    ),
                ),
            ),
        ),
        (
            "Metrics and sessions of the pipeline",
            (
                Panel(
                    "Partials per second",
                    "What commits add to panes and keys, merged. Far below the clicks while keys repeat.",
                    "ops",
                    (rate("clickstream_metric_partials_total", "metric", "{{metric}}"),),
                ),
                Panel(
                    "Keys",
                    "Keys of the newest pane. A metric at its keys.max counts the others under (other).",
                    "short",
                    (gauge("clickstream_metric_keys", "{{metric}}", how="sum", by="metric"),),
                ),
                Panel(
                    "Clicks left out",
                    "Clicks that came too late for a metric, or for which an expression had no value; none is lost elsewhere.",
                    "ops",
                    (
                        rate("clickstream_metric_late_total", "metric", "late, {{metric}}"),
                        rate("clickstream_metric_failed_total", "metric", "no value, {{metric}}"),
                    ),
                ),
                Panel(
                    "Sessions",
                    "Sessions that have closed, and clicks that came too late for one, by pod.",
                    "ops",
                    (
                        rate("clickstream_sessions_closed_total", "pod", "closed, {{pod}}"),
                        rate("clickstream_sessions_late_total", "pod", "late clicks, {{pod}}"),
                    ),
                ),
            ),
        ),
        (
            "Data quality",
            (
                Panel(
                    "Dead letters by reason",
                    "A sudden reason is usually a producer's new release.",
                    "ops",
                    (
                        Query(
                            f"sum by (reason) (rate(clickstream_records_dead_lettered_total{{{POD}}}[$__rate_interval])) or vector(0)",
                            "{{reason}}",
                        ),
                    ),
                    stacked=True,
                ),
                Panel(
                    "Records set aside",
                    "Records that could not be processed, or whose output no broker took: each is a dead letter with its place.",
                    "short",
                    (
                        Query(
                            f"sum by (reason) (increase(clickstream_quarantined_records_total{{{POD}}}[$__rate_interval])) or vector(0)",
                            "{{reason}}",
                        ),
                    ),
                    stacked=True,
                ),
                Panel(
                    "Left out by reason",
                    "Clicks that the filter or the policy leaves out without a dead letter.",
                    "ops",
                    (
                        Query(
                            f"sum by (reason) (rate(clickstream_records_dropped_total{{{POD}}}[$__rate_interval])) or vector(0)",
                            "{{reason}}",
                        ),
                    ),
                    stacked=True,
                ),
                Panel(
                    "Stream time behind the clock",
                    "Event time of the newest counted click of each task against now; grows while an input is idle.",
                    "s",
                    (
                        Query(
                            f"time() - max by (partition) (clickstream_watermark_timestamp_seconds{{{POD}}} > 0)",
                            "{{partition}}",
                        ),
                    ),
                ),
            ),
        ),
        (
            "Queries",
            (
                Panel(
                    "Requests by status",
                    "HTTP requests of all routes by status.",
                    "reqps",
                    (rate("clickstream_query_requests_total", "code", "{{code}}"),),
                    stacked=True,
                ),
                Panel(
                    "Duration",
                    "Time to answer, all routes.",
                    "s",
                    quantiles("clickstream_query_duration_seconds", 0.5, 0.99),
                ),
                Panel(
                    "Who answered",
                    "local: this pod holds the user; remote: one hop; standby: the owner did not answer.",
                    "reqps",
                    (
                        Query(
                            f"sum by (target) (rate(clickstream_query_routed_total{{{POD}}}[$__rate_interval])) or vector(0)",
                            "{{target}}",
                        ),
                    ),
                    stacked=True,
                ),
            ),
        ),
    ),
)

PROCESSOR = Board(
    uid="clickstream-processor",
    title="Clickstream / Processor internals",
    description="What a pod spends its time on: transactions, restores, state, memory.",
    probe="clickstream_commits_total",
    rows=(
        (
            "Transactions",
            (
                Panel(
                    "Commits",
                    "Transactions by result. A failed one is repeated; its work is never half done.",
                    "ops",
                    (rate("clickstream_commits_total", "result", "{{result}}"),),
                ),
                Panel(
                    "Failed commits in a row",
                    "Transactions given up since the last that was committed; more than a few: /status has the error.",
                    "short",
                    (gauge("clickstream_commit_failures_in_a_row", "{{instance}}", by="instance"),),
                ),
                Panel(
                    "Standing",
                    "For how long clicks have waited while a task's last commit did not move; 0 is right.",
                    "s",
                    (
                        Query(
                            f"max by (partition) (clickstream_task_standing_seconds{{{POD}}})",
                            "{{partition}}",
                        ),
                    ),
                ),
                Panel(
                    "Commit duration",
                    "From the first flush to the local write.",
                    "s",
                    quantiles("clickstream_commit_duration_seconds", 0.5, 0.99),
                ),
                Panel(
                    "Producers made",
                    "One at the start, then one after each doubt about a transaction (docs/reference/protocol.md).",
                    "short",
                    (
                        Query(
                            f"sum by (cause) (increase(clickstream_producer_starts_total{{{POD}}}[$__rate_interval]))",
                            "{{cause}}",
                        ),
                    ),
                ),
            ),
        ),
        (
            "Assignment",
            (
                Panel(
                    "Tasks by state",
                    "What the pods do for their tasks.",
                    "short",
                    (Query(f"sum by (role, phase) (clickstream_task_state{{{POD}}})", "{{role}} {{phase}}"),),
                    stacked=True,
                ),
                Panel(
                    "Assignment generation",
                    "The assignment each pod acts on; they agree within a second.",
                    "short",
                    (gauge("clickstream_assignment_generation", "{{instance}}", by="instance"),),
                ),
                Panel(
                    "Silence",
                    "Time since a broker answered, and since the assignment was known to be the newest.",
                    "s",
                    (
                        gauge("clickstream_broker_silence_seconds", "broker, {{instance}}", by="instance"),
                        gauge(
                            "clickstream_assignment_age_seconds", "assignment, {{instance}}", by="instance"
                        ),
                    ),
                ),
            ),
        ),
        (
            "State",
            (
                Panel(
                    "Restored records",
                    "Records that restores and standbys apply per second.",
                    "ops",
                    (
                        Query(
                            f"sum by (topic) (rate(clickstream_restore_records_total{{{POD}}}[$__rate_interval])) or vector(0)",
                            "{{topic}}",
                        ),
                    ),
                ),
                Panel(
                    "State age",
                    "Time since a task's local state was complete; what a crash would have to repair.",
                    "s",
                    (gauge("clickstream_changelog_checkpoint_age_seconds", "{{partition}}"),),
                ),
                Panel(
                    "Cache misses",
                    "Share of look-ups that read RocksDB.",
                    "percentunit",
                    (Query(f"{MISSES} / ({HITS} + {MISSES})", "{{table}}"),),
                ),
            ),
        ),
        (
            "RocksDB and process",
            (
                Panel(
                    "Size on disk",
                    "Table files of all tasks of a pod.",
                    "bytes",
                    (gauge("clickstream_rocksdb_sst_bytes", "{{instance}}", "sum", "instance"),),
                ),
                Panel(
                    "Memory of the state",
                    "Write buffers and block cache.",
                    "bytes",
                    (
                        gauge(
                            "clickstream_rocksdb_memtable_bytes",
                            "write buffers, {{instance}}",
                            "sum",
                            "instance",
                        ),
                        gauge(
                            "clickstream_rocksdb_block_cache_bytes",
                            "block cache, {{instance}}",
                            "sum",
                            "instance",
                        ),
                    ),
                ),
                Panel(
                    "Resident memory",
                    "Of the process; the limit is processors.resources.limits.memory.",
                    "bytes",
                    (gauge("process_resident_memory_bytes", "{{instance}}", by="instance"),),
                ),
                Panel(
                    "Processor time",
                    "Seconds of a core per second.",
                    "short",
                    (
                        Query(
                            f"sum by (instance) (rate(process_cpu_seconds_total{{{POD}}}[$__rate_interval]))",
                            "{{instance}}",
                        ),
                    ),
                ),
            ),
        ),
    ),
)
