"""What Prometheus sees of the sink through the worker's JMX exporter with connect/metrics.yaml."""

import re

from clickstream_local.machine.ports import HOST
from clickstream_local.machine.web import request
from clickstream_local.testing.eventually import eventually
from indexing import Indexing, click

SAMPLE = re.compile(r"^(\w+)\{(.*)\} ([0-9.E+-]+)$", re.MULTILINE)


def scraped(port: int, connector: str) -> dict[str, float]:
    """Return the metrics of a connector, summed over its tasks; a status is part of its name."""
    text = request("GET", f"http://{HOST}:{port}/metrics", timeout_s=10).body.decode()
    sums: dict[str, float] = {}
    for name, labels, value in SAMPLE.findall(text):
        if f'connector="{connector}"' in labels:
            status = re.search(r'status="(\w+)"', labels)
            full = f"{name} {status[1]}" if status else name
            sums[full] = sums.get(full, 0.0) + float(value)
    return sums


def test_what_was_indexed_and_dead_lettered_is_counted(indexing: Indexing, exporter_port: int) -> None:
    indexing.produce([*(click(number)[1] for number in range(500)), b"{broken", None])
    indexing.start(tasks=2)
    indexing.wait_for(500)
    eventually(lambda: len(indexing.dead_letters()) == 1, "dead-lettered")

    # A document is found before the sink hears that it was taken; one task may do all before the other runs.
    expected = {
        "clickstream_sink_documents_indexed_total": 500,
        "clickstream_sink_documents_dead_lettered_total": 1,
        "clickstream_sink_tombstones_ignored_total": 1,
        "clickstream_sink_retries_total": 0,
        "clickstream_sink_blocked_seconds": 0,
        "kafka_connect_connector_task_status running": 2,
        "kafka_connect_sink_task_sink_record_read_total": 502,
        "kafka_connect_task_error_deadletterqueue_produce_requests_total": 1,
    }

    def told() -> dict[str, float]:
        found = scraped(exporter_port, indexing.name)
        assert {name: found.get(name) for name in expected} == expected
        return found

    found = eventually(told, "all is counted")
    assert found["clickstream_sink_bulk_requests_total"] >= 1  # of one task or both: who got what is chance
    assert 0 < found["clickstream_sink_bulk_request_latency_max_seconds"] < 60
