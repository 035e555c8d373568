"""Every Prometheus metric of a collector, defined once; docs/reference/metrics.md lists them.

Rules: one prefix, base units, no key and no user in a label. Counted once a request, never once an event.
"""

from prometheus_client import Counter, Gauge, Histogram, Info

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

BUILD = Info("clickstream_collector_build", "Version of this collector")
REQUESTS = Counter("clickstream_collector_requests_total", "Requests answered", ["vocabulary", "code"])
DURATION = Histogram(
    "clickstream_collector_request_duration_seconds",
    "Time from a request's head to its answer, with the wait for Kafka",
    ["vocabulary"],
    buckets=_FAST,
)
EVENTS = Counter(
    "clickstream_collector_events_total",
    "Events that all in-sync replicas have, and answered",
    ["vocabulary"],
)
REFUSED = Counter(
    "clickstream_collector_refused_events_total", "Events written as dead letters", ["vocabulary", "reason"]
)
IDENTITIES = Counter("clickstream_collector_identities_total", "Pairs of ids written", ["vocabulary"])
BOTS_DROPPED = Counter(
    "clickstream_collector_bots_dropped_total", "Events of bots that were dropped", ["vocabulary"]
)
UNDELIVERED = Counter(
    "clickstream_collector_undelivered_records_total",
    "Records that Kafka did not take; their sender was told",
    ["error"],
)
IN_FLIGHT = Gauge("clickstream_collector_requests_in_flight", "Requests under way")
QUEUED = Gauge("clickstream_collector_queued_records", "Records that wait for Kafka")
KAFKA_AVAILABLE = Gauge("clickstream_collector_kafka_available", "1 while Kafka takes records, else 0")
KEYS_READABLE = Gauge(
    "clickstream_collector_keys_readable", "1 while the file of write keys can be read, else 0"
)
