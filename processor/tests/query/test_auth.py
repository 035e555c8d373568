"""Bearer tokens and the pods' own key: who is let in, and that files are read again when they change."""

import os
from pathlib import Path

import pytest
from clickstream_processor.query.http.credentials import Secret
from processor_support.queries.query_pods import Cluster, alice_on

PATH = "/dashboard/users/alice123/metrics"


def mount(folder: Path, **files: str) -> Path:
    """Write a Secret as Kubernetes mounts it: links to links to files, swapped whole."""
    version = folder / f"..version-{len(list(folder.glob('..version-*')))}"
    version.mkdir(parents=True)
    for name, text in files.items():
        (version / name).write_text(text)
    link = folder / "..new"
    link.symlink_to(version.name)
    os.replace(link, folder / "..data")
    for name in files:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")
    return folder


async def test_data_needs_a_token_where_tokens_are_set(tmp_path: Path) -> None:
    tokens = mount(tmp_path / "tokens", grafana="sesame\n", fraud="open-1\nopen-2")
    cluster = Cluster(tmp_path, pods=1, tokens=tokens)
    async with alice_on(cluster, owner=0):
        for path in (PATH, "/api/summary", "/api/stream", "/api/search", "/api/letters", "/api/letters/0/0"):
            async with cluster.client.get(cluster.pods[0].url + path) as response:
                assert response.status == 401
                assert response.headers["Content-Type"] == "application/problem+json"
                assert response.headers["WWW-Authenticate"].startswith("Bearer ")
        for token, status in (("sesame", 200), ("open-2", 200), ("sesam", 401), ("", 401)):
            headers = {"Authorization": f"Bearer {token}"}
            async with cluster.client.get(cluster.pods[0].url + PATH, headers=headers) as response:
                assert response.status == status, token
        headers = {"Authorization": "Basic sesame"}
        async with cluster.client.get(cluster.pods[0].url + PATH, headers=headers) as response:
            assert response.status == 401


async def test_pages_and_the_description_need_no_token(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, pods=1, tokens=mount(tmp_path / "tokens", one="sesame"))
    async with cluster:
        for path in (
            "/operations",
            "/search",
            "/dead-letters",
            "/static/operations/operations.js",
            "/openapi.json",
        ):
            async with cluster.client.get(cluster.pods[0].url + path) as response:
                assert response.status == 200


async def test_tokens_work_over_the_hop_between_pods(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, pods=2, tokens=mount(tmp_path / "tokens", one="sesame"))
    async with alice_on(cluster, owner=1):
        headers = {"Authorization": "Bearer sesame"}
        async with cluster.client.get(cluster.pods[0].url + PATH, headers=headers) as response:
            assert response.status == 200


def test_secret_is_read_again_when_kubernetes_swaps_it(tmp_path: Path) -> None:
    clock = iter(range(0, 1000, 2))
    folder = mount(tmp_path / "secret", one="before")
    secret = Secret(folder, lambda: next(clock))
    assert secret.admits("Bearer before")
    mount(folder, one="after")
    assert not secret.admits("Bearer before")
    assert secret.admits("bearer after")


def test_files_are_looked_at_no_more_than_once_a_second(tmp_path: Path) -> None:
    folder = mount(tmp_path / "secret", one="before")
    secret = Secret(folder, lambda: 0.0)
    assert secret.admits("Bearer before")
    mount(folder, one="after")
    assert secret.admits("Bearer before")


@pytest.mark.parametrize("text", ["", "\n\n", "# a remark\n"], ids=["empty", "blank lines", "remarks"])
def test_secret_without_a_value_lets_nobody_in(tmp_path: Path, text: str) -> None:
    secret = Secret(mount(tmp_path / "secret", one=text))
    for authorization in (None, "", "Bearer", "Bearer ", "Bearer  ", f"Bearer {text.strip()}"):
        assert not secret.admits(authorization)


def test_secret_that_cannot_be_read_lets_nobody_in_until_it_can(tmp_path: Path) -> None:
    clock = iter(range(0, 1000, 2))
    secret = Secret(tmp_path / "secret", lambda: next(clock))
    assert not secret.admits("Bearer token")
    folder = mount(tmp_path / "secret", one="token")
    assert secret.admits("Bearer token")
    (folder / "..data").unlink()
    assert not secret.admits("Bearer token")
