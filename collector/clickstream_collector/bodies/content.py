"""The body of a POST -> a document, whatever its content type says. Pure.

JSON comes as `text/plain` from beacons, under the type of a form with gzip in it, as a form `data=` with JSON
or base64 in it, and as base64 alone. So the bytes decide, and the content type only refuses what is plainly
something else.
"""

import base64
import binascii
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes

from clickstream_collector.bodies.compression import GZIP, gunzipped
from clickstream_collector.bodies.json_text import decoded, lines
from clickstream_collector.errors import UnknownEncoding, UnreadableBody

TYPES = (
    "", "application/json", "text/plain", "application/x-www-form-urlencoded", "application/x-ndjson",
    "application/ndjson", "application/jsonl", "application/octet-stream", "application/gzip",
)  # fmt: skip
NDJSON = ("application/x-ndjson", "application/ndjson", "application/jsonl")
_WRAPPINGS = 4  # gzip in base64 in a form, and one to spare


def media_type(header: str) -> str:
    """Return the content type without its parameters. Raises UnknownEncoding for one that holds no events."""
    kind = header.partition(";")[0].strip().lower()
    if kind not in TYPES and not kind.endswith("+json"):
        raise UnknownEncoding(
            f"Content-Type {kind[:64]!r}; send application/json, or one of {', '.join(TYPES[2:])}"
        )
    return kind


def document(body: bytes, limit: int) -> Any:
    """Return the document in a decompressed body. Raises UnreadableBody, BodyTooLarge."""
    return decoded(unwrapped(body, limit))


def clicks_document(body: bytes, kind: str, limit: int) -> Any:
    """Return a body of our own vocabulary: as `document`, or one click a line."""
    text = unwrapped(body, limit)
    if kind in NDJSON:
        return lines(text)
    try:
        return decoded(text)
    except UnreadableBody:
        if text[:1] == b"{" and b"\n" in text:
            found = lines(text)
            if any(type(each) is dict for each in found):
                return found
        raise


def of_query(text: str) -> dict[str, str]:
    """Return the parameters of a raw query; a byte that is not UTF-8 becomes a lone surrogate."""
    return dict(parse_qsl(text, keep_blank_values=True, errors="surrogateescape"))


def unwrapped(body: bytes, limit: int) -> bytes:
    """Return the JSON text in a body. Raises UnreadableBody, BodyTooLarge."""
    for _ in range(_WRAPPINGS):
        if body[:1] in (b"{", b"["):
            return body
        if body.startswith(GZIP):
            body = gunzipped(body, limit)
            continue
        body = body.strip().removeprefix(b"\xef\xbb\xbf")
        if not body:
            raise UnreadableBody("the body is empty")
        if body[:1] in (b"{", b"["):
            return body
        body = _of_form(body) if b"=" in body[:64] and not _is_base64(body[:64]) else _of_base64(body)
    raise UnreadableBody("the body is not JSON, nor a form or base64 that holds JSON")


def _of_form(body: bytes) -> bytes:
    """Return the field `data` of a form."""
    for part in body.split(b"&"):
        name, _, value = part.partition(b"=")
        if name == b"data":
            # A plus is a space in a form, but senders of base64 leave it as it is.
            text = unquote_to_bytes(value)
            return text if _is_base64(text[:64]) else unquote_to_bytes(value.replace(b"+", b" "))
    raise UnreadableBody("the form has no field data")


def _is_base64(text: bytes) -> bool:
    return bool(text) and not text.rstrip(b"=").translate(None, _ALPHABET)


_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_"


def _of_base64(text: bytes) -> bytes:
    try:
        return base64.b64decode(
            text.translate(bytes.maketrans(b"-_", b"+/")) + b"=" * (-len(text) % 4), validate=True
        )
    except (binascii.Error, ValueError) as error:
        raise UnreadableBody("the body is not JSON, nor a form or base64 that holds JSON") from error
