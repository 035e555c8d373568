"""A connection on which no whole request head comes is closed; one that is used is not."""

import asyncio
import contextlib

import pytest
from aiohttp import web
from clickstream_collector.http.slow_heads import SlowHeads
from clickstream_local.machine.ports import HOST, free_port

PATIENCE_S = 180


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n"], ids=["nothing", "half a head"])
async def test_connection_without_a_head_is_closed(sent: bytes) -> None:
    slow, port = SlowHeads(head_s=0.05, look_every_s=0.02), free_port()

    async def handle(request: web.Request) -> web.Response:
        slow.begin(request.protocol)
        try:
            return web.Response(text="ok")
        finally:
            slow.end(request.protocol)

    app = web.Application()
    app.router.add_get("/", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, HOST, port).start()
    assert runner.server is not None
    closer: asyncio.Task[None] | None = None
    try:
        used_reader, used = await asyncio.open_connection(HOST, port)
        used.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await used_reader.readuntil(b"ok")
        closer = asyncio.create_task(slow.close_them(runner.server))  # before, it could be too slow itself
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(sent)
        async with asyncio.timeout(PATIENCE_S):
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
        used.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200" in await used_reader.readuntil(b"ok")
    finally:
        if closer is not None:
            closer.cancel()
        await runner.cleanup()
