"""An operator that is killed at any step of a replay, and the next one that goes on."""

from collections.abc import Iterator

import pytest
from clickstream_local.testing.eventually import eventually
from operator_support.cluster.operations import Replay
from operator_support.cluster.world import OperatorProcess, World
from operator_support.operation_documents import REPORT


@pytest.fixture
def shop(world: World) -> Iterator[str]:
    """Make a namespace with a ready pipeline, and leave no operator behind."""
    first = started(world)
    shop = world.namespace("replays-through-restarts")
    world.create(shop)
    world.wait_ready(shop)
    first.kill()
    yield shop
    for operator in world.operators:
        operator.kill()


def started(world: World) -> OperatorProcess:
    operator = world.operator(CLICKSTREAM_RESYNC_SECONDS="4", CLICKSTREAM_LEASE="replays")
    eventually(operator.is_leader)
    return operator


def test_replay_goes_on_whenever_the_operator_is_killed(world: World, shop: str) -> None:
    first, second = Replay(world, shop, "first").create(), Replay(world, shop, "second").create()
    operator = started(world)
    first.wait_for("Complete", "Starting")
    operator.kill()  # perhaps before the objects are made
    operator = started(world)
    pod = first.run_pod()
    second.wait_for("Accepted", "AnotherRuns")
    first.answers({**REPORT, "phase": "reading", "scanned": 4, "replayed": 2})
    first.wait_for("Complete", "Running")
    begun = first.status["startTime"]
    operator.kill()
    first.end_pod(pod, REPORT)  # while nobody looks
    operator = started(world)
    first.wait_for("Complete", "Replayed")
    assert first.status["startTime"] == begun
    labels = '{outcome="replayed"}'
    # 2 were told before. The status is written first, then the metric.
    eventually(lambda: operator.metric("clickstream_operator_replayed_letters_total", labels) == 1)
    pod = second.run_pod()
    operator.kill()
    assert len(first.pods()) == len(second.pods()) == 1
    operator = started(world)
    second.end_pod(pod, REPORT)
    second.wait_for("Complete", "Replayed")
    assert operator.terminate() == 0
