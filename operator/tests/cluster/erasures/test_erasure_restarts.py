"""An operator that is killed at any step of an erasure, and the next one that goes on."""

from collections.abc import Iterator

import pytest
from clickstream_local.testing.eventually import eventually
from operator_support.cluster.operations import Erasure, Replay
from operator_support.cluster.world import OperatorProcess, World
from operator_support.operation_documents import RECEIPT, REPORT


@pytest.fixture
def shop(world: World) -> Iterator[str]:
    """Make a namespace with a ready pipeline, and leave no operator behind."""
    first = started(world)
    shop = world.namespace("erasures-through-restarts")
    world.create(shop)
    world.wait_ready(shop)
    first.kill()
    yield shop
    for operator in world.operators:
        operator.kill()


def started(world: World) -> OperatorProcess:
    operator = world.operator(CLICKSTREAM_RESYNC_SECONDS="4", CLICKSTREAM_LEASE="erasures")
    eventually(operator.is_leader)
    return operator


def test_erasure_goes_on_whenever_the_operator_is_killed(world: World, shop: str) -> None:
    erasure, replay = Erasure(world, shop, "a-first").create(), Replay(world, shop, "b-second").create()
    operator = started(world)
    erasure.wait_for("Complete", "Starting")
    operator.kill()  # perhaps before the objects are made
    operator = started(world)
    pod = erasure.run_pod()
    replay.wait_for("Accepted", "AnotherRuns")
    erasure.answers({**RECEIPT, "phase": "erasing"})
    erasure.wait_for("Complete", "Running")
    begun = erasure.status["startTime"]
    operator.kill()
    erasure.end_pod(pod, RECEIPT)  # while nobody looks
    operator = started(world)
    erasure.wait_for("Complete", "Erased")
    assert erasure.status["startTime"] == begun
    assert len(erasure.pods()) == 1
    series = f'{{kind="ClickErasure",namespace="{shop}",phase="Complete"}}'
    eventually(lambda: operator.metric("clickstream_operator_operations", series) == 1, "it is counted once")
    replay.end_pod(replay.run_pod(), REPORT)
    replay.wait_for("Complete", "Replayed")
    assert operator.terminate() == 0
