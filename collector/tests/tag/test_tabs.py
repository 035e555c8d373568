"""Two tabs of a browser have one visitor; no queue is sent twice, and none is left behind."""

import asyncio

from collector_support.running import RunningCollector
from collector_support.site import Site, visitor

TRACK = "action => clickstream('track', action)"


async def test_two_tabs_are_one_visitor_and_each_sends_its_own(
    collector: RunningCollector, site: Site
) -> None:
    async with visitor(collector, site) as alice:
        await alice.come("/one")
        two = await alice.page.context.new_page()
        await alice.come("/two", two)
        await alice.have(["view", "view"])
        await asyncio.to_thread(collector.process.stop)
        for number in range(5):
            await alice.page.evaluate(TRACK, f"one-{number}")
            await two.evaluate(TRACK, f"two-{number}")
        both = [f"{tab}-{number}" for tab in ("one", "two") for number in range(5)]
        await alice.until_queued(both)
        assert len([name for name in await alice.stored() if "queue." in name]) == 2
        await asyncio.to_thread(collector.start)
        await two.evaluate(TRACK, "two-end")
        found = await alice.arrived(["view", "view", "two-end", *both])
        await alice.until_queued([])
    assert len({each["anonymous_id"] for each in found}) == 1
    assert len({each["session_id"] for each in found}) == 1
    assert {each["page_url"].rpartition("/")[2] for each in found if "two" in each["action"]} == {"two"}


async def test_a_tab_takes_over_what_a_closed_tab_could_not_send(
    collector: RunningCollector, site: Site
) -> None:
    async with visitor(collector, site) as alice:
        await alice.come("/one")
        two = await alice.page.context.new_page()
        await alice.come("/two", two)
        await alice.have(["view", "view"])
        await asyncio.to_thread(collector.process.stop)
        sent = len(alice.sent)
        await two.evaluate(TRACK, "left")
        async with asyncio.timeout(180):
            while len(alice.sent) < sent + 2:  # the first has failed, so it keeps the click when it ends
                await asyncio.sleep(0.05)
        await alice.until_queued(["left"])
        await alice.leave(two)
        await asyncio.to_thread(collector.start)
        found = await alice.arrived(["view", "view", "left"])
        await alice.until_queued([])
    assert next(each for each in found if each["action"] == "left")["page_url"] == f"{alice.url}/two"


async def test_many_tabs_that_open_at_once_take_over_a_queue_once(
    collector: RunningCollector, site: Site
) -> None:
    async with visitor(collector, site) as alice:
        await alice.come()
        await alice.have(["view"])
        await alice.page.context.set_offline(True)
        left = [f"left-{number}" for number in range(60)]
        for action in left:
            await alice.page.evaluate(TRACK, action)
        await alice.until_queued(left)
        tabs = [await alice.page.context.new_page() for _ in range(4)]
        await alice.leave(alice.page)
        await alice.page.context.set_offline(False)
        await asyncio.gather(*(alice.come(f"/tab-{number}", page) for number, page in enumerate(tabs)))
        expected = ["view", *left, *["view"] * 4]
        await alice.have(expected)
        for number, page in enumerate(tabs):  # each tab's last event comes after all it had to send
            await alice.arrived(
                [*expected, *(each["action"] for each in alice.clicks() if "last-" in each["action"])], page
            )
            assert number < len(tabs)
