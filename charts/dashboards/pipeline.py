"""The dashboard of a pipeline: its health, its load, and how fresh its answers are."""

from charts.dashboards.panels import Board, Panel, Query
from charts.dashboards.queries import POD, gauge, known, quantiles, rate

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
