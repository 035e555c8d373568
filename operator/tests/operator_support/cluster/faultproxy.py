"""Stands between an operator and the API server, sees every request, and lets any of them fail.

A rule sees (method, path) of each request and answers what becomes of it. Killing the operator is
the rule's own business: it may do so before the request reaches the server, or after.
"""

import asyncio
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp
from aiohttp import web

from operator_support.cluster.controlplane import ControlPlane


@dataclass(frozen=True)
class Fate:
    """What becomes of a request. Nothing set: it is forwarded."""

    status: int = 0  # answered with this instead of being forwarded
    headers: dict[str, str] | None = None
    hang_s: float = 0  # no answer for so long, then none at all
    lose_answer: Callable[[], None] | None = None  # forwarded; this is called, and the answer is lost
    cut_after: int = -1  # a watch: this many lines, then the connection breaks
    gone: bool = False  # a watch: the server says 410


FORWARD = Fate()
Rule = Callable[[str, str], Fate]


def forward(_: str, __: str) -> Fate:
    """Let everything pass."""
    return FORWARD


class FaultProxy:
    """A plain HTTP server in a thread of its own."""

    def __init__(self, plane: ControlPlane) -> None:
        self.rule: Rule = forward
        self.seen: list[tuple[str, str]] = []
        self.url = ""
        self._plane = plane
        self._loop = asyncio.new_event_loop()
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Listen on a free port."""
        self._thread.start()
        assert self._up.wait(180)

    def stop(self) -> None:
        """Stop listening."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen())
        self._up.set()
        self._loop.run_forever()

    async def _listen(self) -> None:
        trust = ssl.create_default_context(cafile=str(self._plane.folder / "pki/apiserver.crt"))
        connector = aiohttp.TCPConnector(ssl=trust, limit=0)
        # The API server compresses what is long, for clients that say they can read it: this one has no say.
        self._session = aiohttp.ClientSession(
            connector=connector,
            auto_decompress=False,
            skip_auto_headers=("Accept-Encoding",),
            read_bufsize=2**21,
        )
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = str(request.rel_url)
        self.seen.append((request.method, path))
        # In a thread: a rule may kill a process and wait for its end.
        fate = await self._loop.run_in_executor(None, self.rule, request.method, path)
        if fate.hang_s:
            await asyncio.sleep(fate.hang_s)
            self._cut(request)
        if fate.status:
            body = {"kind": "Status", "code": fate.status, "message": "made to fail", "reason": "Test"}
            return web.json_response(body, status=fate.status, headers=fate.headers)
        return await self._forward(request, path, fate)

    async def _forward(self, request: web.Request, path: str, fate: Fate) -> web.StreamResponse:
        headers = {k: v for k, v in request.headers.items() if k.lower() != "host"}
        timeout = aiohttp.ClientTimeout(total=None)
        target = f"{self._plane.url}{path}"
        body = await request.read() or None
        async with self._session.request(
            request.method, target, data=body, headers=headers, timeout=timeout
        ) as answer:
            if fate.lose_answer:
                await answer.read()
                await self._loop.run_in_executor(None, fate.lose_answer)
                self._cut(request)
            passed = web.StreamResponse(status=answer.status)
            for name in ("Content-Type", "Content-Encoding", "Retry-After"):
                if name in answer.headers:
                    passed.headers[name] = answer.headers[name]
            await passed.prepare(request)
            if "watch=" in path:
                await self._stream(request, answer, passed, fate)
            else:
                await passed.write(await answer.read())
            await passed.write_eof()
            return passed

    async def _stream(
        self, request: web.Request, answer: aiohttp.ClientResponse, passed: web.StreamResponse, fate: Fate
    ) -> None:
        lines = 0
        if fate.gone:
            await passed.write(
                b'{"type":"ERROR","object":{"kind":"Status","code":410,"message":"too old"}}\n'
            )
            return
        async for line in answer.content:
            if lines == fate.cut_after:
                self._cut(request)
            await passed.write(line)
            lines += 1

    @staticmethod
    def _cut(request: web.Request) -> None:
        """Break the connection as a network would."""
        if request.transport:
            request.transport.abort()
        raise ConnectionResetError
