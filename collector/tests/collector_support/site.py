"""A website with the tag: any path is a page of it. And what its visitors' clicks became in Kafka."""

import asyncio
import contextlib
import html
import itertools
import json
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from clickstream_local.machine.ports import HOST
from clickstream_local.testing.browser import Tab, tab
from clickstream_local.testing.eventually import eventually
from playwright.async_api import Page

from collector_support.running import KEY, RunningCollector

SHOP_KEY = "wk-site"  # only for pages of the site
SLOW_KEY = "wk-slow"  # one event a second
BUY = "#buy"
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Page {path}</title>
<link rel="icon" href="data:,">
<script>
  window.clickstream = window.clickstream ||
    function () {{ (clickstream.q = clickstream.q || []).push(arguments) }}
  addEventListener('pageshow', ({{ persisted }}) => window.cameBack = persisted)
  {commands}
</script>
<script async src="{tag}" {attributes}></script>
<button id="buy" data-click="add_to_cart" data-click-product-id="7" data-click-price="9.50">
<b>Buy</b></button>
<a id="next" href="/next" data-click="go">Next</a>
<p id="plain">Nothing to count</p>
"""
_numbers = itertools.count()


class Site:
    """A website on a port of its own. `commands` are what its pages say to the tag before that is there."""

    def __init__(self) -> None:
        self.tag = ""
        self.key = SHOP_KEY
        self.attributes = ""
        self.commands = ""
        self.headers: dict[str, str] = {}
        self._server = ThreadingHTTPServer((HOST, 0), _handler(self))
        self.url = f"http://{HOST}:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def keys(self) -> str:
        """Return a file of keys."""
        return f"{KEY}\n{SHOP_KEY} origin={self.url}\n{SLOW_KEY} origin={self.url} rate=1"

    def page(self, path: str) -> bytes:
        """Return the page of a path."""
        attributes = f'data-key="{self.key}" {self.attributes}'
        text = _PAGE.format(
            path=html.escape(path), tag=self.tag, attributes=attributes, commands=self.commands
        )
        return text.encode()

    def close(self) -> None:
        """End."""
        self._server.shutdown()
        self._server.server_close()


def _handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = site.page(self.path)
            self.send_response(200)
            for name, value in {"Content-Type": "text/html; charset=utf-8", **site.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
            """Say nothing."""

    return Handler


class Visitor:
    """One browser of a visitor, and the clicks that came of it: those of a path that nobody else has."""

    def __init__(self, collector: RunningCollector, site: Site, shown: Tab) -> None:
        self._collector = collector
        self.page = shown.page
        self.complaints = shown.complaints
        self.path = f"/visitor-{next(_numbers)}"
        self.url = site.url + self.path
        self.sent: list[str] = []  # bodies, as the browser sent them
        self.page.context.on("request", self._note)

    def _note(self, request: Any) -> None:
        if "/v1/clicks" in request.url:
            self.sent.append(request.post_data or "")

    async def come(self, path: str = "", page: Page | None = None) -> None:
        """Open a page of the visitor's part of the site, and wait for the tag."""
        page = page or self.page
        await page.goto(self.url + path)
        await page.wait_for_function("clickstream.runs")

    async def back(self) -> None:
        """Go back to the page before, which the browser's back/forward cache has."""
        gone = self.page.url
        await self.page.go_back(wait_until="commit")
        await self.page.wait_for_function("gone => location.href !== gone && window.cameBack", arg=gone)

    @staticmethod
    async def leave(page: Page) -> None:
        """Close a tab as a person does, so that its page is told. Another one must be open."""
        async with page.expect_event("close"):
            await page.close(run_before_unload=True)

    async def arrived(self, actions: list[str], page: Page | None = None) -> list[dict[str, Any]]:
        """Track a last event, wait for it, and return the clicks before it: these actions, each once.

        A page sends in order: what is not there when its last event is, never comes.
        """
        last = f"last-{next(_numbers)}"
        await (page or self.page).evaluate(f"clickstream('track', '{last}')")
        return [each for each in await self.have([*actions, last]) if each["action"] != last]

    async def have(self, actions: list[str]) -> list[dict[str, Any]]:
        """Wait for as many clicks, and return them: these actions, in any order, each id once."""
        enough = len(actions)
        await asyncio.to_thread(eventually, lambda: len(self.clicks()) >= enough, f"{enough} clicks")
        found = self.clicks()
        ids = [each["message_id"] for each in found]
        assert len(ids) == len(set(ids)), f"twice: {sorted(ids)}"
        assert sorted(each["action"] for each in found) == sorted(actions)
        return sorted(found, key=lambda each: each["reported_at"])

    def clicks(self) -> list[dict[str, Any]]:
        """Return the visitor's clicks in the topic."""
        values = [record.value for record in self._collector.read(self._collector.clicks)]
        return [each for each in values if f"{self.path}" in _parts(each["page_url"])]

    async def stored(self) -> dict[str, str]:
        """Return what the tag has in the browser's storage."""
        all_of_it = json.loads(await self.page.evaluate("JSON.stringify(localStorage)"))
        return {name: text for name, text in all_of_it.items() if name.startswith("clickstream.")}

    async def queued(self) -> list[str]:
        """Return the actions in all queues of the browser."""
        queues = [text for name, text in (await self.stored()).items() if "queue." in name]
        return sorted(click["action"] for text in queues for click in json.loads(text))

    async def until_forgotten(self) -> None:
        """Wait until the tag has nothing in the browser's storage: tabs tell each other in a moment."""
        async with asyncio.timeout(180):
            while await self.stored():
                await asyncio.sleep(0.05)

    async def until_queued(self, actions: list[str]) -> None:
        """Wait until the queues of the browser have these actions."""
        async with asyncio.timeout(180):
            while await self.queued() != sorted(actions):
                await asyncio.sleep(0.05)


def _parts(url: str) -> list[str]:
    return ["/" + part for part in url.partition("?")[0].split("/")]


@contextlib.asynccontextmanager
async def visitor(
    collector: RunningCollector, site: Site, *scripts: str, back_forward_cache: bool = False
) -> AsyncIterator[Visitor]:
    """Open a browser. `scripts` run in each page before everything else."""
    async with tab("about:blank", back_forward_cache=back_forward_cache) as shown:
        for script in scripts:
            await shown.page.context.add_init_script(script)
        yield Visitor(collector, site, shown)


@contextlib.contextmanager
def website() -> Iterator[Site]:
    """Run a site."""
    site = Site()
    try:
        yield site
    finally:
        site.close()
