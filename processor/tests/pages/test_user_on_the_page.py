"""The look-up of a user on the product page, in a real Chromium."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from clickstream_local.testing.browser import PATIENCE_MS, PHONE, Tab
from clickstream_processor.aggregation.sessions.session import Session
from playwright.async_api import expect
from processor_support.queries.indexed_clicks import HITS, patient
from processor_support.queries.metric_pods import get
from processor_support.queries.product_page import (
    VIEWS,
    card,
    counted,
    focus_by_tab,
    key,
    product_page,
    serious_findings,
)
from processor_support.queries.query_pods import Cluster, now_ms

pytestmark = pytest.mark.real
expect.set_options(timeout=PATIENCE_MS)

ALICE = "#user_id=alice123"
SHOWN = 10  # clicks


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    """One pod without a search index."""
    async with counted(tmp_path) as pods:
        yield pods


@pytest.fixture
async def searching(tmp_path: Path, opensearch: Any, index: str) -> AsyncIterator[Cluster]:
    """One pod with an index of clicks of Alice and Bob."""
    async with counted(tmp_path, search=patient(opensearch.url, index)) as pods:
        yield pods


async def look_up(shown: Tab, user: str) -> None:
    await focus_by_tab(shown.page, shown.page.locator("#user"))
    await shown.page.keyboard.type(user)
    await shown.page.keyboard.press("Enter")


async def test_user_is_looked_up_by_keyboard_and_shows_what_the_api_says(searching: Cluster) -> None:
    async with product_page(searching) as shown:
        await look_up(shown, "alice123")
        result = shown.page.locator("#user-result")
        _, answer, _ = await get(searching, 0, "/dashboard/users/alice123/metrics?detail=1")
        _, found, _ = await get(searching, 0, "/api/search?user=alice123")
        await expect(result.locator("h3")).to_have_text(answer["user_name"])
        await expect(result.locator(".count b")).to_have_text(str(answer["clicks_last_5min"]))
        bars = result.locator(".windows")
        counts = [window["clicks"] for window in reversed(answer["windows"])]
        await expect(bars).to_have_attribute("aria-label", re.compile(f": {', '.join(map(str, counts))}$"))
        clicks = [hit["click"] for hit in found["hits"]][:SHOWN]
        rows = result.locator(".latest li")
        await expect(rows.locator("code")).to_have_text([click["page_url"] for click in clicks])
        await expect(rows.locator(".pill")).to_have_text([click["action"] for click in clicks])
        said = f"Alice Smith: {answer['clicks_last_5min']} clicks in the last 5 min"
        await expect(shown.page.locator("#user-said")).to_have_text(said)
        await result.locator("a", has_text="All clicks").click()
        await expect(shown.page.locator("#hits-title")).to_have_text("30 clicks")
        assert shown.complaints == []


async def test_users_of_the_newest_clicks_are_offered(searching: Cluster) -> None:
    async with product_page(searching) as shown:
        await shown.page.locator("#recent button", has_text="alice123").click()
        await expect(shown.page.locator("#user-result h3")).to_have_text("Alice Smith")
        assert HITS > SHOWN


async def test_open_sessions_are_shown_where_the_pipeline_has_sessions(tmp_path: Path) -> None:
    start_ms = now_ms() - 10 * 60_000
    open_one = Session(start_ms, start_ms + 8 * 60_000, 1_234, "/<i>in</i>", "/out")
    async with counted(tmp_path, [open_one]) as cluster, product_page(cluster) as shown:
        sessions = shown.page.locator("#user-result section[aria-label=Sessions]")
        await look_up(shown, "alice123")
        await expect(sessions.locator("li")).to_contain_text(["8 min, 1,234 clicks"])
        await expect(sessions.locator("code")).to_have_text(["/<i>in</i>", "/out"])
        await expect(sessions.locator(".pill")).to_have_text("open")
        assert shown.complaints == []


async def test_no_open_session_is_said(tmp_path: Path) -> None:
    async with counted(tmp_path, []) as cluster, product_page(cluster, ALICE) as shown:
        sessions = shown.page.locator("#user-result section[aria-label=Sessions]")
        await expect(sessions).to_contain_text("None is open.")


async def test_pipeline_without_sessions_says_nothing_of_them(cluster: Cluster) -> None:
    async with product_page(cluster, ALICE) as shown:
        await expect(shown.page.locator("#user-result h3")).to_have_text("Alice Smith")
        await expect(shown.page.locator("#user-result section[aria-label=Sessions]")).to_be_hidden()


async def test_pipeline_without_a_search_index_says_so_quietly(cluster: Cluster) -> None:
    async with product_page(cluster, ALICE) as shown:
        latest = shown.page.locator("#user-result section[aria-label='Latest clicks']")
        await expect(latest).to_contain_text("its spec has no sink.search")
        await expect(shown.page.locator("#recent")).to_be_hidden()
        assert shown.complaints == []


async def test_unknown_user_is_said(cluster: Cluster) -> None:
    async with product_page(cluster) as shown:
        await look_up(shown, "nobody")
        said = "No profile and no click of nobody is known."
        await expect(shown.page.locator("#user-result")).to_have_text(said)
        await expect(shown.page.locator("#user-said")).to_have_text(said)


async def test_address_keeps_the_user_beside_the_picked_key_until_closed(cluster: Cluster) -> None:
    async with product_page(cluster, ALICE) as shown:
        page = shown.page
        await key(page, VIEWS, "/falls").locator("button").click()
        await page.reload()
        await expect(page.locator("#user-result h3")).to_have_text("Alice Smith")
        await expect(card(page, VIEWS).locator(".whose .key")).to_have_text("/falls")
        await focus_by_tab(page, page.locator("#user-close"))
        await page.keyboard.press("Enter")
        await expect(page.locator("#user-result")).to_be_empty()
        await expect(page.locator("#user")).to_be_focused()
        assert "alice" not in page.url
        assert "falls" in page.url
        assert shown.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_serious(searching: Cluster, scheme: str) -> None:
    async with product_page(searching, ALICE, color_scheme=scheme) as shown:
        await expect(shown.page.locator(".latest li")).to_have_count(SHOWN)
        assert await serious_findings(shown.page) == []


async def test_nothing_sticks_out_on_a_phone(tmp_path: Path, opensearch: Any, index: str) -> None:
    long = Session(0, 1, 1, "/" + "way" * 40, "/" + "long" * 40)
    searching = counted(tmp_path, [long], search=patient(opensearch.url, index))
    async with searching as cluster, product_page(cluster, viewport=PHONE) as shown:
        await look_up(shown, "alice123")
        await expect(shown.page.locator(".sessions li")).to_be_visible()
        await expect(shown.page.locator(".latest li")).to_have_count(SHOWN)
        assert await shown.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        assert await serious_findings(shown.page) == []
