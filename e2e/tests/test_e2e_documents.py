"""The command blocks of README and docs/how-to/operate.md do what they say, as they stand."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from clickstream_e2e.images import REPOSITORY, SOURCE, docker
from clickstream_e2e.platform import NAMESPACE
from clickstream_e2e.release import Release
from clickstream_e2e.storefront import Storefront, document
from pytest_kind import KindCluster

REGISTRY, VERSION = "registry.example.com/team", "0.1.0"
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)


def blocks(path: str) -> list[str]:
    """Return the commands of a page, block by block."""
    return BLOCK.findall((REPOSITORY / path).read_text())


def run(commands: str, kubeconfig: str, folder: Path) -> None:
    """Run a block in a folder, as a reader would in the repository's."""
    for name in ("charts", "examples"):
        if not (folder / name).exists():
            (folder / name).symlink_to(SOURCE / name)
    (folder / "pipeline.yaml").write_text(yaml.safe_dump(document()))
    done = subprocess.run(
        ["bash", "-em", "-c", commands],
        cwd=folder,
        env={**os.environ, "KUBECONFIG": kubeconfig},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, f"{commands}\n{done.stdout}{done.stderr}"


def test_the_readmes_commands_work(
    storefront: Storefront,
    release: Release,
    images: dict[str, str],
    kind_cluster: KindCluster,
    tmp_path: Path,
) -> None:
    for role in ("operator", "processor"):
        name = f"{REGISTRY}/clickstream-{role}:{VERSION}"
        subprocess.run([docker(), "tag", images[role], name], check=True)
        kind_cluster.load_docker_image(name)
    try:
        for block in blocks("README.md"):
            run(block, storefront.kube.kubeconfig, tmp_path)
    finally:
        release.install()
        storefront.kube.apply([document()])
    storefront.until("Ready", "True", 600)
    storefront.until_pods(2)
    assert storefront.check()["complete"]


@pytest.mark.parametrize("number", range(len(blocks("docs/how-to/operate.md"))))
def test_the_operations_commands_work(storefront: Storefront, number: int, tmp_path: Path) -> None:
    run(blocks("docs/how-to/operate.md")[number], storefront.kube.kubeconfig, tmp_path)
    assert storefront.now()["metadata"]["namespace"] == NAMESPACE
