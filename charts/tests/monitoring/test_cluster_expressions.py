"""Every expression about the operator, on one that serves a real API server and is scraped by Prometheus."""

import time
from collections.abc import Iterator

import pytest
from clickstream_local.machine.ports import free_port
from clickstream_local.parts.prometheus import Prometheus, Target
from clickstream_local.testing.eventually import eventually
from operator_support.cluster.controlplane import running
from operator_support.cluster.operations import Replay
from operator_support.cluster.world import World

from charts.tests.monitoring.expressions import Expression, alerts, panels, variables
from charts.tests.monitoring.promql import Answers, chosen, selectors

RATE_INTERVAL = "10s"
DEADLINE_S = 120.0
# What fires on what is made below.
UNWELL = {"namespace": "web", "pipeline": "unwell"}
FIRES = {
    "ClickstreamPipelineNotReady": UNWELL,
    "ClickstreamConnectorFailed": UNWELL,
    "ClickstreamOperationFailed": {"namespace": "shop", "kind": "ClickReplay"},
}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Answers]:
    """Give the Prometheus of an operator: one pipeline is well, a connector and a replay have failed."""
    folder = tmp_path_factory.mktemp("operator-scraped")
    with running(folder, controllers=True) as plane:
        world = World(plane)
        server = Prometheus(folder, port=free_port(), scrape_every="1s")
        try:
            world.prepare()
            operator = world.operator(CLICKSTREAM_RESYNC_SECONDS="1")
            eventually(operator.is_leader)
            server.follow([Target("clickstream-operator", operator.port, {"instance": "operator-0"})])
            server.start()
            world.create(world.namespace("shop"))
            world.wait_ready("shop")
            world.standins.failing["unwell-search"] = "refused"
            world.create(world.namespace("web"), "unwell")
            eventually(lambda: world.condition("web", "ConnectorsReady", "unwell")["status"] == "False")
            replay = Replay(world, "shop").create(where="letter.nonsense")
            replay.wait_for("Failed", "InvalidExpression")
            yield Answers(server.url)
        finally:
            server.stop()
            world.close()


@pytest.fixture(scope="module")
def deadline_s(live: Answers) -> float:
    """Give the moment until which everything must be there."""
    return time.monotonic() + DEADLINE_S


def ids(expressions: list[Expression]) -> list[str]:
    return [each.where for each in expressions]


@pytest.mark.parametrize("panel", panels("operator"), ids=ids(panels("operator")))
def test_operator_panel_has_data(live: Answers, deadline_s: float, panel: Expression) -> None:
    live.assert_data(chosen(panel.text, RATE_INTERVAL), deadline_s)


@pytest.mark.parametrize("variable", variables("operator"), ids=ids(variables("operator")))
def test_operator_variable_has_values(live: Answers, variable: Expression) -> None:
    eventually(lambda: live.values(variable.text))


@pytest.mark.parametrize("alert", alerts("operator"), ids=ids(alerts("operator")))
def test_operator_alert_asks_for_what_is_exported(
    live: Answers, deadline_s: float, alert: Expression
) -> None:
    for selector in selectors(alert.text):
        live.assert_data(selector, deadline_s)
    expected = [FIRES[alert.where]] if alert.where in FIRES else []
    # Waited for: after a scrape that came too late Prometheus has no operator until the next one.
    eventually(lambda: live.series(alert.text) == expected, f"{alert.text} gives {expected}")
