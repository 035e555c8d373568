"""What rises and falls, on the product page in a real Chromium."""

from pathlib import Path

import pytest
from clickstream_local.testing.browser import PATIENCE_MS, tab
from clickstream_processor.aggregation.metric import Metric
from playwright.async_api import Locator, Page, expect
from processor_support.queries.metric_pods import Clicks, assign, cluster_of, hold
from processor_support.queries.product_page import (
    HOUR,
    LENGTHS,
    MINUTE,
    PAGE,
    SPENT,
    VIEWS,
    answered,
    card,
    counted,
    focus_by_tab,
    headline,
    product_page,
    send,
    words,
)
from processor_support.queries.query_pods import PARTITIONS, Cluster, now_ms

pytestmark = pytest.mark.real
expect.set_options(timeout=PATIENCE_MS)

FEW = Metric("few", by=PAGE, **LENGTHS)
# Clicks a minute, so that the order of the moves is not that of the values.
EARLIER = {"/r1": 8, "/r2": 4, "/r3": 2, "/f1": 6, "/f2": 5, "/f3": 4, "/f4": 7}
LATER = {"/r1": 9, "/r2": 6, "/r3": 5, "/r4": 4, "/f1": 5, "/f2": 3, "/f3": 1, "/f4": 3}


def moves(page: Page, metric: Metric) -> Locator:
    return page.locator(f".moves[data-metric={metric.name}]")


async def values(cluster: Cluster, metric: Metric, window: int) -> dict[str, float]:
    rows = (await answered(cluster, metric, window))["rows"]
    return {words(row["keys"]): row["value"] for row in rows}


@pytest.mark.parametrize("metric", [VIEWS, SPENT], ids=lambda metric: str(metric.name))
async def test_moves_are_the_differences_between_the_apis_two_windows(tmp_path: Path, metric: Metric) -> None:
    async with counted(tmp_path) as cluster, product_page(cluster) as shown:
        await expect(moves(shown.page, metric)).to_be_visible()
        window = int(await headline(shown.page, metric).get_attribute("data-window") or "")
        now = await values(cluster, metric, window)
        before = await values(cluster, metric, window - HOUR)
        nothing = {"count": 0}.get(metric.kind)  # a mean of nothing is not 0
        expected = {
            f"{key}: {before.get(key, nothing):g} → {value:g}"
            for key, value in now.items()
            if before.get(key, nothing) is not None and value != before.get(key, nothing)
        }
        seen = (
            await moves(shown.page, metric)
            .locator("li")
            .evaluate_all(
                'rows => rows.map(row => `${row.querySelector(".key").textContent}: '
                '${row.querySelector(".muted").textContent}`)'
            )
        )
        assert set(seen) == expected
        assert shown.complaints == []


async def test_three_that_rise_most_and_three_that_fall_most_are_shown(tmp_path: Path) -> None:
    pods = cluster_of(tmp_path, 1, FEW)
    async with pods:
        owners = dict.fromkeys(range(PARTITIONS), 0)
        clicks = Clicks([FEW], {partition: [hold(pods.pods[0], partition)] for partition in owners})
        minute_ms = now_ms() // MINUTE * MINUTE
        send(clicks, minute_ms - HOUR - 15 * MINUTE, 25, EARLIER)
        send(clicks, minute_ms - 15 * MINUTE, 25, LATER)
        assign(pods, owners)
        async with tab(f"{pods.pods[0].url}/") as shown:
            keys = moves(shown.page, FEW).locator(".key")
            await expect(keys).to_have_text(["/r4", "/r3", "/r2", "/f4", "/f3", "/f2"])
            said = moves(shown.page, FEW).locator(".change .visually-hidden")
            await expect(said.last).to_have_text("40 percent less than an hour before")


async def test_move_picks_its_key_by_keyboard_and_leads_to_its_series(tmp_path: Path) -> None:
    async with counted(tmp_path) as cluster, product_page(cluster) as shown:
        falls = moves(shown.page, VIEWS).locator("button", has_text="/falls")
        await focus_by_tab(shown.page, falls)
        await shown.page.keyboard.press("Enter")
        views = card(shown.page, VIEWS)
        await expect(views.locator(".whose .key")).to_have_text("/falls")
        await expect(views.locator("h2")).to_be_focused()
        assert "page-views=" in shown.page.url


async def test_nothing_is_said_where_nothing_can_be_compared(tmp_path: Path) -> None:
    pods = cluster_of(tmp_path, 1, FEW)
    async with pods:
        owners = dict.fromkeys(range(PARTITIONS), 0)
        for partition in owners:
            hold(pods.pods[0], partition)
        assign(pods, owners)
        async with tab(f"{pods.pods[0].url}/") as shown:
            await expect(headline(shown.page, FEW).locator(".value")).to_have_text("0")
            await expect(shown.page.locator("#moves")).to_be_hidden()
