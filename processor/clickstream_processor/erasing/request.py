"""What an erasure is asked to do: the JSON document that CLICKSTREAM_ERASURE_FILE names. Pure.

The users may be in a file of their own, one a line, as a Secret has them.
"""

import re

import msgspec

from clickstream_processor.errors import InvalidErasure
from clickstream_processor.topology.records.codec import MAX_KEY_BYTES
from clickstream_processor.topology.records.replayed import MAX_NAME_BYTES

VERSION = 1
MAX_USERS = 1_000
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One erasure."""

    version: int
    name: str
    users: list[str] = []
    dry_run: bool = False  # only say what there is


def read_request(document: bytes, users: bytes | None = None) -> Request:
    """Return an erasure's description, checked. `users`: their ids, one a line, instead of the document's.

    Raises InvalidErasure, which names no user.
    """
    try:
        request = msgspec.json.decode(document, type=Request)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidErasure(f"the erasure's description: {error}") from error
    if request.version != VERSION:
        raise InvalidErasure(f"version: {request.version} is not known to this image ({VERSION})")
    if not _NAME.fullmatch(request.name) or len(request.name) > MAX_NAME_BYTES:
        raise InvalidErasure(f"name: {request.name!r:.80} must be lower-case letters, digits, - and .")
    if users is not None:
        if request.users:
            raise InvalidErasure("users: they are in the document and in a file of their own; leave one out")
        request = msgspec.structs.replace(request, users=_lines(users))
    if not 1 <= len(request.users) <= MAX_USERS:
        raise InvalidErasure(f"users: {len(request.users)} of them; there must be 1 to {MAX_USERS}")
    for number, user in enumerate(request.users):
        if not 1 <= len(user.encode(errors="replace")) <= MAX_KEY_BYTES:
            raise InvalidErasure(f"users[{number}]: must be 1 to {MAX_KEY_BYTES} bytes of UTF-8")
    return request


def _lines(text: bytes) -> list[str]:
    """Return the lines that are not empty. A line ends with a line feed, or a carriage return before one."""
    try:
        lines = text.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError:
        raise InvalidErasure("users: their file is not UTF-8") from None
    return [line.removesuffix("\r") for line in lines if line.removesuffix("\r")]
