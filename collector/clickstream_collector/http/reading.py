"""The body of a request: in time, within bounds, and as a document."""

import asyncio
from typing import Any

from aiohttp import web

from clickstream_collector.bodies import content
from clickstream_collector.bodies.compression import decompressed
from clickstream_collector.http.credentials import PARAMETERS
from clickstream_collector.http.problems import malformed, too_large, too_slow
from clickstream_collector.http.routes import Reading, Route

EXPANSION = 8  # a body may decompress to so many times what one may be sent as


async def document_of(request: web.Request, route: Route, limit: int, body_s: float) -> Any:
    """Return the document of a request.

    Raises Problem, and what bodies/ raises: UnreadableBody, BodyTooLarge, UnknownEncoding.
    """
    if route.reading in (Reading.QUERY, Reading.QUERY_DATA):
        return in_query(route, request.rel_url.raw_query_string, limit)
    kind = content.media_type(request.headers.get("Content-Type", ""))
    body = await _read(request, limit, body_s)
    return in_body(route, body, kind, request.headers.get("Content-Encoding", ""), limit)


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


async def _read(request: web.Request, limit: int, body_s: float) -> bytes:
    try:
        if request.content.is_eof() and request.content.total_bytes <= limit:
            return (
                request.content.read_nowait()
            )  # it came with the head: nothing to wait for, no timer to set
        async with asyncio.timeout(body_s):
            return await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise too_large(f"A body may have {limit} bytes.") from error
    except TimeoutError as error:
        raise too_slow(body_s) from error
    except (web.RequestPayloadError, ConnectionError) as error:  # of the second nobody reads the answer
        raise malformed("The body ends too soon, or its chunks are damaged.") from error
