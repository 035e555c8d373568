"""The page of metrics over a real pod on a real broker, with the metrics of the example pipeline."""

import asyncio
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
from playwright.async_api import expect
from processor_support.runtime_rig import Rig, users

pytestmark = pytest.mark.real
expect.set_options(timeout=PATIENCE_MS)

NAMES = users(30)
COUNTRIES = ("USA", "Chile", "Ghana")
ACTIONS = ("view", "view", "purchase")


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


def send(rig: Rig, count: int) -> Counter[str]:
    """Send clicks of this moment; return how many there are of each action."""
    chance, sent = random.Random(count), Counter[str]()
    for _ in range(count):
        user, action = chance.choice(NAMES), chance.choice(ACTIONS)
        click = {"user_id": user, "page_url": f"/p/{chance.randrange(20)}", "action": action, "amount": 2.5}
        rig.send("clicks", user, click | {"timestamp": int(time.time() * 1_000)})
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


def answers(rig: Rig, seen: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return what the API says of the windows that the cards show, in the same form."""
    found = {}
    for name, card in seen.items():
        (window,) = rig.get(f"/api/metrics/{name}?window={card['window']}&top=10")["windows"]
        rows = [[" · ".join(row["keys"].values()), row["value"]] for row in window["rows"]]
        largest = rows[0][1] if rows else 0  # what a card shows that has no total
        total = largest if window["total"] is None else window["total"]
        found[name] = {"window": card["window"], "total": total, "rows": rows}
    return found


def test_page_counts_what_was_clicked_and_follows(rig: Rig) -> None:
    async def look() -> None:
        async with tab(f"http://127.0.0.1:{rig.port}/insights") as shown:
            await expect(shown.page.locator(".insight:not([aria-busy])")).to_have_count(4)
            sent: Counter[str] = Counter()
            for number in (200, 100):
                sent += await asyncio.to_thread(send, rig, number)
                await until_true(shown, sent)
            assert shown.complaints == []

    async def until_true(shown: Tab, sent: Counter[str]) -> None:
        # The windows go on with the clock, and that of the purchases may end just now.
        async with asyncio.timeout(PATIENCE_MS / 1_000):
            while True:
                seen = await cards(shown)
                said = await asyncio.to_thread(answers, rig, seen)
                if seen == said and seen["page-views"]["total"] == sent["view"]:
                    assert len(seen["page-views"]["rows"]) == 10
                    assert {name for name, _ in seen["active-users"]["rows"]} == set(COUNTRIES)
                    return
                await asyncio.sleep(0.2)

    asyncio.run(look())
