"""A visitor who refuses is not counted, and nothing of them is stored."""

import asyncio
import json

from collector_support.running import KEY, RunningCollector
from collector_support.site import BUY, Site, visitor

GPC = "Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', {get: () => true})"

# Names that the page writes into localStorage.
WRITTEN = """
window.written = []
const own = Storage.prototype.setItem
Storage.prototype.setItem = function (name, text) { written.push(name); own.call(this, name, text) }
"""


async def test_global_privacy_control_sends_nothing_and_stores_nothing(
    collector: RunningCollector, site: Site
) -> None:
    async with visitor(collector, site, GPC) as alice:
        await alice.page.goto(alice.url)
        await alice.page.evaluate("localStorage.setItem('clickstream.id', 'from before')")
        await alice.come("/again")
        await alice.page.click(BUY)
        await alice.page.evaluate("clickstream('consent', true); clickstream('track', 'asked')")
        await alice.come("/third")  # the page before ended: what it had would have gone out
        assert await alice.stored() == {}
        async with visitor(collector, site) as bob:  # the same steps without the signal are counted
            await bob.come("/again")
            await bob.page.click(BUY)
            await bob.arrived(["view", "add_to_cart"])
        assert alice.sent == []
    assert alice.clicks() == []


async def test_before_consent_nothing_is_sent_or_stored_and_after_it_the_view_is(
    collector: RunningCollector, site: Site
) -> None:
    site.attributes = 'data-consent="required"'
    async with visitor(collector, site) as alice:
        await alice.come("/one")
        await alice.page.click(BUY)
        await alice.page.evaluate("clickstream('identify', 'alice123')")
        assert await alice.stored() == {}
        assert alice.sent == []
        await alice.page.evaluate("clickstream('consent', true)")
        (view,) = await alice.arrived(["view"])
        assert view["user_id"] == "alice123"
        await alice.come("/two")  # consent stays
        lasts = [each["action"] for each in alice.clicks() if "last-" in each["action"]]
        await alice.have(["view", "view", *lasts])


async def test_consent_taken_back_removes_everything_in_all_tabs(
    collector: RunningCollector, site: Site
) -> None:
    async with visitor(collector, site) as alice:
        await alice.come("/one")
        two = await alice.page.context.new_page()
        await alice.come("/two", two)
        first = await alice.have(["view", "view"])
        await alice.page.context.set_offline(True)
        await alice.page.click(BUY)
        await alice.until_queued(["add_to_cart"])
        await two.evaluate("clickstream('consent', false)")
        await alice.until_forgotten()
        await alice.page.context.set_offline(False)
        for page in (alice.page, two):
            await page.click(BUY)
        await alice.until_forgotten()
        await two.evaluate("clickstream('consent', true)")
        again = (await alice.arrived(["view", "view", "view"], two))[-1]
    assert again["anonymous_id"] != first[0]["anonymous_id"]


async def test_consent_taken_back_holds_on_a_page_that_the_browser_kept(
    collector: RunningCollector, site: Site
) -> None:
    async with visitor(collector, site, WRITTEN, back_forward_cache=True) as alice:
        await alice.come("/one")
        assert await alice.page.evaluate("written.splice(0)")
        await alice.come("/two")
        first = await alice.have(["view", "view"])
        await alice.page.evaluate("clickstream('consent', false)")
        await alice.back()
        await alice.page.click(BUY)
        assert await alice.stored() == {}
        assert "clickstream.id" not in await alice.page.evaluate("written")
        await alice.page.evaluate("clickstream('consent', true)")
        again = (await alice.arrived(["view", "view", "view"]))[-1]
    assert again["page_url"] == f"{alice.url}/one"
    assert again["anonymous_id"] != first[0]["anonymous_id"]


async def test_consent_given_holds_on_a_page_that_the_browser_kept(
    collector: RunningCollector, site: Site
) -> None:
    site.attributes = 'data-consent="required"'
    async with visitor(collector, site, back_forward_cache=True) as alice:
        await alice.come("/one")
        await alice.come("/two")
        await alice.page.evaluate("clickstream('consent', true)")
        await alice.have(["view"])
        await alice.back()
        views = await alice.arrived(["view", "view"])
    assert [each["page_url"].rpartition("/")[2] for each in views] == ["two", "one"]


async def test_with_storage_blocked_clicks_are_sent_from_memory(
    collector: RunningCollector, site: Site
) -> None:
    site.key = KEY  # the page's origin is `null`
    site.headers = {"Content-Security-Policy": "sandbox allow-scripts"}
    async with visitor(collector, site) as alice:
        await alice.come()
        blocked = await alice.page.evaluate(
            "() => { try { localStorage } catch (error) { return error.name } }"
        )
        assert blocked == "SecurityError"
        await alice.page.click(BUY)
        view, click = await alice.arrived(["view", "add_to_cart"])
        await asyncio.to_thread(collector.process.stop)
        await alice.page.evaluate("clickstream('track', 'down')")
        sent = len(alice.sent)
        async with asyncio.timeout(180):
            while len(alice.sent) < sent + 1:
                await asyncio.sleep(0.05)
        await asyncio.to_thread(collector.start)
        lasts = [each["action"] for each in alice.clicks() if "last-" in each["action"]]
        await alice.arrived(["view", "add_to_cart", "down", *lasts])
    assert view["anonymous_id"] == click["anonymous_id"]
    assert view["session_id"] == click["session_id"]
    assert all(json.loads(body) for body in alice.sent)
