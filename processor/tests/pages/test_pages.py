"""The pages: self-contained, under a strict content policy, cached by tag, at addresses that stay."""

import re
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from urllib.parse import urljoin

import pytest
from clickstream_processor.query.pages import PAGES, html
from clickstream_processor.query.search.index import SearchOptions
from processor_support.queries.metric_pods import cluster_of
from processor_support.queries.product_page import VIEWS
from processor_support.queries.query_pods import Cluster

QUERY = files("clickstream_processor.query")
PATHS = ["/", "/search", "/dead-letters", "/operations"]


def with_metrics(folder: Path) -> Cluster:
    return cluster_of(folder, 1, VIEWS, search=SearchOptions(url="http://127.0.0.1:9", index="clicks"))


def sources(folder: Traversable) -> Iterator[Traversable]:
    for each in folder.iterdir():
        if each.is_dir():
            yield from sources(each)
        else:
            yield each


@pytest.mark.parametrize("path", PATHS)
async def test_page_has_a_policy_that_allows_nothing_from_elsewhere_and_nothing_inline(
    tmp_path: Path, path: str
) -> None:
    cluster = with_metrics(tmp_path)
    async with cluster, cluster.client.get(cluster.pods[0].url + path, allow_redirects=False) as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/html; charset=utf-8"
        policy = response.headers["Content-Security-Policy"]
        text = await response.text()
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", text)
    assert "$" not in text, "a place of the frame is not filled"


@pytest.mark.parametrize("path", PATHS)
async def test_everything_a_page_loads_is_served_by_the_pod(tmp_path: Path, path: str) -> None:
    cluster = with_metrics(tmp_path)
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
            imported = {urljoin(name, module) for module in re.findall(r'from "([./\w-]+)"', source)}
            wanted |= imported - seen


@pytest.mark.parametrize("path", PATHS)
async def test_each_page_has_the_same_navigation_with_itself_marked(tmp_path: Path, path: str) -> None:
    cluster = with_metrics(tmp_path)
    async with cluster, cluster.client.get(cluster.pods[0].url + path) as response:
        text = await response.text()
    links = re.findall(r'<a href="([^"]+)"( aria-current="page")?>([\w ]+)</a>', text)
    assert [(address, title) for address, _, title in links] == [
        ("./", "Insights"),
        ("search", "Search"),
        ("dead-letters", "Dead letters"),
        ("operations", "Operations"),
        ("openapi.json", "API"),
    ]
    assert [urljoin("/", address) for address, current, _ in links if current] == [path]
    assert f"<title>{next(title for _, current, title in links if current)} · " in text


async def test_pages_of_a_pipeline_without_search_lead_to_none(tmp_path: Path) -> None:
    cluster = cluster_of(tmp_path, 1, VIEWS)
    async with cluster, cluster.client.get(cluster.pods[0].url + "/operations") as response:
        assert 'href="search"' not in await response.text()


async def test_former_address_of_insights_leads_to_the_root_for_good(tmp_path: Path) -> None:
    cluster = with_metrics(tmp_path)
    async with cluster:
        url = cluster.pods[0].url
        async with cluster.client.get(f"{url}/insights", allow_redirects=False) as response:
            assert (response.status, response.headers["Location"]) == (308, "./")


async def test_root_leads_to_operations_where_there_are_no_metrics(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, pods=1)
    async with cluster:
        url = cluster.pods[0].url
        async with cluster.client.get(f"{url}/", allow_redirects=False) as response:
            assert (response.status, response.headers["Location"]) == (307, "operations")
            assert response.headers["Cache-Control"] == "no-store"
        async with cluster.client.get(f"{url}/insights") as response:
            assert (response.status, response.url.path) == (200, "/operations")


def test_no_page_or_script_names_another_host() -> None:
    for folder in ("static", "templates"):
        for file in sources(QUERY / folder):
            text = file.read_text().replace("http://www.w3.org/2000/svg", "")
            assert not re.search(r"(?:https?:)?//[\w-]+\.\w", text), file.name


def test_every_control_of_the_pages_has_a_label(tmp_path: Path) -> None:
    controls = 0
    options = with_metrics(tmp_path).options
    for text in (html(page, options) for page in PAGES):
        for tag in re.findall(r"<input[^>]*>", text):
            name = re.search(r'\bid="(\w+)"', tag)
            assert name is not None
            assert f'for="{name[1]}"' in text
            controls += 1
        for tag, content in re.findall(r"(<button[^>]*>)([^<]*)", text):
            assert content.strip() or "aria-label=" in tag, tag
            controls += 1
    assert controls > 2, "the pages have none to look at"


@pytest.mark.parametrize("path", ["/", "/static/common/page.css"])
async def test_unchanged_file_is_not_sent_again(tmp_path: Path, path: str) -> None:
    cluster = with_metrics(tmp_path)
    async with cluster:
        url = cluster.pods[0].url + path
        async with cluster.client.get(url) as response:
            tag = response.headers["ETag"]
        async with cluster.client.get(url, headers={"If-None-Match": tag}) as response:
            assert (response.status, await response.read()) == (304, b"")


@pytest.mark.parametrize(
    "path",
    ["/static/../api.py", "/static/%2e%2e/api.py", "/static/", "/static/common/", "/static/pages.py"],
)
async def test_no_other_file_can_be_reached(tmp_path: Path, path: str) -> None:
    cluster = Cluster(tmp_path, pods=1)
    async with cluster, cluster.client.get(cluster.pods[0].url + path) as response:
        assert response.status == 404
