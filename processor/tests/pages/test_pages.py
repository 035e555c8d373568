"""The pages: self-contained, under a strict content policy, cached by tag."""

import re
from importlib.resources import files
from pathlib import Path

import pytest
from processor_support.query_pods import Cluster

QUERY = files("clickstream_processor.query")
PAGES = {"/": "dashboard.html", "/insights": "insights.html", "/search": "search.html"}


@pytest.mark.parametrize("path", PAGES)
async def test_page_has_a_policy_that_allows_nothing_from_elsewhere_and_nothing_inline(
    tmp_path: Path, path: str
) -> None:
    cluster = Cluster(tmp_path, pods=1)
    async with cluster, cluster.client.get(cluster.pods[0].url + path) as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/html; charset=utf-8"
        policy = response.headers["Content-Security-Policy"]
        text = await response.text()
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", text)


@pytest.mark.parametrize("path", PAGES)
async def test_everything_a_page_loads_is_served_by_the_pod(tmp_path: Path, path: str) -> None:
    cluster = Cluster(tmp_path, pods=1)
    async with cluster:
        url = cluster.pods[0].url
        async with cluster.client.get(url + path) as response:
            text = await response.text()
        wanted = set(re.findall(r'(?:src|href)="(static/[^"]+)"', text))
        assert wanted
        seen: set[str] = set()
        while wanted:
            name = wanted.pop()
            seen.add(name)
            async with cluster.client.get(f"{url}/{name}") as response:
                assert response.status == 200, name
                assert response.headers["X-Content-Type-Options"] == "nosniff"
                source = await response.text()
            imported = {f"static/{module}" for module in re.findall(r'from "\./([\w.]+)"', source)}
            wanted |= imported - seen


def test_no_page_or_script_names_another_host() -> None:
    for folder in ("static", "templates"):
        for file in (QUERY / folder).iterdir():
            text = file.read_text().replace("http://www.w3.org/2000/svg", "")
            assert not re.search(r"(?:https?:)?//[\w-]+\.\w", text), file.name


def test_every_control_of_the_pages_has_a_label() -> None:
    controls = 0
    for template in PAGES.values():
        text = (QUERY / "templates" / template).read_text()
        for tag in re.findall(r"<input[^>]*>", text):
            name = re.search(r'\bid="(\w+)"', tag)
            assert name is not None
            assert f'for="{name[1]}"' in text
            controls += 1
        for tag, content in re.findall(r"(<button[^>]*>)([^<]*)", text):
            assert content.strip() or "aria-label=" in tag, tag
            controls += 1
    assert controls > 2, "the pages have none to look at"


async def test_unchanged_file_is_not_sent_again(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, pods=1)
    async with cluster:
        url = cluster.pods[0].url + "/static/page.css"
        async with cluster.client.get(url) as response:
            tag = response.headers["ETag"]
        async with cluster.client.get(url, headers={"If-None-Match": tag}) as response:
            assert (response.status, await response.read()) == (304, b"")


@pytest.mark.parametrize(
    "path", ["/static/../api.py", "/static/%2e%2e/api.py", "/static/", "/static/pages.py"]
)
async def test_no_other_file_can_be_reached(tmp_path: Path, path: str) -> None:
    cluster = Cluster(tmp_path, pods=1)
    async with cluster, cluster.client.get(cluster.pods[0].url + path) as response:
        assert response.status == 404
