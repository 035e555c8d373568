"""The dashboards beside the pipeline's own: its connectors and the operator."""

from charts.dashboards.boards import POD, gauge, quantiles, rate
from charts.dashboards.panels import Board, Panel, Query

CONNECTORS = Board(
    uid="clickstream-connectors",
    title="Clickstream / Connectors",
    description="Do profiles arrive and does search keep up? From Kafka Connect, by connect/metrics.yaml.",
    probe="kafka_connect_connector_task_status",
    rows=(
        (
            "Now",
            (
                Panel(
                    "Tasks running",
                    "Connector tasks in state running.",
                    "short",
                    (
                        Query(
                            f'sum(kafka_connect_connector_task_status{{status="running", {POD}}}) or vector(0)',
                            "running",
                        ),
                    ),
                    single=True,
                ),
                Panel(
                    "Tasks failed",
                    "Connector tasks in state failed; the ClickPipeline's condition ConnectorsReady says why.",
                    "short",
                    (
                        Query(
                            f'sum(kafka_connect_connector_task_status{{status="failed", {POD}}}) or vector(0)',
                            "failed",
                        ),
                    ),
                    single=True,
                ),
                Panel(
                    "Search blocked for",
                    "Time since the search engine last took documents; 0 while it does. Nothing is lost meanwhile.",
                    "s",
                    (Query(f"max(clickstream_sink_blocked_seconds{{{POD}}})", "blocked"),),
                    single=True,
                ),
                Panel(
                    "Profiles behind the database",
                    "How far Debezium is behind the table's last change; -1 before the first one.",
                    "s",
                    (Query(f"max(debezium_behind_source_seconds{{{POD}}})", "behind"),),
                    single=True,
                ),
            ),
        ),
        (
            "Search sink",
            (
                Panel(
                    "Documents indexed",
                    "Documents that the search engine takes per second.",
                    "ops",
                    (rate("clickstream_sink_documents_indexed_total", "connector", "{{connector}}"),),
                ),
                Panel(
                    "Bulk requests and retries",
                    "Requests to the engine, and deliveries put back because it did not take them.",
                    "ops",
                    (
                        rate("clickstream_sink_bulk_requests_total", "connector", "requests, {{connector}}"),
                        rate("clickstream_sink_retries_total", "connector", "retries, {{connector}}"),
                    ),
                ),
                Panel(
                    "Bulk request duration",
                    "Time that the engine takes for one request: mean, and the longest.",
                    "s",
                    (
                        gauge(
                            "clickstream_sink_bulk_request_latency_avg_seconds",
                            "mean, {{connector}}",
                            "avg",
                            "connector",
                        ),
                        gauge(
                            "clickstream_sink_bulk_request_latency_max_seconds",
                            "longest, {{connector}}",
                            "max",
                            "connector",
                        ),
                    ),
                ),
            ),
        ),
        (
            "Records",
            (
                Panel(
                    "Records read by sinks",
                    "Records per second that sink tasks take from Kafka.",
                    "ops",
                    (rate("kafka_connect_sink_task_sink_record_read_total", "connector", "{{connector}}"),),
                ),
                Panel(
                    "Records written by sources",
                    "Records per second that source tasks put into Kafka.",
                    "ops",
                    (
                        Query(
                            f"sum by (connector) (rate(kafka_connect_source_task_source_record_write_total{{{POD}}}[$__rate_interval])) or vector(0)",
                            "{{connector}}",
                        ),
                    ),
                ),
                Panel(
                    "Dead letters",
                    "Records per second that connectors give up on; the dead letter's headers say why.",
                    "ops",
                    (
                        rate(
                            "kafka_connect_task_error_deadletterqueue_produce_requests_total",
                            "connector",
                            "{{connector}}",
                        ),
                    ),
                ),
            ),
        ),
    ),
)

OPERATOR = Board(
    uid="clickstream-operator",
    title="Clickstream / Operator",
    description="Does the operator work, and which pipelines are not what they shall be?",
    probe="clickstream_operator_leader",
    rows=(
        (
            "Now",
            (
                Panel(
                    "Leaders",
                    "Replicas that lead: one, except for some seconds when it changes.",
                    "short",
                    (Query(f"sum(clickstream_operator_leader{{{POD}}})", "leaders"),),
                    single=True,
                ),
                Panel(
                    "Pipelines",
                    "Pipelines that the operator serves.",
                    "short",
                    (Query(f"max(clickstream_operator_pipelines{{{POD}}})", "pipelines"),),
                    single=True,
                ),
                Panel(
                    "Pipelines failing",
                    "Pipelines whose last look ended in an error; it is tried again.",
                    "short",
                    (Query(f"max(clickstream_operator_failing_pipelines{{{POD}}})", "failing"),),
                    single=True,
                ),
                Panel(
                    "Oldest work",
                    "How long the pipeline that waits longest for a look has waited.",
                    "s",
                    (Query(f"max(clickstream_operator_queue_age_seconds{{{POD}}})", "oldest"),),
                    single=True,
                ),
            ),
        ),
        (
            "Pipelines",
            (
                Panel(
                    "Ready",
                    "Condition Ready of each pipeline: 1 true, 0 false, -1 not known.",
                    "short",
                    (
                        Query(
                            f'max by (namespace, pipeline) (clickstream_operator_pipeline_condition{{condition="Ready", {POD}}}) or vector(-1)',
                            "{{namespace}}/{{pipeline}}",
                        ),
                    ),
                ),
                Panel(
                    "Conditions that are not true",
                    "What keeps pipelines from being ready.",
                    "short",
                    (
                        Query(
                            f"count by (condition) (clickstream_operator_pipeline_condition{{{POD}}} < 1) or vector(0)",
                            "{{condition}}",
                        ),
                    ),
                    stacked=True,
                ),
            ),
        ),
        (
            "Work",
            (
                Panel(
                    "Reconciliations by result",
                    "Looks at a pipeline per second; failed ones are tried again with growing pauses.",
                    "ops",
                    (rate("clickstream_operator_reconciles_total", "result", "{{result}}"),),
                    stacked=True,
                ),
                Panel(
                    "Reconciliation duration",
                    "Time of one look.",
                    "s",
                    quantiles("clickstream_operator_reconcile_duration_seconds", 0.5, 0.99),
                ),
                Panel(
                    "Queue",
                    "Pipelines that are due and not yet looked at.",
                    "short",
                    (gauge("clickstream_operator_queue_depth", "{{instance}}", by="instance"),),
                ),
            ),
        ),
        (
            "API server",
            (
                Panel(
                    "Writes",
                    "Objects written per second; in rest there are none.",
                    "ops",
                    (
                        Query(
                            f"sum by (kind) (rate(clickstream_operator_writes_total{{{POD}}}[$__rate_interval])) or vector(0)",
                            "{{kind}}",
                        ),
                    ),
                    stacked=True,
                ),
                Panel(
                    "Silence of the API server",
                    "Time since it was last heard of each kind; watches begin again every four minutes.",
                    "s",
                    (gauge("clickstream_operator_watch_age_seconds", "{{kind}}", by="kind"),),
                ),
            ),
        ),
    ),
)
