"""An aiohttp server that reads the body of a POST and answers, and does nothing else: PORT.

It has the collector's own options of the server, so that what differs is the collector's work.
"""

import asyncio
import gc
import sys

from aiohttp import web

ANSWER = b'{"accepted":1,"refused":[]}'
HEADERS = {"Content-Type": "application/json"}


async def take(request: web.Request) -> web.Response:
    await request.read()
    return web.Response(body=ANSWER, headers=HEADERS)


async def serve(port: int) -> None:
    app = web.Application()
    app.router.add_post("/v1/clicks", take)
    runner = web.AppRunner(app, auto_decompress=False, access_log=None, keepalive_timeout=75)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1_024).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    asyncio.run(serve(int(sys.argv[1])))
