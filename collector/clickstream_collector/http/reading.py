"""The body of a request: in time, within bounds, and as a document."""

import asyncio
import contextlib
from typing import Any

from aiohttp import web

from clickstream_collector.bodies import content
from clickstream_collector.bodies.compression import decompressed
from clickstream_collector.http.credentials import PARAMETERS
from clickstream_collector.http.problems import malformed, stopping, too_large, too_slow
from clickstream_collector.http.routes import Reading, Route

EXPANSION = 8  # a body may decompress to so many times what one may be sent as


class Bodies:
    """Reads bodies until the process stops. aiohttp drops what comes from then on, and so no body ends."""

    def __init__(self, limit: int, body_s: float) -> None:
        """`limit`: bytes of a body; `body_s`: how long it may take to come."""
        self._limit, self._body_s = limit, body_s
        self._waits: set[asyncio.Timeout] = set()
        self._stops = False

    async def document_of(self, request: web.Request, route: Route) -> Any:
        """Return the document of a request.

        Raises Problem, and what bodies/ raises: UnreadableBody, BodyTooLarge, UnknownEncoding.
        """
        if route.reading in (Reading.QUERY, Reading.QUERY_DATA):
            return in_query(route, request.rel_url.raw_query_string, self._limit)
        kind = content.media_type(request.headers.get("Content-Type", ""))
        body = await self._read(request)
        return in_body(route, body, kind, request.headers.get("Content-Encoding", ""), self._limit)

    def stop(self) -> None:
        """Wait for no body any more: its sender is told to send again."""
        self._stops = True
        for wait in self._waits:
            with contextlib.suppress(RuntimeError):  # it ends already
                wait.reschedule(0)

    async def _read(self, request: web.Request) -> bytes:
        try:
            if request.content.is_eof() and request.content.total_bytes <= self._limit:
                return request.content.read_nowait()  # it came with the head: no timer to set
            if self._stops:
                raise stopping()
            async with asyncio.timeout(self._body_s) as wait:
                self._waits.add(wait)
                try:
                    return await request.read()
                finally:
                    self._waits.discard(wait)
        except web.HTTPRequestEntityTooLarge as error:
            raise too_large(f"A body may have {self._limit} bytes.") from error
        except TimeoutError as error:
            raise (stopping() if self._stops else too_slow(self._body_s)) from error
        except (web.RequestPayloadError, ConnectionError) as error:  # of the second nobody reads the answer
            raise malformed("The body ends too soon, or its chunks are damaged.") from error


def in_query(route: Route, query: str, limit: int) -> Any:
    """Return the document in a raw query. Raises what bodies/ raises."""
    found = content.of_query(query)
    if route.reading is Reading.QUERY_DATA:
        return content.document(found.get("data", "").encode(errors="surrogateescape"), limit)
    return {name: value for name, value in found.items() if name not in PARAMETERS}


def in_body(route: Route, body: bytes, kind: str, coding: str, limit: int) -> Any:
    """Return the document in a body as it came. Raises what bodies/ raises."""
    body = decompressed(body, coding, limit * EXPANSION)
    if route.reading is Reading.CLICKS:
        return content.clicks_document(body, kind, limit * EXPANSION)
    return content.document(body, limit * EXPANSION)
