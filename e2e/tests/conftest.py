"""The cluster, the platform on it, the release and the pipeline: made once, in this order, each timed."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from clickstream_e2e.evidence import collect
from clickstream_e2e.images import build_all
from clickstream_e2e.kube import Kube
from clickstream_e2e.platform import NAMESPACE, REAL_STRIMZI, Platform
from clickstream_e2e.release import Release
from clickstream_e2e.stages import STAGES, stage
from clickstream_e2e.storefront import Storefront, document
from pytest_kind import KindCluster

# First what all others stand on, last what takes it away; the rest in between, by name.
FIRST = ("test_e2e_install.py", "test_e2e_straight_line.py")
LAST = ("test_e2e_node.py", "test_e2e_deletion.py", "test_e2e_uninstall.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the promises into the order in which they can be kept."""

    def rank(item: pytest.Item) -> tuple[int, str]:
        name = item.path.name
        if name in FIRST:
            return FIRST.index(name) - 100, name
        return (LAST.index(name) + 100 if name in LAST else 0), name

    items.sort(key=rank)


if os.environ.get("E2E_KUBECONFIG"):

    @pytest.fixture(scope="session")
    def kind_cluster() -> Any:
        """Stand for pytest-kind's fixture on a cluster that is given: its nodes have the images."""
        return SimpleNamespace(
            kubeconfig_path=Path(os.environ["E2E_KUBECONFIG"]),
            kubectl_path=Path(os.environ["E2E_KUBECTL"]),
            load_docker_image=lambda _: None,
        )


@pytest.fixture(scope="session")
def images(kind_cluster: KindCluster) -> dict[str, str]:
    """Build what is not built and put all where the nodes find it."""
    with stage("images built"):
        built = build_all()
    with stage("images loaded"):
        for image in built.values():
            kind_cluster.load_docker_image(image.reference)
    return {role: image.reference for role, image in built.items()}


@pytest.fixture(scope="session")
def kube(kind_cluster: KindCluster) -> Kube:
    """Return kubectl and helm for the cluster."""
    return Kube(kind_cluster)


@pytest.fixture(scope="session")
def platform(kube: Kube, images: dict[str, str]) -> Platform:
    """Install what pipelines run on."""
    platform = Platform(kube, images)
    if not (REAL_STRIMZI or os.environ.get("E2E_KEEP") == "1"):
        with stage("an earlier run removed"):
            platform.remove()
    with stage("data plane"):
        platform.install()
    return platform


@pytest.fixture(scope="session")
def release(kube: Kube, images: dict[str, str], platform: Platform) -> Release:
    """Install the chart."""
    release = Release(kube, images)
    with stage("helm install"):
        release.install()
    return release


@pytest.fixture(scope="session")
def applied(kube: Kube, release: Release) -> Storefront:
    """Apply the pipeline."""
    kube.apply([document()])
    return Storefront(kube)


@pytest.fixture(scope="session")
def storefront(applied: Storefront) -> Storefront:
    """Wait until the pipeline is Ready for the first time."""
    with stage("pipeline Ready"):
        applied.until("Ready", "True", 600)
    return applied


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Collect evidence where a test fails, while everything is as it was."""
    report = yield
    if call.when == "call":
        STAGES.append((item.nodeid.rpartition("/")[2], call.duration))
    if report.failed and (kube := getattr(item, "funcargs", {}).get("kube")):
        folder = collect(kube, item.name, (NAMESPACE, "clickstream", "strimzi"))
        report.sections.append(("evidence", f"logs, events and descriptions: {folder}"))
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print how long each stage took."""
    terminalreporter.section("seconds a stage")
    for name, seconds in STAGES:
        terminalreporter.write_line(f"{seconds:8.1f}  {name}")
