"""For tests of the product page: a pod with metrics whose clicks the test knows, and what the page shows."""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from axe_playwright_python.async_playwright import Axe
from clickstream_local.testing.browser import Tab, tab
from clickstream_processor.aggregation.metric import Metric
from clickstream_processor.aggregation.sessions.session import Session, encode_sessions
from clickstream_processor.directory import Role
from clickstream_processor.topology.keys import SESSIONS
from playwright.async_api import Locator, Page, expect

from processor_support.queries.metric_pods import Clicks, assign, cluster_of, get, hold
from processor_support.queries.query_pods import ALICE, PARTITIONS, Cluster, fill, now_ms, partition_of

MINUTE = 60_000
HOUR = 60 * MINUTE
PAGE = {"page": "click.page_url"}
BOTH = {"page": "click.page_url", "kind": "click.mixed"}
LENGTHS: dict[str, Any] = {"size_ms": 5 * MINUTE, "advance_ms": MINUTE, "retention_ms": 2 * HOUR}
VIEWS = Metric("page-views", by=PAGE, where='click.action == "view"', **LENGTHS)
CLICKS = Metric("clicks", size_ms=MINUTE, retention_ms=2 * HOUR)
USERS = Metric("users", "distinct", "click.mixed", **LENGTHS)
PEOPLE = Metric("active-users", "distinct", "click.mixed", by=PAGE, **LENGTHS)
SPENT = Metric("money-spent", "avg", "click.amount", by=PAGE, **LENGTHS)
KINDS = Metric("kinds", by=BOTH, max_keys=3, **LENGTHS)
METRICS = (VIEWS, CLICKS, USERS, PEOPLE, SPENT, KINDS)
BEFORE = {"/": 10, "/falls": 10}  # clicks a minute an hour ago
NOW = {"/": 12, "/falls": 5, "/<b>new</b>": 3}
USER_CLICKS = 3  # Alice's, of the last seconds


def send(clicks: Clicks, first_ms: int, minutes: int, rates: Mapping[str, int]) -> None:
    """Send clicks of so many minutes. Amounts, kinds and users differ from click to click."""
    for minute in range(minutes):
        number = 0
        for page, each in rates.items():
            for _ in range(each):
                number += 1
                kind = None if number % 3 == 0 else f"u{number}"
                at_ms = first_ms + minute * MINUTE + 2_500 * number
                clicks.send(at_ms + number % PARTITIONS, page=page, mixed=kind, amount=number / 4)
    clicks.commit()


@contextlib.asynccontextmanager
async def counted(
    folder: Path, sessions: Sequence[Session] | None = None, **options: Any
) -> AsyncIterator[Cluster]:
    """Run one pod, with Alice, and with clicks of now and of an hour ago.

    Of each time, any window of five minutes has as many clicks. `sessions`: Alice's that are open; None: the
    pipeline keeps none.
    """
    # A browser on a busy machine takes longer than the pods' view is fresh otherwise.
    fresh: dict[str, Any] = {"fresh_ms": 5 * MINUTE, **options}
    pods = cluster_of(folder, 1, *METRICS, sessions=sessions is not None, **fresh)
    async with pods:
        owners = dict.fromkeys(range(PARTITIONS), 0)
        clicks = Clicks(METRICS, {partition: [hold(pods.pods[0], partition)] for partition in owners})
        minute_ms = now_ms() // MINUTE * MINUTE
        send(clicks, minute_ms - HOUR - 15 * MINUTE, 25, BEFORE)
        send(clicks, minute_ms - 15 * MINUTE, 25, NOW)
        partition = partition_of("alice123")
        store = pods.pods[0].hold(partition, Role.OWNER)
        fill(store, partition, [ALICE], [("alice123", now_ms() - 1_000)] * USER_CLICKS)
        if sessions:
            store.write([(SESSIONS + b"alice123", encode_sessions(list(sessions)))], store.checkpoint)
        pods.assign({partition: 0})
        assign(pods, owners)
        yield pods


@contextlib.asynccontextmanager
async def product_page(cluster: Cluster, fragment: str = "", **context: Any) -> AsyncIterator[Tab]:
    """Open the page, and wait until each metric has its headline and its card with a value."""
    async with tab(f"{cluster.pods[0].url}/{fragment}", **context) as shown:
        for each in (".headline", ".insight"):
            await expect(shown.page.locator(f"{each}:not([aria-busy])")).to_have_count(len(METRICS))
        yield shown


def card(page: Page, metric: Metric) -> Locator:
    """Return a metric's card."""
    return page.locator(f".insight[data-metric={metric.name}]")


def headline(page: Page, metric: Metric) -> Locator:
    """Return a metric's tile above the cards."""
    return page.locator(f".headline[data-metric={metric.name}]")


def key(page: Page, metric: Metric, name: str) -> Locator:
    """Return a key's row in a metric's card."""
    return card(page, metric).locator(".toplist li", has=page.locator(".key", has_text=name)).first


def words(keys: Mapping[str, Any]) -> str:
    """Return a key as the page writes it."""
    return " · ".join("(none)" if value is None else str(value) for value in keys.values())


async def answered(cluster: Cluster, metric: Metric, window: int) -> dict[str, Any]:
    """Return what the API says of a window."""
    status, answer, _ = await get(
        cluster, 0, f"/api/metrics/{metric.name}", params={"window": window, "top": 50}
    )
    assert status == 200
    return dict(answer["windows"][0])


async def focus_by_tab(page: Page, target: Locator) -> None:
    """Press Tab until an element has the focus, as somebody without a mouse does."""
    for _ in range(80):
        await page.keyboard.press("Tab")
        if await target.evaluate("node => node === document.activeElement"):
            return
    raise AssertionError("80 times Tab do not reach it")


async def serious_findings(page: Page) -> list[str]:
    """Return what axe finds that keeps people out."""
    found = await Axe().run(page)
    return [
        f"{violation['id']}: {node['html']}"
        for violation in found.response["violations"]
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]
