"""The product page's cards in a real Chromium, over pods with real stores whose clicks the test knows."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from clickstream_local.testing.browser import PATIENCE_MS, PHONE, tab
from clickstream_processor.aggregation.metric import Metric
from playwright.async_api import Page, Request, expect
from processor_support.queries.metric_pods import Clicks, assign, change, cluster_of, hold
from processor_support.queries.product_page import (
    CLICKS,
    KINDS,
    METRICS,
    MINUTE,
    PEOPLE,
    VIEWS,
    answered,
    card,
    counted,
    focus_by_tab,
    key,
    product_page,
    serious_findings,
    words,
)
from processor_support.queries.query_pods import PARTITIONS, Cluster, now_ms

pytestmark = pytest.mark.real
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    """One pod with clicks of now and of an hour ago."""
    async with counted(tmp_path) as pods:
        yield pods


async def shown_by(page: Page, metric: Metric) -> dict[str, Any]:
    """Return what a card shows, read at one moment."""
    seen = await card(page, metric).evaluate(
        """card => ({
          window: Number(card.dataset.window),
          total: card.querySelector(".value").value,
          whose: card.querySelector(".whose").hidden ? null : card.querySelector(".whose .key").textContent,
          rows: [...card.querySelectorAll(".toplist li")].map(item =>
            [item.querySelector(".key").textContent, Number(item.querySelector("data").value)]),
        })"""
    )
    return dict(seen)


async def test_each_card_says_what_the_api_says_of_the_same_window(cluster: Cluster) -> None:
    async with product_page(cluster) as shown:
        for metric in METRICS:
            seen = await shown_by(shown.page, metric)
            window = await answered(cluster, metric, seen["window"])
            rows = [(words(row["keys"]), row["value"]) for row in window["rows"]] if metric.by else []
            assert [tuple(row) for row in seen["rows"]] == rows[: len(seen["rows"])]
            keys = [name for name, _ in seen["rows"] if not name.startswith("(other)")]
            assert len(keys) == min(window["keys"], 10) if metric.by else not keys
            if window["total"] is None:
                assert (seen["whose"], float(seen["total"])) == (f"{rows[0][0]}, the largest", rows[0][1])
            else:
                assert (seen["whose"], float(seen["total"])) == (None, window["total"])
        assert shown.complaints == []


async def test_card_says_what_its_metric_counts(cluster: Cluster) -> None:
    async with product_page(cluster) as shown:
        views = card(shown.page, VIEWS)
        await expect(views.locator("h2")).to_have_text("Page views")
        await expect(views.locator(".about").first).to_have_text("count by page, last 5 min")
        await expect(views.locator(".about code")).to_have_text('click.action == "view"')
        await expect(card(shown.page, CLICKS).locator(".about")).to_have_text("count, each 1 min")
        await expect(card(shown.page, PEOPLE).locator(".about")).to_have_text(
            "distinct click.mixed by page, last 5 min"
        )
        await expect(card(shown.page, CLICKS).locator(".toplist")).to_have_count(0)
        await expect(views.locator("svg[role=img]")).to_have_attribute(
            "aria-label", re.compile(r"^Page views in the last \d+ windows with a value, from ")
        )


async def test_changes_are_against_the_window_an_hour_before(cluster: Cluster) -> None:
    async with product_page(cluster) as shown:
        page = shown.page
        for name, text, said in (
            ("/falls", "▼ 50 %", "50 percent less than an hour before"),
            ("/<b>new</b>", "new", "new, nothing an hour before"),
            ("/", "▲ 20 %", "20 percent more than an hour before"),
        ):
            changed = key(page, VIEWS, name).locator(".change")
            await expect(changed.locator("[aria-hidden]")).to_have_text(text)
            await expect(changed.locator(".visually-hidden")).to_have_text(said)
        total = card(page, VIEWS).locator(".number-line")
        await expect(total).to_contain_text("± 0 %")
        await expect(total).to_contain_text("vs an hour before")
        assert shown.complaints == []


async def test_what_a_key_says_is_text_and_never_markup(cluster: Cluster) -> None:
    async with product_page(cluster) as shown:
        await expect(key(shown.page, VIEWS, "new").locator(".key")).to_have_text("/<b>new</b>")
        await expect(shown.page.locator(".insight b")).to_have_count(0)


async def test_key_is_picked_by_keyboard_kept_over_a_reload_and_let_go(cluster: Cluster) -> None:
    async with product_page(cluster) as shown:
        page, views = shown.page, card(shown.page, VIEWS)
        falls = key(page, VIEWS, "/falls").locator("button")
        await focus_by_tab(page, falls)
        await page.keyboard.press("Enter")
        await expect(falls).to_have_attribute("aria-pressed", "true")
        await expect(views.locator(".whose .key")).to_have_text("/falls")
        await expect(views.locator(".value")).to_have_text("25")
        await expect(views.locator("svg")).to_have_attribute(
            "aria-label", re.compile(r"^Page views, /falls in the last \d+ windows ")
        )
        await page.reload()
        await expect(views.locator(".whose .key")).to_have_text("/falls")
        await expect(views.locator(".value")).to_have_text("25")
        await focus_by_tab(page, views.locator(".whose button"))
        await page.keyboard.press("Enter")
        await expect(views.locator(".whose")).to_be_hidden()
        await expect(views.locator(".value")).to_have_text("100")
        await expect(falls).to_be_focused()
        assert "#" not in page.url
        assert shown.complaints == []


async def test_link_names_a_key_of_several_values(cluster: Cluster) -> None:
    async with product_page(cluster, '#kinds=["/",null]') as shown:
        await expect(card(shown.page, KINDS).locator(".whose .key")).to_have_text("/ · (none)")
        await expect(card(shown.page, KINDS).locator("svg")).to_be_visible()
        assert shown.complaints == []


async def test_other_keys_have_a_row_that_cannot_be_picked(cluster: Cluster) -> None:
    async with product_page(cluster) as shown:
        other = key(shown.page, KINDS, "(other) · (other)")
        await expect(other).to_be_visible()
        await expect(other.locator("button")).to_have_count(0)


async def test_estimate_is_marked_with_its_bounds(tmp_path: Path) -> None:
    pods = cluster_of(tmp_path, 1, PEOPLE)
    async with pods:
        store, owners = hold(pods.pods[0], 0), dict.fromkeys(range(PARTITIONS), 0)
        clicks = Clicks(
            [PEOPLE], {0: [store], **{each: [hold(pods.pods[0], each)] for each in owners if each}}
        )
        first_ms = now_ms() // MINUTE * MINUTE
        for number in range(2_000):
            clicks.send(first_ms + number, page="/", mixed=f"user{number}")
        clicks.commit()
        assign(pods, owners)
        async with tab(f"{pods.pods[0].url}/") as shown:
            value = card(shown.page, PEOPLE).locator(".toplist data")
            await expect(value).to_contain_text("≈")
            assert (await value.get_attribute("title") or "").startswith("An estimate, most likely")


async def test_new_clicks_show_without_a_reload(tmp_path: Path) -> None:
    pods = cluster_of(tmp_path, 1, VIEWS)
    async with pods:
        owners = dict.fromkeys(range(PARTITIONS), 0)
        clicks = Clicks([VIEWS], {each: [hold(pods.pods[0], each)] for each in owners})
        assign(pods, owners)
        async with tab(f"{pods.pods[0].url}/") as shown:
            views = card(shown.page, VIEWS)
            await expect(views.locator(".count")).to_have_text("No click matches in this window.")
            for number in (1, 2):
                clicks.send(now_ms() - 1_000, page="/")
                clicks.commit()
                await expect(views.locator(".value")).to_have_text(str(number))
            assert shown.complaints == []


async def test_page_says_quietly_what_is_missing_and_comes_back(cluster: Cluster) -> None:
    pod = cluster.pods[0]
    stores = {view.task.partition: view.store for view in pod.directory.tasks.values()}
    async with product_page(cluster) as shown:
        views = card(shown.page, VIEWS)
        value = await views.locator(".value").text_content() or ""
        for partition in stores:
            change(pod, partition, store=None)
        trouble = views.locator(".trouble")
        await expect(trouble).to_contain_text("No answer.")
        await expect(trouble).to_contain_text("Asking again in")
        await expect(views.locator(".value")).to_have_text(value)
        first, *others = stores
        for partition in others:
            change(pod, partition, store=stores[partition])
        await expect(views.locator(".pills")).to_contain_text("some pods did not answer")
        await expect(trouble).to_be_empty()
        change(pod, first, store=stores[first])
        pod.heard_from_kafka(now_ms() - 10 * MINUTE)
        await expect(views.locator(".pills")).to_contain_text("10 min old")
        pod.heard_from_kafka(now_ms())
        await expect(views.locator(".pills")).to_be_empty()


async def test_hidden_page_asks_nothing(cluster: Cluster) -> None:
    async with product_page(cluster) as shown:
        page, asked = shown.page, list[str]()
        await page.evaluate(
            "Object.defineProperty(document, 'hidden', { configurable: true, get: () => true });"
            "document.dispatchEvent(new Event('visibilitychange'))"
        )
        await expect(page.locator("#state")).to_have_text("Paused")

        def note(request: Request) -> None:
            asked.append(request.url)

        page.on("request", note)
        async with asyncio.timeout(PATIENCE_MS / 1_000):
            while True:  # what is under way may end, and each metric waits for its turn
                before = len(asked)
                await page.wait_for_timeout(3_000)
                if len(asked) == before:
                    break
        asked.clear()
        await page.wait_for_timeout(5_000)
        assert asked == []
        await page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
        await expect(page.locator("#state")).to_have_text("Live")
        async with page.expect_request("**/api/metrics/page-views?*"):
            pass


async def test_page_asks_for_a_token(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.mkdir()
    (tokens / "person").write_text("sesame")
    pods = cluster_of(tmp_path, 1, VIEWS, tokens=tokens)
    async with pods, tab(f"{pods.pods[0].url}/") as shown:
        await expect(shown.page.locator("dialog")).to_contain_text("asks for a token")
        await shown.page.keyboard.type("sesame")
        await shown.page.keyboard.press("Enter")
        await expect(card(shown.page, VIEWS)).to_be_visible()


async def test_pages_link_to_each_other(cluster: Cluster) -> None:
    async with product_page(cluster) as shown:
        page = shown.page
        for link in ("Operations", "Insights"):  # without an index there is no link to the search
            await page.locator(".top nav a", has_text=link).click()
            await expect(page.locator(".top nav a[aria-current]")).to_have_text(link)


async def test_metric_costs_at_most_three_questions_a_refresh(cluster: Cluster) -> None:
    async with product_page(cluster) as shown:
        asked = list[str]()
        await expect(card(shown.page, VIEWS).locator(".change").first).not_to_be_empty()

        def note(request: Request) -> None:
            if f"/{VIEWS.name}?" in request.url:
                asked.append(request.url)

        began_s = time.monotonic()
        shown.page.on("request", note)
        await shown.page.wait_for_timeout(10_000)
        async with asyncio.timeout(PATIENCE_MS / 1_000):
            while not asked:
                await shown.page.wait_for_timeout(100)
        # A page refreshes each two seconds, and the ten take longer on a busy machine.
        refreshes = int((time.monotonic() - began_s) / 2) + 1
        assert len(asked) <= 3 * refreshes, asked


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_serious(cluster: Cluster, scheme: str) -> None:
    async with product_page(cluster, '#page-views=["/falls"]', color_scheme=scheme) as shown:
        await expect(key(shown.page, VIEWS, "/falls").locator(".change")).not_to_be_empty()
        assert await serious_findings(shown.page) == []


async def test_nothing_sticks_out_on_a_phone(cluster: Cluster) -> None:
    async with product_page(cluster, '#page-views=["/falls"]', viewport=PHONE) as shown:
        width = await shown.page.evaluate("document.documentElement.scrollWidth")
        assert width <= PHONE["width"]
