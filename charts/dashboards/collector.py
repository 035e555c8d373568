"""The dashboard of a pipeline's collectors: what comes in over HTTP, what is refused, and why."""

from charts.dashboards.panels import Board, Panel, Query
from charts.dashboards.queries import POD, gauge, quantiles, rate

_ALL, _SUCCEEDED = (
    f"sum(rate(clickstream_collector_requests_total{{{codes}{POD}}}[$__rate_interval]))"
    for codes in ("", 'code=~"2..", ')
)


def _sum(metric: str) -> str:
    return f"sum(rate({metric}{{{POD}}}[$__rate_interval]))"


COLLECTOR = Board(
    uid="clickstream-collector",
    title="Clickstream / Collector",
    description="Do clicks arrive over HTTP, which are refused, and how fast does Kafka take them?",
    probe="clickstream_collector_requests_in_flight",
    rows=(
        (
            "Now",
            (
                Panel(
                    "Events per second",
                    "Events that all in-sync replicas have, and that were answered.",
                    "ops",
                    (Query(f"{_sum('clickstream_collector_events_total')} or vector(0)", "events"),),
                    single=True,
                ),
                Panel(
                    "Answered with success",
                    "Share of requests that got 2xx. Senders try again after 5xx; after 4xx most of them drop their events.",
                    "percentunit",
                    (Query(f"{_SUCCEEDED} / ({_ALL} > 0)", "2xx"),),
                    single=True,
                ),
                Panel(
                    "Answer p99",
                    "99 of 100 requests are answered faster than this. The wait for Kafka is in it.",
                    "s",
                    quantiles("clickstream_collector_request_duration_seconds", 0.99),
                    single=True,
                ),
                Panel(
                    "Pods that Kafka answers",
                    "Collectors that can write. The others answer 503.",
                    "short",
                    (Query(f"sum(clickstream_collector_kafka_available{{{POD}}})", "pods"),),
                    single=True,
                ),
            ),
        ),
        (
            "Requests",
            (
                Panel(
                    "Events by vocabulary",
                    "Which SDKs send, and how much.",
                    "ops",
                    (rate("clickstream_collector_events_total", "vocabulary", "{{vocabulary}}"),),
                ),
                Panel(
                    "Requests by answer",
                    "401, 403: a wrong write key or origin. 429: a key above its rate. 503: Kafka or the keys.",
                    "ops",
                    (rate("clickstream_collector_requests_total", "code", "{{code}}"),),
                    stacked=True,
                ),
                Panel(
                    "Duration",
                    "From a request's head to its answer.",
                    "s",
                    quantiles("clickstream_collector_request_duration_seconds", 0.5, 0.99),
                ),
            ),
        ),
        (
            "Events",
            (
                Panel(
                    "Dead letters",
                    "Events that are no clicks, by reason. The topic of dead letters has each with its bytes.",
                    "ops",
                    (
                        Query(
                            f"sum by (reason) (rate(clickstream_collector_refused_events_total{{{POD}}}[$__rate_interval])) or vector(0)",
                            "{{reason}}",
                        ),
                    ),
                ),
                Panel(
                    "Identities",
                    "Pairs of an anonymous id and a user.",
                    "ops",
                    (Query(f"{_sum('clickstream_collector_identities_total')} or vector(0)", "pairs"),),
                ),
                Panel(
                    "Bots dropped",
                    "Events of known crawlers, where the spec drops them.",
                    "ops",
                    (Query(f"{_sum('clickstream_collector_bots_dropped_total')} or vector(0)", "bots"),),
                ),
            ),
        ),
        (
            "Kafka and process",
            (
                Panel(
                    "Under way",
                    "Requests that wait, and records that Kafka has not acknowledged.",
                    "short",
                    (
                        gauge(
                            "clickstream_collector_requests_in_flight",
                            "requests, {{instance}}",
                            "sum",
                            "instance",
                        ),
                        gauge(
                            "clickstream_collector_queued_records", "records, {{instance}}", "sum", "instance"
                        ),
                    ),
                ),
                Panel(
                    "Not delivered",
                    "Records that Kafka did not take. Their senders were told.",
                    "ops",
                    (
                        Query(
                            f"sum by (error) (rate(clickstream_collector_undelivered_records_total{{{POD}}}[$__rate_interval])) or vector(0)",
                            "{{error}}",
                        ),
                    ),
                ),
                Panel(
                    "Resident memory",
                    "Of the process. The limit is collector.resources.limits.memory.",
                    "bytes",
                    (gauge("process_resident_memory_bytes", "{{instance}}", by="instance"),),
                ),
                Panel(
                    "Processor time",
                    "Seconds of a core per second. One process uses at most one core.",
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
