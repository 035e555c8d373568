"""`helm upgrade` brings a new image to every pod, one by one, under load; `helm rollback` takes it back."""

import subprocess

import pytest
from clickstream_e2e.images import docker
from clickstream_e2e.kube import Kube, eventually
from clickstream_e2e.release import Release
from clickstream_e2e.storefront import Storefront
from pytest_kind import KindCluster


@pytest.mark.long
def test_an_upgrade_and_a_rollback_lose_nothing_and_answer_all_the_while(
    storefront: Storefront, release: Release, images: dict[str, str], kind_cluster: KindCluster, kube: Kube
) -> None:
    old = images["processor"]
    new = f"{old.partition(':')[0]}:e2e-next"
    subprocess.run([docker(), "tag", old, new], check=True)
    kind_cluster.load_docker_image(new)
    with storefront.traffic(rate=100) as account:
        release.install(**{"processor.image.tag": "e2e-next"})
        _until_image(storefront, new)
        release.rollback()
        _until_image(storefront, old)
    storefront.check()
    answers = account["answers"]
    good = answers.get("200", 0) + answers.get("404", 0)
    assert good / sum(answers.values()) >= 0.999, account


def _until_image(storefront: Storefront, image: str) -> None:
    eventually(
        f"every pod runs {image}",
        lambda: all(pod["spec"]["containers"][0]["image"] == image for pod in storefront.pods()),
        300,
    )
    storefront.until_pods(2)
    storefront.until("Ready", "True")
