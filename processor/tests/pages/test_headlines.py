"""The numbers at the top of the product page in a real Chromium: they are those of the API."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from clickstream_local.testing.browser import PATIENCE_MS, tab
from clickstream_processor.aggregation.metric import Metric
from playwright.async_api import Page, expect
from processor_support.queries.metric_pods import assign, cluster_of, hold
from processor_support.queries.product_page import (
    CLICKS,
    HOUR,
    KINDS,
    METRICS,
    PEOPLE,
    SPENT,
    USERS,
    VIEWS,
    answered,
    card,
    counted,
    focus_by_tab,
    headline,
    product_page,
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
    """Return what a tile shows, read at one moment."""
    seen = await headline(page, metric).evaluate(
        """tile => ({
          window: Number(tile.dataset.window),
          value: tile.querySelector(".value").value,
          whose: tile.querySelector(".whose").textContent,
          before: tile.querySelector(".against .muted").textContent,
        })"""
    )
    return dict(seen)


def value_of(metric: Metric, window: dict[str, Any], keys: dict[str, Any] | None) -> float:
    """Return a window's total, or a key's value."""
    if keys is None:
        return float(window["total"])
    return float(next(row["value"] for row in window["rows"] if row["keys"] == keys))


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: str(metric.name))
async def test_headline_is_what_the_api_says_of_a_complete_window_and_of_that_an_hour_before(
    cluster: Cluster, metric: Metric
) -> None:
    async with product_page(cluster) as shown:
        await expect(headline(shown.page, metric).locator(".against .change")).not_to_be_empty()
        seen = await shown_by(shown.page, metric)
        window = await answered(cluster, metric, seen["window"])
        then = await answered(cluster, metric, seen["window"] - HOUR)
        assert window["window_end"] <= now_ms()
        keys = window["rows"][0]["keys"] if window["total"] is None else None
        assert seen["whose"] == ("" if keys is None else f"largest key: {words(keys)}")
        assert float(seen["value"]) == value_of(metric, window, keys)
        before = value_of(metric, then, keys)
        assert seen["before"] == f"{before:g} an hour before"
        assert shown.complaints == []


async def test_rise_is_said_by_an_arrow_a_colour_and_in_words(cluster: Cluster) -> None:
    async with product_page(cluster) as shown:
        changed = headline(shown.page, PEOPLE).locator(".change")
        await expect(changed.locator("[aria-hidden]")).to_have_text("▲ 13 %")
        await expect(changed.locator(".visually-hidden")).to_have_text("13 percent more than an hour before")
        same = headline(shown.page, VIEWS).locator(".change")
        await expect(same.locator("[aria-hidden]")).to_have_text("± 0 %")
        colours = [await each.evaluate("node => getComputedStyle(node).color") for each in (changed, same)]
        assert colours[0] != colours[1]


async def test_distinct_count_by_keys_has_no_sum_and_one_without_keys_its_own(cluster: Cluster) -> None:
    async with product_page(cluster) as shown:
        people = await shown_by(shown.page, PEOPLE)
        rows = (await answered(cluster, PEOPLE, people["window"]))["rows"]
        assert float(people["value"]) < sum(row["value"] for row in rows)
        users = await shown_by(shown.page, USERS)
        window = await answered(cluster, USERS, users["window"])
        assert float(users["value"]) == window["total"] > float(people["value"])


async def test_each_metric_has_one_headline_in_the_order_of_the_pipeline(cluster: Cluster) -> None:
    async with product_page(cluster) as shown:
        tiles = shown.page.locator(".headline")
        names = await tiles.evaluate_all("tiles => tiles.map(tile => tile.dataset.metric)")
        assert names == [metric.name for metric in METRICS]
        await expect(headline(shown.page, CLICKS).locator(".spark path")).to_have_count(2)


async def test_headline_leads_to_its_card_by_keyboard(cluster: Cluster) -> None:
    async with product_page(cluster) as shown:
        await focus_by_tab(shown.page, headline(shown.page, KINDS).locator("button"))
        await shown.page.keyboard.press("Enter")
        heading = card(shown.page, KINDS).locator("h2")
        await expect(heading).to_be_focused()
        await expect(heading).to_be_in_viewport()


async def test_headline_of_no_clicks_is_zero_where_clicks_are_counted(tmp_path: Path) -> None:
    pods = cluster_of(tmp_path, 1, VIEWS, SPENT)
    async with pods:
        for partition in range(PARTITIONS):
            hold(pods.pods[0], partition)
        assign(pods, dict.fromkeys(range(PARTITIONS), 0))
        async with tab(f"{pods.pods[0].url}/") as shown:
            await expect(headline(shown.page, VIEWS).locator(".value")).to_have_text("0")
            await expect(headline(shown.page, SPENT)).not_to_have_attribute("aria-busy", "true")
            await expect(headline(shown.page, SPENT).locator(".value")).to_have_text("\N{EN DASH}")
            await expect(headline(shown.page, VIEWS).locator(".change")).to_be_empty()
            assert shown.complaints == []
