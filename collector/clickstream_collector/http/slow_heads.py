"""Connections on which no whole request head comes are closed: a slow client must not hold one for ever.

aiohttp bounds an idle connection between two requests, and we bound a body. In between lies a head that
comes byte by byte, and a connection on which nothing comes at all.
"""

import asyncio
import time

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

HEAD_S = 20.0
KEEP_ALIVE_S = 75.0
LOOK_EVERY_S = 5.0


class SlowHeads:
    """Knows when each connection last had a request; the application tells it, and its task closes."""

    def __init__(self, head_s: float = HEAD_S, look_every_s: float = LOOK_EVERY_S) -> None:
        self._head_s = head_s
        self._look_every_s = look_every_s
        self._busy: set[RequestHandler] = set()
        self._until_s: dict[RequestHandler, float] = {}  # when to close, unless a request comes
        self._now_s = time.monotonic

    def begin(self, connection: RequestHandler) -> None:
        """Note that a request's head has come."""
        self._busy.add(connection)

    def end(self, connection: RequestHandler) -> None:
        """Note that the request is answered."""
        self._busy.discard(connection)
        self._until_s[connection] = self._now_s() + KEEP_ALIVE_S + self._head_s

    async def close_them(self, server: web.Server) -> None:
        """Close such connections, until cancelled."""
        while True:
            await asyncio.sleep(self._look_every_s)
            now_s, open_now = self._now_s(), set(server.connections)
            for gone in self._until_s.keys() - open_now:
                del self._until_s[gone]
            for connection in open_now - self._busy:
                if self._until_s.setdefault(connection, now_s + self._head_s) < now_s:
                    connection.force_close()
                    if connection.transport is not None:
                        connection.transport.abort()
