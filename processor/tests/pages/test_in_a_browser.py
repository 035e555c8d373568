"""The pages in a real Chromium: what a person sees and does, with mouse, with keyboard alone, on a phone."""

import asyncio
import datetime
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from axe_playwright_python.async_playwright import Axe
from clickstream_local.testing.browser import PATIENCE_MS, PHONE, Tab, tab
from clickstream_processor.query.search.index import SearchIndex, SearchOptions
from playwright.async_api import Page, expect
from processor_support.query_pods import Cluster, alice_on, now_ms, totals

pytestmark = pytest.mark.real
expect.set_options(timeout=PATIENCE_MS)

PAGES = ["", "search"]
SERIOUS = ("serious", "critical")
HITS = 45


def patient(url: str, index: str) -> SearchOptions:
    """Wait for an engine that has just begun, on a machine that runs other suites too."""
    return SearchOptions(url, index, connect_timeout_s=30, total_timeout_s=PATIENCE_MS / 1_000)


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    """One pod that owns Alice's task."""
    pods = Cluster(tmp_path, pods=1)
    async with alice_on(pods, 0):
        yield pods


@pytest.fixture(scope="session")
def index(opensearch: Any) -> str:
    """An index of clicks: 30 views of Alice and 15 carts of Bob, a minute apart."""
    asyncio.run(fill_index(opensearch.url, "pages"))
    return "pages"


async def fill_index(url: str, name: str) -> None:
    """Write the clicks in bulk, as the sink does."""
    lines = []
    for number in range(HITS):
        alice, event_ms = number < 30, now_ms() - number * 60_000
        click = {
            "event_id": f"user-clicks-0-{number}",
            "user_id": "alice123" if alice else "bob456",
            "user_name": "Alice Smith" if alice else "Bob <b>Jones</b>",
            "country": "USA",
            "plan_tier": "premium",
            "page_url": f"/products/{number}",
            "action": "view" if alice else "cart",
            "timestamp": event_ms,
        }
        day = datetime.datetime.fromtimestamp(event_ms / 1000, datetime.UTC)  # an old one would be removed
        action = {"index": {"_index": f"{name}-{day:%Y.%m.%d}", "_id": click["event_id"]}}
        lines += [json.dumps(action), json.dumps(click)]
    async with (
        SearchIndex(patient(url, name)) as search,
        aiohttp.ClientSession() as client,
    ):
        await search.ensure_template()
        headers = {"Content-Type": "application/x-ndjson"}
        body = "\n".join(lines) + "\n"
        async with client.post(f"{url}/_bulk?refresh=true", data=body, headers=headers) as answer:
            assert not (await answer.json())["errors"]


@pytest.fixture
async def searching(tmp_path: Path, opensearch: Any, index: str) -> AsyncIterator[Cluster]:
    """One pod with that index."""
    pods = Cluster(tmp_path, pods=1, search=patient(opensearch.url, index))
    async with pods:
        yield pods


def url_of(cluster: Cluster, page: str = "") -> str:
    return f"{cluster.pods[0].url}/{page}"


def apart_from(shown: Tab, *statuses: str) -> list[str]:
    """Return a page's complaints but for these answers. A pod without a search index says 404 to a search."""
    return [text for text in shown.complaints if not any(status in text for status in statuses)]


async def focus_by_tab(page: Page, selector: str) -> None:
    """Press Tab until the element has the focus, as somebody without a mouse does."""
    for _ in range(40):
        await page.keyboard.press("Tab")
        if await page.evaluate("selector => document.activeElement?.matches(selector)", selector):
            return
    raise AssertionError(f"40 times Tab do not reach {selector}")


async def serious_findings(page: Page) -> list[str]:
    found = await Axe().run(page)
    return [
        f"{violation['id']}: {node['html']}"
        for violation in found.response["violations"]
        if violation["impact"] in SERIOUS
        for node in violation["nodes"]
    ]


async def test_dashboard_follows_the_pipeline_without_a_reload(cluster: Cluster) -> None:
    async with tab(url_of(cluster)) as shown:
        page = shown.page
        await expect(page.locator("#state")).to_have_text("Live")
        await expect(page.locator("#pipeline")).to_have_text("shop / storefront")
        for clicks in (1_234, 5_678):
            cluster.pods[0].directory.totals = totals(clicks)
            await expect(page.locator("#total-clicks")).to_have_text(f"{clicks:,}")
        await expect(page.locator("#dead .reasons li")).to_contain_text(["late"])
        await expect(page.locator("#tasks li.task[data-phase=running]")).to_have_count(1)
        await expect(page.locator("#chart svg")).to_be_visible()
        assert apart_from(shown, "404") == []


async def test_user_is_looked_up_by_keyboard_alone(cluster: Cluster) -> None:
    async with tab(url_of(cluster)) as shown:
        page = shown.page
        await focus_by_tab(page, "#user")
        await page.keyboard.type("alice123")
        await page.keyboard.press("Enter")
        result = page.locator("#user-result")
        await expect(result.locator("h3")).to_have_text("Alice Smith")
        await expect(result.locator(".count b")).to_have_text("3")
        await page.locator("#user").fill("nobody")
        await page.keyboard.press("Enter")
        await expect(result).to_contain_text("No profile and no click of nobody is known.")
        assert apart_from(shown, "404") == []


async def test_first_tab_leads_past_the_navigation(cluster: Cluster) -> None:
    async with tab(url_of(cluster)) as shown:
        await shown.page.keyboard.press("Tab")
        await shown.page.keyboard.press("Enter")
        assert shown.page.url.endswith("#main")


async def test_search_finds_filters_and_pages(searching: Cluster) -> None:
    async with tab(url_of(searching, "search")) as shown:
        page = shown.page
        await expect(page.locator("#hits-title")).to_have_text(f"{HITS} clicks")
        await expect(page.locator("#page-of")).to_contain_text("Page 1 of")
        newest = await page.locator("#hits .page").first.text_content()
        await page.locator("#next").click()
        await expect(page.locator("#page-of")).to_contain_text("Page 2 of")
        await expect(page.locator("#hits .page").first).not_to_have_text(newest or "")
        await page.go_back()
        await expect(page.locator("#page-of")).to_contain_text("Page 1 of")
        await page.locator("#facets button", has_text="cart").click()
        await expect(page.locator("#hits-title")).to_have_text("15 clicks")
        assert "action=cart" in page.url
        await page.locator("#clear").click()
        await page.locator("#q").fill("alice")
        await page.keyboard.press("Enter")
        await expect(page.locator("#hits-title")).to_have_text("30 clicks")
        await expect(page.locator("#hits mark").first).to_have_text("Alice")
        await page.locator("#q").fill("nothing-like-this")
        await page.keyboard.press("Enter")
        await expect(page.locator("#hits")).to_contain_text("No click matches.")
        assert shown.complaints == []


async def test_what_a_record_says_is_text_and_never_markup(searching: Cluster) -> None:
    async with tab(url_of(searching, "search?user=bob456")) as shown:
        await expect(shown.page.locator("#hits .who b").first).to_have_text("Bob <b>Jones</b>")
        await expect(shown.page.locator("#hits .who b b")).to_have_count(0)


async def test_link_shows_the_same_search(searching: Cluster) -> None:
    async with tab(url_of(searching, "search?q=alice&page=2")) as shown:
        await expect(shown.page.locator("#hits-title")).to_have_text("30 clicks")
        await expect(shown.page.locator("#page-of")).to_contain_text("Page 2 of")
        await expect(shown.page.locator("#q")).to_have_value("alice")


async def test_page_asks_for_a_token_and_keeps_it_for_the_tab(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.mkdir()
    (tokens / "person").write_text("sesame")
    cluster = Cluster(tmp_path, pods=1, tokens=tokens)
    async with alice_on(cluster, 0), tab(url_of(cluster)) as shown:
        page = shown.page
        await expect(page.locator("dialog")).to_contain_text("asks for a token")
        await page.keyboard.type("wrong")
        await page.keyboard.press("Enter")
        await expect(page.locator("dialog input")).to_have_value("")
        await page.keyboard.type("sesame")
        await page.keyboard.press("Enter")
        await expect(page.locator("#state")).to_have_text("Live")
        await page.reload()
        await expect(page.locator("#state")).to_have_text("Live")
        assert apart_from(shown, "401", "404") == []


@pytest.mark.parametrize("page_name", PAGES)
async def test_both_colour_schemes_show_and_can_be_chosen(searching: Cluster, page_name: str) -> None:
    seen = {}
    for scheme in ("light", "dark"):
        async with tab(url_of(searching, page_name), color_scheme=scheme) as shown:
            seen[scheme] = await shown.page.evaluate("getComputedStyle(document.body).backgroundColor")
            other = "dark" if scheme == "light" else "light"
            button = shown.page.locator("#theme")
            while await button.get_attribute("aria-label") != f"Colour scheme: {other}":
                await button.click()
            seen[f"{other} by choice"] = await shown.page.evaluate(
                "getComputedStyle(document.body).backgroundColor"
            )
    assert seen["light"] != seen["dark"]
    assert (seen["light"], seen["dark"]) == (seen["light by choice"], seen["dark by choice"])


@pytest.mark.parametrize("page_name", PAGES)
async def test_nothing_sticks_out_on_a_phone(searching: Cluster, page_name: str) -> None:
    async with tab(url_of(searching, page_name), viewport=PHONE) as shown:
        await settled(shown, page_name)
        width = await shown.page.evaluate("document.documentElement.scrollWidth")
        assert width <= PHONE["width"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("page_name", PAGES)
async def test_axe_finds_nothing_serious(searching: Cluster, page_name: str, scheme: str) -> None:
    async with tab(url_of(searching, page_name), color_scheme=scheme) as shown:
        await settled(shown, page_name)
        assert await serious_findings(shown.page) == []


async def settled(shown: Tab, page_name: str) -> None:
    """Wait until a page shows what it is for."""
    if page_name:
        await expect(shown.page.locator("#hits-title")).to_have_text(f"{HITS} clicks")
    else:
        await expect(shown.page.locator("#state")).to_have_text("Live")
