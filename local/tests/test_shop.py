"""The demo's shop in a browser: what a person does there is in the clicks topic, as the person they chose."""

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clickstream_local.load.profiles import ALICE, make_profiles
from clickstream_local.load.traffic import Traffic
from clickstream_local.load.visitors import NO_FLAWS, Visitors
from clickstream_local.machine.ports import free_ports
from clickstream_local.parts.collector import Collector
from clickstream_local.parts.kafka import Kafka
from clickstream_local.pipeline.reading import read_all
from clickstream_local.pipeline.reference import EXAMPLE, Place, create_identities, create_topics, load
from clickstream_local.shop.shop import Shop
from clickstream_local.smoke.evidence import read_clicks
from clickstream_local.smoke.model import Rules, judge
from clickstream_local.testing.browser import DESKTOP, PHONE, tab
from clickstream_local.testing.eventually import eventually
from clickstream_operator.spec.clickpipeline import ClickPipeline

PEOPLE = make_profiles(4)


@pytest.fixture
def pipeline(kafka: Kafka) -> ClickPipeline:
    place = Place(kafka.bootstrap, 5432, "http://127.0.0.1:9200", "opensearch", 8080, 8180, pods=1)
    loaded = load(EXAMPLE, place)
    create_topics(loaded, kafka.bootstrap)
    create_identities(loaded, kafka.bootstrap)
    return loaded


@pytest.fixture
def shop(kafka: Kafka, pipeline: ClickPipeline, tmp_path: Path) -> Iterator[tuple[Shop, Collector]]:
    """Give a shop and its collector. No pod answers."""
    port, admin, at, nobody = free_ports(4)
    collector = Collector(
        tmp_path,
        pipeline,
        bootstrap=kafka.bootstrap,
        port=port,
        admin_port=admin,
        key="wk-shop",
        origins=(f"http://127.0.0.1:{at}",),
    )
    running = Shop(
        port=at,
        collector=collector.url,
        key=collector.key,
        pipeline=f"http://127.0.0.1:{nobody}",
        visitors=PEOPLE,
    )
    try:
        collector.start()
        running.start()
        yield running, collector
    finally:
        running.stop()
        collector.stop()


def clicks_of(kafka: Kafka, pipeline: ClickPipeline, site: str) -> list[dict[str, Any]]:
    """Return the clicks of pages at `site`; each must be one that a pod takes."""
    found = []
    for click in read_clicks(kafka.bootstrap, pipeline.spec.topics.clicks):
        reason, fields = judge(click, Rules.of(pipeline))
        if fields["page_url"].startswith(site):
            assert reason == ""
            found.append(fields)
    return sorted(found, key=lambda fields: fields["reported_at"])


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
async def test_a_person_who_shops_is_in_the_topic(
    shop: tuple[Shop, Collector], kafka: Kafka, pipeline: ClickPipeline, viewport: dict[str, int]
) -> None:
    running, collector = shop
    somebody = PEOPLE[2].user_id
    async with tab(running.url, viewport=viewport) as opened:
        page = opened.page
        await page.get_by_role("link", name="Desk", exact=True).click()
        await page.locator("h1", has_text=re.compile("^Desk$")).wait_for()
        await page.locator("#visitor").select_option(somebody)
        await page.get_by_role("link", name="Mug").click()
        await page.locator(".detail").get_by_role("button", name="Add to cart").click()
        await page.locator("#buy").click()
        await page.locator("#thanks").wait_for()
        wide = await page.evaluate("document.documentElement.scrollWidth > innerWidth")
        await asyncio.to_thread(
            eventually, lambda: len(clicks_of(kafka, pipeline, running.url)) >= 5, "five clicks"
        )
    found = clicks_of(kafka, pipeline, running.url)
    assert not wide, "the page is wider than the screen"
    steps = [(each["user_id"], each["action"], each["page_url"]) for each in found]
    assert steps == [
        (ALICE, "view", f"{running.url}/"),
        (ALICE, "view", f"{running.url}/desk"),
        (somebody, "view", f"{running.url}/products/mug"),
        (somebody, "add_to_cart", f"{running.url}/products/mug"),
        (somebody, "purchase", f"{running.url}/products/mug"),
    ]
    assert found[1]["properties"]["title"] == "Desk · Corner shop"
    assert found[3]["properties"] == {"product": "mug", "price": "14"}
    assert found[4]["properties"] == {"amount": "14", "pieces": "1"}
    # The collector counts a click once Kafka has answered; the topic has it before.
    await asyncio.to_thread(eventually, lambda: collector.taken() >= 5, "five clicks are counted")


def test_a_pod_that_does_not_answer_is_a_bad_gateway(shop: tuple[Shop, Collector]) -> None:
    assert shop[0].answer("/counts/alice123")[0] == 502


def test_a_path_leads_to_no_file_outside_the_shop(shop: tuple[Shop, Collector]) -> None:
    page = shop[0].answer("/")[2]
    for path in ("/static/../shop.py", "/static/shop.py", "/../../pyproject.toml", "/static/%2e%2e/shop.py"):
        assert shop[0].answer(path)[2] == page
    assert shop[0].answer("/static/shop.css")[1].startswith("text/css")


def test_visitors_send_again_until_they_are_answered(
    shop: tuple[Shop, Collector], kafka: Kafka, pipeline: ClickPipeline
) -> None:
    _, collector = shop
    users = [each.user_id for each in PEOPLE]
    visitors = Visitors(collector.url, collector.key, Traffic(users, 12, flaws=NO_FLAWS), rate_per_s=50)
    visitors.start()
    try:
        eventually(lambda: len(visitors.answered) > 20, "clicks answered")
        collector.kill()
        before = len(visitors.answered)
        collector.start()
        eventually(lambda: len(visitors.answered) > before, "clicks answered again")
    finally:
        visitors.stop()
    ids = [
        fields["message_id"]
        for click in read_all(kafka.bootstrap, pipeline.spec.topics.clicks)
        if (fields := judged(click.value()))
    ]
    assert set(visitors.answered) <= set(ids)


def judged(value: Any) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(value or b"{}")
    return fields if "message_id" in fields else {}
