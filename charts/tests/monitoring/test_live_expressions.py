"""Every expression on the running local pipeline, as its own Prometheus scrapes it.

The operator's are in test_cluster_expressions.py: they need an operator.
"""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import pytest
from clickstream_local.load.producer import ClickProducer, Stream
from clickstream_local.load.profiles import make_profiles
from clickstream_local.load.traffic import Traffic
from clickstream_local.load.visitors import NO_FLAWS, Visitors
from clickstream_local.machine.ports import free_ports, free_row
from clickstream_local.machine.web import request
from clickstream_local.pipeline.database import Writer
from clickstream_local.pipeline.live_line import Probe
from clickstream_local.pipeline.options import Options, Ports
from clickstream_local.pipeline.progress import Progress
from clickstream_local.pipeline.reference import EXAMPLE
from clickstream_local.pipeline.stack import Stack
from clickstream_local.testing.eventually import eventually

from charts.tests.monitoring.expressions import Expression, alerts, panels, variables
from charts.tests.monitoring.promql import Answers, chosen, selectors

BOARDS = ("pipeline", "collector", "processor", "connectors")
PANELS = [(f"{board}: {each.where}", each) for board in BOARDS for each in panels(board)]
VARIABLES = [(f"{board}: {each.where}", each) for board in BOARDS for each in variables(board)]
ALERTS = [(each.where, each) for each in (*alerts("processor"), *alerts("collector"), *alerts("search"))]
DEADLINE_S = 240.0  # of a machine that is overloaded; an idle one takes a tenth
pytestmark = pytest.mark.timeout(900)
RATE_INTERVAL = "20s"  # four scrapes, as Grafana makes it

# What no part exports here. The alert's case in processor.promtest.yaml gives it.
ABSENT = {"kubelet_volume_stats_available_bytes": "of the kubelet"}
# A connector whose tasks fail with their first record, which has no schema.
FAILING = {
    "value.converter": "org.apache.kafka.connect.json.JsonConverter",
    "value.converter.schemas.enable": "true",
    "errors.tolerance": "none",
}


@pytest.fixture(scope="module")
def stack(parts_folder: Path) -> Iterator[Stack]:
    """Give the whole pipeline with clicks, changes of profiles and queries, and a connector that failed."""
    names = [each.name for each in fields(Ports)]
    ports = Ports(**dict(zip(names, free_ports(len(names)), strict=True)))
    pods = free_row(6)
    ports = replace(ports, query=pods, admin=pods + 3)  # the test scales to three
    options = Options(parts_folder / "stack", EXAMPLE, None, 2, 200, 500, 5, 1, ports, monitored=True)
    running = Stack(options, Progress())
    try:
        running.start()
        with at_work(running, options):
            running.connect.put("failing", {**running.connectors[1].rest(), **FAILING})
            yield running
    finally:
        running.stop()


@contextlib.contextmanager
def at_work(stack: Stack, options: Options) -> Iterator[None]:
    """Send clicks, to Kafka and to the collector, change profiles and ask for users."""
    users = [profile.user_id for profile in make_profiles(options.profiles, options.seed)]
    topics = stack.pipeline.spec.topics
    producer = ClickProducer(stack.kafka.bootstrap, topics.clicks)
    stream = Stream(producer, Traffic(users, topics.partitions), options.rate)
    writer = Writer(stack.table, options.profiles, options.changes, options.seed)
    visitors = Visitors(
        stack.collector.url, stack.collector.key, Traffic(users, topics.partitions, flaws=NO_FLAWS), 20
    )
    workers = (stream, visitors, writer, Probe(stack.pods, users))
    for worker in workers:
        worker.start()
    send_no_click(stack)
    try:
        yield
    finally:
        for worker in workers:
            worker.stop()


def send_no_click(stack: Stack) -> None:
    """Send the collector an event that becomes a dead letter, and have a key refused."""
    target = f"{stack.collector.url}/v1/clicks"
    good, wrong = ({"X-Write-Key": key} for key in (stack.collector.key, "wrong"))
    eventually(lambda: request("POST", target, [{}], 60, good).ok, "an event is taken")
    eventually(lambda: request("POST", target, [{}], 60, wrong).status == 401, "a key is refused")


@pytest.fixture(scope="module")
def live(stack: Stack) -> Answers:
    """Give the Prometheus of the running pipeline."""
    assert stack.prometheus, (
        "Prometheus is missing: apt-get install prometheus (scripts/test does it when root)"
    )
    return Answers(stack.prometheus.url)


@pytest.fixture(scope="module")
def deadline_s(live: Answers) -> float:
    """Give the moment until which everything must be there."""
    return time.monotonic() + DEADLINE_S


@pytest.mark.parametrize("panel", [p for _, p in PANELS], ids=[name for name, _ in PANELS])
def test_panel_has_data(live: Answers, deadline_s: float, panel: Expression) -> None:
    live.assert_data(chosen(panel.text, RATE_INTERVAL), deadline_s)


@pytest.mark.parametrize("variable", [v for _, v in VARIABLES], ids=[name for name, _ in VARIABLES])
def test_variable_has_values(live: Answers, deadline_s: float, variable: Expression) -> None:
    while not live.values(variable.text):
        assert time.monotonic() < deadline_s, variable.text
        time.sleep(0.5)


@pytest.mark.parametrize("alert", [a for _, a in ALERTS], ids=[name for name, _ in ALERTS])
def test_alert_is_silent_on_a_healthy_pipeline_and_asks_for_what_is_exported(
    live: Answers, deadline_s: float, alert: Expression
) -> None:
    for selector in selectors(alert.text):
        if selector.partition("{")[0] not in ABSENT:
            live.assert_exported(selector, deadline_s)
    firing = [each for each in live.ask("alerts")["alerts"] if each["state"] == "firing"]
    assert alert.where not in {each["labels"]["alertname"] for each in firing}


@pytest.mark.parametrize("expression", ["sum(rate(clickstream_clicks[1m])) or vector(0)", "rate(up[1m]"])
def test_wrong_expressions_would_be_noticed(live: Answers, expression: str) -> None:
    with pytest.raises(AssertionError, match=r"given by clickstream_clicks|unclosed"):
        live.assert_data(expression, time.monotonic())


def test_rules_are_loaded_and_every_evaluation_is_well(live: Answers) -> None:
    rules = [rule for group in live.ask("rules")["groups"] for rule in group["rules"]]
    assert {rule["name"] for rule in rules} == {
        each.where for file in ("processor", "collector", "search", "operator") for each in alerts(file)
    }
    assert {rule["health"] for rule in rules} <= {"ok", "unknown"}, rules  # unknown: not evaluated yet


def test_scaled_pods_are_scraped_and_removed_ones_are_not(stack: Stack, live: Answers) -> None:
    def scraped() -> set[str]:
        return {
            each["labels"]["instance"]
            for each in live.ask("targets")["activeTargets"]
            if each["health"] == "up" and each["labels"]["job"] == "clickstream-processor"
        }

    def wait_for(pods: int) -> None:
        deadline_s = time.monotonic() + DEADLINE_S
        while (found := scraped()) != {f"storefront-processor-{i}" for i in range(pods)}:
            assert time.monotonic() < deadline_s, found
            time.sleep(0.5)

    wait_for(2)
    pod = stack.pods.add()
    pod.process.start()
    stack.show_targets()
    wait_for(3)
    stack.pods.remove_last()
    stack.show_targets()
    wait_for(2)
