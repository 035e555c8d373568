"""`make screenshots`: pictures of the running demo's pages, for README and docs."""

import asyncio
import sys
from pathlib import Path
from typing import Any

from clickstream_local.errors import CannotStart
from clickstream_local.machine.ports import HOST, is_listening
from clickstream_local.pipeline.options import REPOSITORY, ports_from_environment
from clickstream_local.testing.browser import DESKTOP, PHONE, tab

FOLDER = REPOSITORY / "docs/screenshots"
# File: the page, what shows that it is full, and how to look at it.
_INSIGHTS = ("/#user_id=alice123", "main:has(.latest li):not(:has([aria-busy])) .headline")
PICTURES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "insights.png": (*_INSIGHTS, {"viewport": DESKTOP, "color_scheme": "light"}),
    "insights-dark.png": (*_INSIGHTS, {"viewport": DESKTOP, "color_scheme": "dark"}),
    "insights-phone.png": (*_INSIGHTS, {"viewport": PHONE, "color_scheme": "light"}),
    "operations.png": ("/operations", "#tasks .task", {"viewport": DESKTOP, "color_scheme": "light"}),
    "dead-letters.png": ("/dead-letters", ".letter", {"viewport": DESKTOP, "color_scheme": "light"}),
    "search.png": ("/search?action=view", "#hits .who b", {"viewport": DESKTOP, "color_scheme": "light"}),
}
SCALE = 2  # device pixels per CSS pixel


async def take(url: str, folder: Path) -> None:
    """Take every picture of the pages at `url`, a pod's address."""
    for name, (path, full, look) in PICTURES.items():
        async with tab(f"{url}{path}", device_scale_factor=SCALE, **look) as opened:
            await opened.page.locator(full).first.wait_for()
            await opened.page.screenshot(path=folder / name, full_page=True)
        print(folder / name)


def main() -> int:
    """Take the pictures; return the exit status."""
    port = ports_from_environment().query
    if not is_listening(port):
        print(f"no demo answers on port {port}: run `make demo` first, or set QUERY_PORT", file=sys.stderr)
        return 1
    try:
        asyncio.run(take(f"http://{HOST}:{port}", FOLDER))
    except CannotStart as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
