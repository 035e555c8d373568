"""Operations and Search in a real Chromium: what a person sees and does, by mouse, by keys, on a phone."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from clickstream_local.testing.browser import PATIENCE_MS, PHONE, Tab, tab
from playwright.async_api import expect
from processor_support.queries.indexed_clicks import HITS, patient
from processor_support.queries.product_page import counted, focus_by_tab, serious_findings
from processor_support.queries.query_pods import Cluster, alice_on, totals

pytestmark = pytest.mark.real
expect.set_options(timeout=PATIENCE_MS)

PAGES = ["operations", "search"]


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    """One pod that owns Alice's task."""
    pods = Cluster(tmp_path, pods=1)
    async with alice_on(pods, 0):
        yield pods


@pytest.fixture
async def searching(tmp_path: Path, opensearch: Any, index: str) -> AsyncIterator[Cluster]:
    """One pod with that index."""
    pods = Cluster(tmp_path, pods=1, search=patient(opensearch.url, index))
    async with pods:
        yield pods


def url_of(cluster: Cluster, page: str = "operations") -> str:
    return f"{cluster.pods[0].url}/{page}"


def apart_from(shown: Tab, *statuses: str) -> list[str]:
    """Return a page's complaints but for these answers."""
    return [text for text in shown.complaints if not any(status in text for status in statuses)]


async def test_operations_follows_the_pipeline_without_a_reload(cluster: Cluster) -> None:
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
        await expect(page).to_have_title(re.compile(r"/s · storefront · Clickstream$"))
        assert shown.complaints == []


async def test_user_is_looked_up_by_keyboard_alone(cluster: Cluster) -> None:
    async with tab(url_of(cluster)) as shown:
        page = shown.page
        await focus_by_tab(page, page.locator("#user"))
        await page.keyboard.type("alice123")
        await page.keyboard.press("Enter")
        result = page.locator("#user-result")
        await expect(result.locator("h3")).to_have_text("Alice Smith")
        await expect(result.locator(".count b")).to_have_text("3")
        await page.locator("#user").fill("nobody")
        await page.keyboard.press("Enter")
        await expect(result).to_contain_text("No profile and no click of nobody is known.")
        assert apart_from(shown, "404") == []


async def test_pipeline_without_metrics_shows_what_to_add(cluster: Cluster, tmp_path: Path) -> None:
    async with tab(url_of(cluster, "")) as shown:
        none = shown.page.locator("#none")
        await expect(none).to_contain_text("by: {page: click.page_url}")
        await expect(none).to_contain_text("docs/how-to/count-what-matters.md")
        await expect(shown.page.locator(".top nav a[aria-current]")).to_have_text("Operations")
        assert shown.page.url.endswith("/operations")
        assert shown.complaints == []
    folder = tmp_path / "with-metrics"
    folder.mkdir()
    async with counted(folder) as counting, tab(url_of(counting)) as shown:
        await expect(shown.page.locator("#state")).to_have_text("Live")
        await expect(shown.page.locator("#none")).to_be_hidden()


async def test_address_of_a_user_survives_the_way_to_operations(cluster: Cluster) -> None:
    async with tab(url_of(cluster, "#user_id=alice123")) as shown:
        await expect(shown.page.locator("#user-result h3")).to_have_text("Alice Smith")
        await expect(shown.page.locator("#user-result .json")).to_contain_text('"clicks_last_5min": 3')
        assert shown.complaints == []


@pytest.mark.parametrize("page_name", PAGES)
async def test_first_tab_leads_past_the_navigation(searching: Cluster, page_name: str) -> None:
    async with tab(url_of(searching, page_name)) as shown:
        await shown.page.keyboard.press("Tab")
        await shown.page.keyboard.press("Enter")
        await expect(shown.page.locator("#main")).to_be_focused()
        await shown.page.keyboard.press("Tab")
        assert await shown.page.evaluate('document.activeElement.closest("main") !== null')


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


async def test_search_is_narrowed_in_time_by_buttons_and_bars(searching: Cluster) -> None:
    async with tab(url_of(searching, "search")) as shown:
        page = shown.page
        await expect(page.locator("#hits-title")).to_have_text(f"{HITS} clicks")
        pressed = page.locator("#quick button[aria-pressed=true]")
        await expect(pressed).to_have_count(0)
        await page.get_by_role("button", name="15 min").click()
        await expect(pressed).to_have_text("15 min")
        await expect(page).to_have_url(re.compile(r"search\?from=\d{13}$"))
        await page.get_by_role("button", name="All time").click()
        await expect(page.locator("#hits-title")).to_have_text(f"{HITS} clicks")
        await expect(pressed).to_have_text("All time")
        await page.locator("#bars g.bucket").first.click()
        await expect(page).to_have_url(re.compile(r"search\?from=\d{13}&to=\d{13}$"))
        await expect(pressed).to_have_count(0)
        await page.locator("#clear").click()
        await expect(page.locator("#from")).to_have_value("")
        await expect(page.locator("#hits-title")).to_have_text(f"{HITS} clicks")
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
        assert apart_from(shown, "401") == []


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
        assert await serious_findings(shown.page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("page_name", PAGES)
async def test_axe_finds_nothing_serious(searching: Cluster, page_name: str, scheme: str) -> None:
    async with tab(url_of(searching, page_name), color_scheme=scheme) as shown:
        await settled(shown, page_name)
        assert await serious_findings(shown.page) == []


async def settled(shown: Tab, page_name: str) -> None:
    """Wait until a page shows what it is for."""
    if page_name == "search":
        await expect(shown.page.locator("#hits-title")).to_have_text(f"{HITS} clicks")
    else:
        await expect(shown.page.locator("#state")).to_have_text("Live")
