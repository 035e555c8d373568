"""SDKs of pages in one real Chromium: a page each, with the SDK's script from build/."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from clickstream_local.machine.ports import HOST
from clickstream_local.testing.browser import PATIENCE_MS, chromium
from playwright.sync_api import BrowserContext, Page, sync_playwright

from collector_support.sdks import Call, clock_behind, installed, pointed_at

# posthog-js sends nothing from a browser that says a program drives it.
_ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-blink-features=AutomationControlled"]
_AGENT = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36"
)
_PAGE = '<!doctype html><meta charset="utf-8"><title>Red mug</title><script src="script.js"></script>'


class PageSdk:
    """One SDK in a page of its own, with storage of its own."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self._context = context
        self.complaints: list[str] = []
        self.page: Page = context.new_page()
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.goto(url)
        self.page.wait_for_function("window.call")

    def call(self, name: str, *given: object) -> Call:
        """Call the SDK; it sends later."""
        return Call(**self.page.evaluate("([name, ...given]) => call(name, ...given)", [name, *given]))

    def close(self) -> None:
        """Close the page."""
        self._context.close()


class Browser:
    """A Chromium, and a server for its pages."""

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer((HOST, 0), _Pages)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        self._playwright = sync_playwright().start()
        self._chromium = self._playwright.chromium.launch(
            executable_path=chromium(), args=_ARGUMENTS, timeout=PATIENCE_MS
        )
        return self

    def __exit__(self, *_: Any) -> None:
        self._chromium.close()
        self._playwright.stop()
        self._server.shutdown()
        self._server.server_close()

    def open(self, name: str, port: int, behind_ms: int = 0) -> PageSdk:
        """Open a page whose SDK sends to this port; its clock is that much behind."""
        context = self._chromium.new_context(user_agent=_AGENT)
        context.add_init_script(clock_behind(behind_ms))
        context.set_default_timeout(PATIENCE_MS)
        return PageSdk(context, f"http://{HOST}:{self._server.server_address[1]}/{name}/{port}/?ref=mail")


class _Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """Serve /SDK/PORT/ and /SDK/PORT/script.js."""
        _, name, port, rest = (self.path.split("/", 3) + [""] * 3)[:4]
        script = installed() / "build" / f"{name}.js"
        if not script.is_file():
            self.send_error(404)
            return
        is_script = rest == "script.js"
        text = pointed_at(script.read_text(), int(port)) if is_script else _PAGE
        body = text.encode()
        self.send_response_only(200)
        self.send_header("Content-Type", "text/javascript" if is_script else "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
