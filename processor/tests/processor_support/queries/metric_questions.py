"""Three metrics on several pods with the same clicks each time, and questions about them."""

from collections.abc import Mapping
from random import Random
from typing import Any

from clickstream_processor.aggregation.metric import Metric
from clickstream_processor.directory import Phase, Role

from processor_support.queries.metric_pods import Clicks, assign, get, hold
from processor_support.queries.query_pods import Cluster, now_ms

MINUTE = 60_000
VIEWS = Metric(
    "views", by={"page": "click.page_url", "mixed": "click.mixed"}, size_ms=5 * MINUTE, advance_ms=MINUTE
)
PEOPLE = Metric("people", "distinct", "click.mixed", by={"page": "click.page_url"}, size_ms=MINUTE, topic="t")
SPENT = Metric("spent", "sum", "click.amount", by={"mixed": "click.mixed"}, size_ms=MINUTE)
METRICS = (VIEWS, PEOPLE, SPENT)
START_MS = now_ms() // MINUTE * MINUTE - 10 * MINUTE
SPAN = f"from={START_MS}&to={START_MS + 6 * MINUTE}"
WINDOW = f"window={START_MS}"


def fill(cluster: Cluster, owners: Mapping[int, int], standbys: Mapping[int, int] | None = None) -> Clicks:
    """Let pods own the metrics tasks, and others hold copies; with the same clicks each time."""
    stores = {partition: [hold(cluster.pods[owner], partition)] for partition, owner in owners.items()}
    for partition, standby in (standbys or {}).items():
        as_of_ms = now_ms() - 2_500
        stores[partition].append(
            hold(cluster.pods[standby], partition, Role.STANDBY, Phase.RESTORING, as_of_ms=as_of_ms)
        )
    assign(cluster, owners, {partition: (standby,) for partition, standby in (standbys or {}).items()})
    clicks = Clicks(METRICS, stores)
    clicks.send_random(Random(1), 200, START_MS, START_MS + 5 * MINUTE)
    return clicks


async def ask(cluster: Cluster, pod: int, path: str) -> dict[str, Any]:
    """Return a document of status 200."""
    status, document, _ = await get(cluster, pod, path)
    assert status == 200, document
    found: dict[str, Any] = document
    return found
