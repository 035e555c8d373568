"""A click as the collector writes it, and a pair of ids of one person. Pure.

The first four fields are those every click has (docs/reference/topics-and-records.md). The others are absent
where the sender said nothing. Expressions read them as `click.NAME`.

A text of an event may hold a lone surrogate: half of a character, or a byte that is not UTF-8. No record can
hold it. In an id it refuses the event, for U+FFFD would make two ids one. In other texts it becomes U+FFFD.
"""

import re
from typing import Any

import msgspec

Event = dict[str, Any]

MAX_CLICK_BYTES = 65_536  # what a processor takes
MAX_ID_BYTES = 1_024
OWN = "clicks"  # our own vocabulary
MAX_DEPTH = 64  # objects and lists in each other; real events have fewer than ten

BROKEN = "holds a lone surrogate or bytes that are not UTF-8"
_IDS = ("user_id", "anonymous_id", "message_id", "session_id")
_LONE = re.compile("[\ud800-\udfff]")

_encode = msgspec.json.encode


class Refused(Exception):
    """This item is no click. Write a dead letter: `reason` is one of the pods', `detail` is for people."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


class Click(msgspec.Struct, omit_defaults=True, gc=False):
    """A click. Times are ms since the epoch."""

    user_id: str
    page_url: str
    action: str
    timestamp: int  # event time, corrected by the sender's clock
    source: str  # the vocabulary
    received_at: int  # by the collector's clock
    message_id: str | None = None
    reported_at: int | None = None  # event time as the sender gave it
    sent_at: int | None = None  # when the sender sent it, by its own clock
    session_id: str | None = None
    anonymous_id: str | None = None
    ip: str | None = None
    user_agent: str | None = None
    bot: bool = False
    properties: Event | None = None  # the event's own properties, as sent
    original: Event | None = None  # members of the event that became none of the fields above, as sent


class Pair(msgspec.Struct, omit_defaults=True, gc=False):
    """Two ids of one person, from `identify` or `alias`. Its record has the key `previous_id`."""

    previous_id: str
    user_id: str
    timestamp: int
    source: str


Mapped = tuple[Click, Pair | None]


def encoded(click: Click) -> bytes:
    """Return a click's JSON. Raises Refused for what a click cannot hold."""
    try:
        document = click if click.source != OWN or not click.original else _flat(click)
        try:
            value = _encode(document)
        except UnicodeEncodeError:
            for name in _IDS:
                if _LONE.search(getattr(click, name) or ""):
                    raise Refused("mistyped-field", f"{name}: {BROKEN}") from None
            value = _encode(_mended(msgspec.to_builtins(document)))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise Refused("not-json", f"holds what JSON cannot: {error}") from error
    if len(value) > MAX_CLICK_BYTES:
        raise Refused("oversized", f"a click of {len(value)} bytes, allowed {MAX_CLICK_BYTES}")
    if value.count(b"{") + value.count(b"[") > MAX_DEPTH and depth(value) > MAX_DEPTH:
        raise Refused("not-json", f"nested deeper than {MAX_DEPTH} levels")
    return value


def _flat(click: Click) -> Event:
    """Return a click of our own vocabulary: what it has beside the fields stays beside them, as in Kafka."""
    beside, click.original = click.original, None
    return {**(beside or {}), **msgspec.to_builtins(click)}


def _mended(value: Any) -> Any:
    """Return a document with U+FFFD for each lone surrogate. Raises Refused for one in a field's name."""
    if type(value) is str:
        return _LONE.sub("\ufffd", value)
    if type(value) is dict:
        if any(_LONE.search(name) for name in value):
            raise Refused("mistyped-field", f"the name of a field {BROKEN}")
        return {name: _mended(each) for name, each in value.items()}
    return [_mended(each) for each in value] if type(value) is list else value


def depth(text: bytes) -> int:
    """Return how deep objects and lists lie in each other in a JSON text."""
    deepest = level = 0
    quoted = escaped = False
    for byte in text:
        if quoted:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                quoted = False
        elif byte == 0x22:
            quoted = True
        elif byte in (0x7B, 0x5B):
            level += 1
            deepest = max(deepest, level)
        elif byte in (0x7D, 0x5D):
            level -= 1
    return deepest
