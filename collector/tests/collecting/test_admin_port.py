"""The admin port: probes, and every metric by its name."""

from clickstream_collector import metrics
from collector_support import bodies
from collector_support.running import RunningCollector
from prometheus_client.metrics import MetricWrapperBase


def test_probes_answer(collector: RunningCollector) -> None:
    assert collector.ask("/livez", port=collector.admin_port).json == {"alive": True}
    assert collector.ask("/readyz", port=collector.admin_port).json == {"ready": True, "detail": None}


def test_probes_are_not_on_the_port_for_events(collector: RunningCollector) -> None:
    assert collector.ask("/metrics").status == 404


def test_every_metric_is_served(collector: RunningCollector) -> None:
    text = collector.ask("/metrics", port=collector.admin_port).body.decode()
    names = [each._name for each in vars(metrics).values() if isinstance(each, MetricWrapperBase)]
    assert len(names) > 8
    assert [name for name in names if f"# HELP {name}" not in text] == []


def test_events_and_refusals_are_counted(collector: RunningCollector) -> None:
    def seen() -> tuple[float, float, float]:
        return (
            collector.metric("clickstream_collector_events_total", vocabulary="clicks"),
            collector.metric("clickstream_collector_refused_events_total", reason="missing-field"),
            collector.metric("clickstream_collector_requests_total", vocabulary="clicks", code="200"),
        )

    before = seen()
    collector.post("/v1/clicks", [bodies.own(), bodies.own(), {"user_id": "a", "page_url": "/"}])
    assert [after - then for after, then in zip(seen(), before, strict=True)] == [2, 1, 1]
