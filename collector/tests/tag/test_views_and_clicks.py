"""What a page tells by the tag: views, also of single-page applications, and clicks, with right fields."""

import time
from typing import Any

from collector_support.running import RunningCollector
from collector_support.site import BUY, Site, visitor


async def test_a_view_has_the_page_the_visitor_and_the_time(collector: RunningCollector, site: Site) -> None:
    began_ms = time.time() * 1000
    async with visitor(collector, site) as alice:
        await alice.come("/lamps?colour=red#top")
        (view,) = await alice.arrived(["view"])
        stored = await alice.stored()
    assert view["page_url"] == f"{alice.url}/lamps?colour=red"
    assert view["action"] == "view"
    assert view["user_id"] == f"anon:{view['anonymous_id']}"
    assert view["anonymous_id"] == stored["clickstream.id"]
    assert view["session_id"] == stored["clickstream.session"].split()[0]
    assert view["properties"] == {"title": f"Page {alice.path}/lamps?colour=red", "referrer": ""}
    assert began_ms - 1 <= view["reported_at"] <= view["sent_at"] <= view["received_at"] + 1
    assert view["source"] == "clicks"
    assert "HeadlessChrome" in view["user_agent"]
    assert alice.complaints == []


async def test_the_body_needs_no_preflight(collector: RunningCollector, site: Site) -> None:
    asked: list[dict[str, Any]] = []
    async with visitor(collector, site) as alice:
        session = await alice.page.context.new_cdp_session(alice.page)
        # Playwright itself does not tell preflights.
        session.on("Network.requestWillBeSent", lambda event: asked.append(event))
        await session.send("Network.enable")
        await alice.come()
        await alice.arrived(["view"])
    sent = [(each["type"], each["request"]["method"]) for each in asked if "/v1/" in each["request"]["url"]]
    assert sent
    assert set(sent) == {("Fetch", "POST")}


async def test_each_change_of_address_is_one_view(collector: RunningCollector, site: Site) -> None:
    async with visitor(collector, site) as alice:
        await alice.come("/one")
        await alice.page.evaluate(f"""() => {{
            history.pushState(null, '', '{alice.path}/two'); document.title = 'Two'
            history.replaceState({{scroll: 1}}, '')  // the same address
        }}""")
        await alice.page.wait_for_function("new Promise(done => setTimeout(() => done(true)))")
        await alice.page.evaluate(f"history.pushState(null, '', '{alice.path}/three#part')")
        await alice.page.wait_for_function("new Promise(done => setTimeout(() => done(true)))")
        await alice.page.evaluate("location.hash = 'other'")  # a place on the same page
        await alice.page.evaluate("history.go(-2)")
        await alice.page.wait_for_function("location.pathname.endsWith('/two')")
        views = await alice.arrived(["view"] * 4)
    pages = [f"{alice.url}/{name}" for name in ("one", "two", "three", "two")]
    assert [view["page_url"] for view in views] == pages
    assert [view["properties"]["referrer"] for view in views] == ["", *pages[:3]]
    assert views[1]["properties"]["title"] == "Two"


async def test_a_click_has_its_action_and_properties(collector: RunningCollector, site: Site) -> None:
    async with visitor(collector, site) as alice:
        await alice.come("/lamps")
        await alice.page.evaluate(
            "document.body.addEventListener('click', event => event.stopImmediatePropagation(), true)"
        )
        await alice.page.click(f"{BUY} b")
        await alice.page.click("#plain")
        click = (await alice.arrived(["view", "add_to_cart"]))[-1]
    assert click["properties"] == {"product_id": "7", "price": "9.50"}
    assert click["page_url"] == f"{alice.url}/lamps"


async def test_what_a_page_says_before_the_tag_is_there_is_heard(
    collector: RunningCollector, site: Site
) -> None:
    site.commands = "clickstream('track', 'early', {number: 1}); clickstream('identify', 'alice123')"
    async with visitor(collector, site) as alice:
        await alice.come()
        await alice.page.evaluate("clickstream('identify', null)")
        view, early = sorted(
            await alice.arrived(["view", "early"]), key=lambda each: each["action"] == "early"
        )
        await alice.page.evaluate("clickstream('track', 'later')")
        later = (await alice.arrived(["view", "early", "later", *lasts(alice.clicks())]))[-1]
    assert view["user_id"] == early["user_id"] == "alice123"
    assert view["anonymous_id"] == later["anonymous_id"]
    assert early["properties"] == {"number": 1}
    assert later["user_id"] == f"anon:{later['anonymous_id']}"


def lasts(clicks: list[dict[str, object]]) -> list[str]:
    return [str(each["action"]) for each in clicks if str(each["action"]).startswith("last-")]


async def test_the_user_stays_for_other_pages_and_the_session_ends_after_half_an_hour(
    collector: RunningCollector, site: Site
) -> None:
    async with visitor(collector, site) as alice:
        await alice.page.clock.install()
        await alice.come("/one")
        await alice.page.evaluate("clickstream('identify', 'alice123')")
        await alice.come("/two")
        await alice.page.clock.fast_forward("29:00")
        await alice.page.evaluate("clickstream('track', 'within')")
        await alice.page.clock.fast_forward("31:00")
        await alice.page.evaluate("clickstream('track', 'after')")
        await alice.page.clock.fast_forward("00:01")
        one, two, within, after = await alice.have(["view", "view", "within", "after"])
    assert one["user_id"].startswith("anon:")
    assert two["user_id"] == within["user_id"] == after["user_id"] == "alice123"
    assert one["session_id"] == two["session_id"] == within["session_id"] != after["session_id"]


async def test_a_script_twice_in_a_page_counts_once(collector: RunningCollector, site: Site) -> None:
    async with visitor(collector, site) as alice:
        await alice.come()
        await alice.page.evaluate("""() => new Promise(loaded => {
            const again = document.createElement('script')
            Object.assign(again, {src: document.querySelector('script[data-key]').src, onload: loaded})
            again.dataset.key = 'wk-site'
            document.head.append(again)
        })""")
        await alice.page.click(BUY)
        await alice.arrived(["view", "add_to_cart"])
