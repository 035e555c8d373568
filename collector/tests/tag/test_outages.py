"""Nothing is lost and nothing comes twice: without a network, without a collector, with pages that end."""

import asyncio
import json

from clickstream_local.testing.eventually import eventually
from collector_support.running import RunningCollector
from collector_support.site import BUY, SLOW_KEY, Site, visitor
from playwright.async_api import Route

# When each request began and ended, by the page's clock.
NOTE_ATTEMPTS = """
    const real = window.fetch
    window.attempts = []
    window.fetch = async (...given) => {
        const attempt = {began: Date.now()}
        attempts.push(attempt)
        const answer = await real(...given)
        const after_s = +answer.headers.get('Retry-After')
        Object.assign(attempt, {status: answer.status, after_s, ended: Date.now()})
        return answer
    }
"""
TRACK = "action => clickstream('track', action)"


async def test_a_click_just_before_the_tab_closes_arrives(collector: RunningCollector, site: Site) -> None:
    async with visitor(collector, site) as alice:
        only = await alice.page.context.new_page()  # no other page is there to send what this one left
        await alice.come("/only", only)
        await only.evaluate("document.querySelector('#buy').click(); clickstream('track', 'end')")
        await alice.leave(only)
        await alice.have(["view", "add_to_cart", "end"])
        await alice.come("/next")
        await alice.arrived(["view", "add_to_cart", "end", "view"])


async def test_a_click_on_a_link_arrives_once_though_the_page_ends(
    collector: RunningCollector, site: Site
) -> None:
    async with visitor(collector, site) as alice:
        for number in range(5):
            await alice.come(f"/{number}")
            await alice.page.evaluate(f"document.querySelector('#next').href = '{alice.path}/next'")
            await alice.page.click("#next")
            await alice.page.wait_for_url(f"{alice.url}/next")
            await alice.page.wait_for_function("clickstream.runs")
        await alice.arrived(["view", "go", "view"] * 5)


async def test_clicks_without_a_network_arrive_with_it(collector: RunningCollector, site: Site) -> None:
    async with visitor(collector, site) as alice:
        await alice.come()
        await alice.have(["view"])
        await alice.page.context.set_offline(True)
        for _ in range(3):
            await alice.page.click(BUY)
        await alice.until_queued(["add_to_cart"] * 3)
        await alice.page.context.set_offline(False)
        found = await alice.arrived(["view"] + ["add_to_cart"] * 3)
        await alice.until_queued([])
    # Event time is when it happened, not when it was sent.
    assert all(abs(each["timestamp"] - each["reported_at"]) < 60_000 for each in found)


async def test_clicks_of_a_page_that_ended_without_a_network_arrive_with_the_next(
    collector: RunningCollector, site: Site
) -> None:
    async with visitor(collector, site) as alice:
        await alice.come()
        await alice.have(["view"])
        await alice.page.context.set_offline(True)
        await alice.page.evaluate(TRACK, "unsent")
        later = await alice.page.context.new_page()  # before: a browser without a page ends
        await alice.leave(alice.page)
        await alice.page.context.set_offline(False)
        await alice.come("/later", later)
        await alice.have(["view", "unsent", "view"])
        await alice.arrived(["view", "unsent", "view"], later)


async def test_clicks_wait_while_the_collector_is_down(collector: RunningCollector, site: Site) -> None:
    async with visitor(collector, site) as alice:
        await alice.come()
        await alice.have(["view"])
        collector.process.stop()
        for number in range(120):  # more than a batch
            await alice.page.evaluate(TRACK, f"down-{number}")
        async with asyncio.timeout(180):
            while len(alice.sent) < 3:  # it tried, and tries again
                await asyncio.sleep(0.05)
        await alice.until_queued([f"down-{number}" for number in range(120)])
        await asyncio.to_thread(collector.start)
        found = await alice.arrived(["view", *(f"down-{number}" for number in range(120))])
    assert [each["action"] for each in found][1:] == [f"down-{number}" for number in range(120)]


async def test_a_click_whose_answer_was_lost_is_sent_again_with_the_same_id(
    collector: RunningCollector, site: Site
) -> None:
    lost = 0

    async def lose(route: Route) -> None:
        nonlocal lost
        if lost == 0:
            lost += 1
            await route.fetch()
            await route.abort()
        else:
            await route.continue_()

    async with visitor(collector, site) as alice:
        await alice.page.context.route("**/v1/clicks*", lose)
        await alice.come()
        await asyncio.to_thread(eventually, lambda: len(alice.clicks()) == 2, "the view, twice")
        first, second = alice.clicks()
    assert first["message_id"] == second["message_id"]
    assert first["reported_at"] == second["reported_at"]
    assert first["sent_at"] != second["sent_at"]


async def test_retry_after_is_waited_for(collector: RunningCollector, site: Site) -> None:
    site.key = SLOW_KEY
    actions: list[str] = []
    async with visitor(collector, site, NOTE_ATTEMPTS) as alice:
        await alice.come()
        await alice.have(["view"])
        async with asyncio.timeout(180):
            while not await alice.page.evaluate("attempts.some(({status}) => status === 429)"):
                for _ in range(3):  # more than the key may send, however slow this machine is
                    actions.append(f"fast-{len(actions)}")
                    await alice.page.evaluate(TRACK, actions[-1])
                await asyncio.sleep(0.3)
        await alice.have(["view", *actions])
        attempts = await alice.page.evaluate("attempts")
    refused = [place for place, attempt in enumerate(attempts) if attempt["status"] == 429]
    for place in refused:
        waited_ms = attempts[place + 1]["began"] - attempts[place]["ended"]
        assert waited_ms >= attempts[place]["after_s"] * 1000 > 0


async def test_what_the_collector_refuses_is_dropped_and_said_once(
    collector: RunningCollector, site: Site
) -> None:
    site.key = "wk-unknown"
    async with visitor(collector, site) as alice:
        await alice.come()
        async with asyncio.timeout(180):
            while len(alice.sent) < 1 or await alice.queued():
                await asyncio.sleep(0.05)
        await alice.page.evaluate(TRACK, "again")
        async with asyncio.timeout(180):
            while len(alice.sent) < 2 or await alice.queued():
                await asyncio.sleep(0.05)
        warned = [text for text in alice.complaints if "clickstream" in text and text.startswith("warning")]
    assert [[click["action"] for click in json.loads(body)] for body in alice.sent] == [["view"], ["again"]]
    assert len(warned) == 1
    assert "401" in warned[0]
    assert alice.clicks() == []


async def test_the_queue_is_bounded(collector: RunningCollector, site: Site) -> None:
    async with visitor(collector, site) as alice:
        await alice.come()
        await alice.have(["view"])
        await alice.page.context.set_offline(True)
        await alice.page.evaluate("for (let i = 0; i < 510; i++) clickstream('track', 'n' + i)")
        kept = [f"n{number}" for number in range(10, 510)]  # the oldest are gone
        await alice.until_queued(kept)
        await alice.page.context.set_offline(False)
        await alice.have(["view", *kept])
