"""A real Chromium, driven by Playwright: for the tests of the pages, and for the screenshots in the docs."""

import contextlib
import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import ConsoleMessage, Page, Response, async_playwright

from clickstream_local.errors import CannotStart

VARIABLE = "CLICKSTREAM_CHROMIUM"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE_MS = 180_000  # a machine that runs other suites too is slow
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}


def chromium() -> Path:
    """Return the browser's program. Raises CannotStart with what to do."""
    names = [os.environ[VARIABLE]] if os.environ.get(VARIABLE) else list(PROGRAMS)
    for name in names:
        if found := shutil.which(name):
            return Path(found)
    raise CannotStart(
        f"no browser: none of {', '.join(names)} is on the PATH. Install Debian's package chromium, "
        f"or name another in {VARIABLE}"
    )


@dataclass
class Tab:
    """One page, and what it complained of meanwhile."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def note(self, message: ConsoleMessage) -> None:
        """Keep errors and warnings of the console."""
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")

    def answered(self, response: Response) -> None:
        """Keep answers that say that something is wrong."""
        if response.status >= 400:
            self.complaints.append(f"{response.status}: {response.url}")


@contextlib.asynccontextmanager
async def tab(url: str, *, back_forward_cache: bool = False, **context: Any) -> AsyncIterator[Tab]:
    """Open a page; `context` are Playwright's options: viewport, color_scheme, ...

    `back_forward_cache`: pages that are left live on in memory, as they do for people. Playwright turns this
    off, for it waits in vain for such a page to load: go back with `wait_until="commit"`.
    """
    async with async_playwright() as playwright:
        # A container has no user namespaces for the browser's own sandbox; the pages are ours.
        browser = await playwright.chromium.launch(
            executable_path=chromium(),
            args=["--no-sandbox", "--disable-dev-shm-usage"],
            ignore_default_args=["--disable-back-forward-cache"] if back_forward_cache else None,
            timeout=PATIENCE_MS,
        )
        try:
            shown = await browser.new_context(**{"viewport": DESKTOP, "locale": "en-GB", **context})
            shown.set_default_timeout(PATIENCE_MS)
            opened = Tab(await shown.new_page())
            opened.page.on("console", opened.note)
            opened.page.on("pageerror", lambda error: opened.complaints.append(f"uncaught: {error}"))
            opened.page.on("response", opened.answered)
            await opened.page.goto(url)
            yield opened
        finally:
            await browser.close()
