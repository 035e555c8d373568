"""The pages over a real pod on a real broker, with the metrics of the example pipeline."""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from clickstream_local.parts.kafka import Kafka
from clickstream_local.pipeline.options import REPOSITORY
from clickstream_local.testing.browser import PATIENCE_MS, Tab, tab
from clickstream_local.testing.fixtures import Topics
from clickstream_processor.topology.records.partitioning import murmur2_partition
from confluent_kafka import Producer
from playwright.async_api import expect
from processor_support.queries.product_page import serious_findings
from processor_support.runtime_rig import Rig, users

pytestmark = pytest.mark.real
expect.set_options(timeout=PATIENCE_MS)

NAMES = users(30)
COUNTRIES = ("USA", "Chile", "Ghana")
ACTIONS = ("view", "view", "purchase")
BEFORE_MS = 90_000  # in a window that is complete once newer clicks have come, and in the newest one too


def example() -> dict[str, Any]:
    """Return the metrics and sessions of examples/storefront.yaml."""
    for document in yaml.safe_load_all((REPOSITORY / "examples/storefront.yaml").read_text()):
        if document["kind"] == "ClickPipeline":
            processing = document["spec"]["processing"]
            return {name: processing[name] for name in ("metrics", "sessions")}
    raise AssertionError("the example has no pipeline")


@pytest.fixture
def rig(kafka: Kafka, topics: Topics, tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(kafka, topics, tmp_path, processing=example())
    for number, user in enumerate(NAMES):
        row = {"user_id": user, "name": user, "email": "", "plan_tier": ("free", "premium")[number % 2]}
        rig.send("profiles", user, row | {"country": COUNTRIES[number % 3]})
    rig.flush()
    rig.start()
    rig.wait_until_running()
    yield rig
    rig.stop()


def send(rig: Rig, count: int, ago_ms: int = 0) -> Counter[str]:
    """Send clicks of this moment, or of one before; return how many there are of each action."""
    chance, sent = random.Random(count), Counter[str]()
    for _ in range(count):
        user, action = chance.choice(NAMES), chance.choice(ACTIONS)
        click = {"user_id": user, "page_url": f"/p/{chance.randrange(20)}", "action": action, "amount": 2.5}
        rig.send("clicks", user, click | {"timestamp": int(time.time() * 1_000) - ago_ms})
        sent[action] += 1
    rig.flush()
    return sent


async def cards(shown: Tab) -> dict[str, dict[str, Any]]:
    """Return what all cards show, read at one moment."""
    seen = await shown.page.evaluate(
        """
        () => Object.fromEntries([...document.querySelectorAll(".insight")].map(card => [
          card.dataset.metric, {
          window: Number(card.dataset.window),
          total: Number(card.querySelector(".value").value),
          rows: [...card.querySelectorAll(".toplist li")].map(item =>
            [item.querySelector(".key").textContent, Number(item.querySelector("data").value)]),
        }]))
        """
    )
    return dict(seen)


async def headlines(shown: Tab) -> dict[str, dict[str, Any]]:
    """Return what all headlines show, read at one moment."""
    seen = await shown.page.evaluate(
        """
        () => Object.fromEntries([...document.querySelectorAll(".headline")].map(tile => [
          tile.dataset.metric, {
          window: Number(tile.dataset.window),
          total: Number(tile.querySelector(".value").value),
        }]))
        """
    )
    return dict(seen)


def answers(rig: Rig, seen: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return what the API says of the windows that the cards show, in the same form."""
    found = {}
    for name, card in seen.items():
        (window,) = rig.get(f"/api/metrics/{name}?window={card['window']}&top=10")["windows"]
        rows = [[" · ".join(row["keys"].values()), row["value"]] for row in window["rows"] if row["keys"]]
        largest = rows[0][1] if rows else 0  # what a card shows that has no total
        total = largest if window["total"] is None else window["total"]
        found[name] = {"window": card["window"], "total": total, "rows": rows}
    return found


def totals(rig: Rig, seen: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return what the API says of the windows that the headlines show, in their form."""
    return {
        name: {"window": card["window"], "total": card["total"]} for name, card in answers(rig, seen).items()
    }


def test_page_counts_what_was_clicked_and_follows(rig: Rig) -> None:
    async def look() -> None:
        async with tab(f"http://127.0.0.1:{rig.port}/") as shown:
            await expect(shown.page.locator(".insight:not([aria-busy])")).to_have_count(5)
            sent = await asyncio.to_thread(send, rig, 60, BEFORE_MS)
            for number in (200, 100):
                sent += await asyncio.to_thread(send, rig, number)
                await until_true(shown, sent)
            exits = shown.page.locator(".insight[data-metric=exit-pages] .about").first
            await expect(exits).to_have_text("count of sessions by page, each 5 min")
            assert shown.complaints == []

    async def until_true(shown: Tab, sent: Counter[str]) -> None:
        # The windows go on with the clock, and that of the purchases may end just now.
        async with asyncio.timeout(PATIENCE_MS / 1_000):
            while True:
                seen = await cards(shown)
                said = await asyncio.to_thread(answers, rig, seen)
                tops = await headlines(shown)
                is_true = seen == said and tops == await asyncio.to_thread(totals, rig, tops)
                if is_true and tops["page-views"]["total"] and seen["page-views"]["total"] == sent["view"]:
                    assert len(seen["page-views"]["rows"]) == 10
                    assert tops.keys() == seen.keys()
                    assert {name for name, _ in seen["active-users"]["rows"]} == set(COUNTRIES)
                    return
                await asyncio.sleep(0.2)

    asyncio.run(look())


def send_astray(rig: Rig, count: int) -> None:
    """Send clicks each to another partition than its user's, as clients do that hash in another way."""
    producer = Producer({"bootstrap.servers": rig.kafka.bootstrap, "enable.idempotence": True})
    for number in range(count):
        user = NAMES[number % len(NAMES)]
        click = {"user_id": user, "page_url": "/", "action": "view", "timestamp": int(time.time() * 1_000)}
        wrong = (murmur2_partition(user.encode(), rig.partitions) + 1) % rig.partitions
        producer.produce(rig.names["clicks"], json.dumps(click), user, wrong)
    assert producer.flush(60) == 0


def test_operations_says_what_to_do_where_clicks_are_on_wrong_partitions(rig: Rig) -> None:
    async def look() -> None:
        async with tab(f"http://127.0.0.1:{rig.port}/operations") as shown:
            await asyncio.to_thread(send, rig, 50)
            await expect(shown.page.locator("#total-enriched")).to_have_text("50")
            said = shown.page.locator("#advice")
            await expect(said).to_be_hidden()
            async with asyncio.timeout(PATIENCE_MS / 1_000):
                while not await said.is_visible():  # it goes by the last seconds
                    await asyncio.to_thread(send_astray, rig, 30)
                    await asyncio.sleep(0.1)
            await expect(said).to_contain_text("Most clicks become dead letters (wrong-partition).")
            await expect(said).to_contain_text("topics.partitioner: any")
            await expect(said).to_be_hidden()  # once they come no more
            assert await serious_findings(shown.page) == []
            assert shown.complaints == []

    asyncio.run(look())
