"""The dashboard of a pipeline's connectors: the source of profiles and the sink into search."""

from charts.dashboards.panels import Board, Panel, Query
from charts.dashboards.queries import POD, gauge, rate

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
