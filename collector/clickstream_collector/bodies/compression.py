"""Bounded decompression: gzip, deflate, br. Pure.

What is packed by gzip tells by its first bytes: posthog-js sends it without any header, and RudderStack's
node library under the content type of a form. `Content-Encoding` is needed for deflate and br only.
"""

import zlib

import brotli

from clickstream_collector.errors import BodyTooLarge, UnknownEncoding, UnreadableBody

CODINGS = ("", "identity", "gzip", "x-gzip", "deflate", "br")  # of Content-Encoding
GZIP = b"\x1f\x8b"

# Senders pack in one member. Each further one costs a copy of the rest: a body of 26,000 empty ones took a
# second, and every other request waited.
MAX_MEMBERS = 16

_GZIP_BITS, _RAW_BITS = 31, -15


def decompressed(body: bytes, encoding: str, limit: int) -> bytes:
    """Return a body as it was before `Content-Encoding`, at most `limit` bytes.

    Raises UnknownEncoding, BodyTooLarge, UnreadableBody.
    """
    coding = encoding.strip().lower()
    if body.startswith(GZIP) and coding in ("", "identity", "gzip", "x-gzip"):
        return gunzipped(body, limit)
    if coding in ("", "identity", "gzip", "x-gzip"):
        return body  # some proxies decompress and leave the header
    if coding == "deflate":
        return _inflated(body, limit)
    if coding == "br":
        return _unbrotlied(body, limit)
    raise UnknownEncoding(f"Content-Encoding {coding[:64]!r}; known are gzip, deflate, br")


def gunzipped(body: bytes, limit: int) -> bytes:
    """Return what gzip packed, all members of it. Raises BodyTooLarge, UnreadableBody."""
    parts: list[bytes] = []
    room = limit
    while body.startswith(GZIP):
        if len(parts) == MAX_MEMBERS:
            raise UnreadableBody(f"the compressed body has more than {MAX_MEMBERS} members")
        part, body = _unpacked(body, _GZIP_BITS, room)
        parts.append(part)
        room -= len(part)
    return b"".join(parts)


def _inflated(body: bytes, limit: int) -> bytes:
    """Return what deflate packed: with zlib's head, as RFC 9110 says, or without, as some senders do."""
    try:
        return _unpacked(body, zlib.MAX_WBITS, limit)[0]
    except UnreadableBody:
        return _unpacked(body, _RAW_BITS, limit)[0]


def _unpacked(body: bytes, bits: int, limit: int) -> tuple[bytes, bytes]:
    """Return what one stream holds, and what follows it."""
    stream = zlib.decompressobj(bits)
    try:
        found = stream.decompress(body, limit + 1)
    except zlib.error as error:
        raise UnreadableBody(f"the compressed body is damaged: {error}") from error
    if len(found) > limit:
        raise BodyTooLarge(f"the body decompresses to more than {limit} bytes")
    if not stream.eof:
        raise UnreadableBody("the compressed body ends too soon")
    return found, stream.unused_data


def _unbrotlied(body: bytes, limit: int) -> bytes:
    stream = brotli.Decompressor()
    parts: list[bytes] = []
    size = 0
    given = body
    try:
        while not stream.is_finished():
            part = stream.process(given, output_buffer_limit=limit + 1 - size)
            given = b""
            size += len(part)
            parts.append(part)
            if size > limit:
                raise BodyTooLarge(f"the body decompresses to more than {limit} bytes")
            if not part and stream.can_accept_more_data():
                raise UnreadableBody("the compressed body ends too soon")
    except brotli.error as error:
        raise UnreadableBody(f"the compressed body is damaged: {error}") from error
    return b"".join(parts)
