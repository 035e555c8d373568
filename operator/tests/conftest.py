"""Options of these tests, and which of them need a control plane."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from controlplane import ControlPlane, running
from world import Figure, World

# Those take minutes and Go's compiler once: `make test-operator` runs them.
collect_ignore_glob = [] if os.environ.get("CLICKSTREAM_CONTROL_PLANE") else ["test_cluster_*.py"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--golden`."""
    parser.addoption("--golden", action="store_true", help="take what is rendered as the new golden files")


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
    with running(tmp_path_factory.mktemp("control-plane"), controllers=True) as plane:
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
