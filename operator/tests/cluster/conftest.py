"""One control plane for all these tests, one operator for a module, one namespace for a test."""

import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from clickstream_local.testing.eventually import eventually
from operator_support.cluster.controlplane import ControlPlane, running
from operator_support.cluster.world import Figure, OperatorProcess, World

_numbers = itertools.count()


@pytest.fixture(scope="session")
def figure() -> Figure:
    """Return a function that keeps measured figures for the last line of `make test-operator`."""
    path = Path(os.environ.get("CLICKSTREAM_FIGURES") or os.devnull)

    def keep(**figures: float) -> None:
        with path.open("a") as file:
            file.write(json.dumps(figures) + "\n")

    return keep


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Run one control plane for all tests."""
    with running(tmp_path_factory.mktemp("control-plane"), controllers=True, more="job-controller") as plane:
        yield plane


@pytest.fixture(scope="session")
def world(plane: ControlPlane) -> Iterator[World]:
    """Return a cluster with CRDs, rights and stand-ins, and no operator yet."""
    world = World(plane)
    try:
        world.prepare()
        yield world
    finally:
        world.close()


@pytest.fixture(scope="module")
def operator(world: World) -> Iterator[OperatorProcess]:
    """Run one operator for a module, which looks at each pipeline every four seconds."""
    operator = world.operator(CLICKSTREAM_RESYNC_SECONDS="4")
    eventually(operator.is_leader)
    yield operator
    assert operator.terminate() == 0


@pytest.fixture
def shop(world: World, operator: OperatorProcess) -> Iterator[str]:
    """Make a namespace of the test's own, and put the stand-ins right again afterwards."""
    yield world.namespace(f"shop-{next(_numbers)}")
    world.standins.topics = world.standins.connectors = world.standins.pods = True
    world.standins.failing.clear()
    world.standins.late_s.clear()
    world.standins.lag_ms = 12
    world.standins.status = {"index_ready": True, "phase": "running", "detail": ""}
