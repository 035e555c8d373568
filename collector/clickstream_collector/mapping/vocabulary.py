"""A vocabulary: how one family of SDKs says what happened. A mapping module has one, `VOCABULARY`. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from clickstream_collector.mapping.click import Event, Mapped


class Batch(msgspec.Struct, frozen=True, gc=False):  # made for each request: a third of a dataclass's cost
    """What one request says: its write key and its events, which hold no key any more."""

    key: str | None
    sent: Any  # the sender's clock when it sent, as it wrote it
    items: list[Any]


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """What is known of an event beside the event itself."""

    received_ms: int
    sent_ms: int | None = None
    kind: str | None = None  # the type of event that the path says, as in /v1/track


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """How to read it, and how the reference shows it: `rows` are (field of the click, what it is made of)."""

    name: str
    title: str
    split: Callable[[Any], Batch]  # raises Refused
    click: Callable[[Event, Arrival], Mapped]  # raises Refused; leaves the event as it is
    rows: tuple[tuple[str, str], ...]


def popped_key(document: Event, *names: str) -> str | None:
    """Take the write key out of an object and return it."""
    found = None
    for name in names:
        value = document.pop(name, None)
        if found is None and type(value) is str and value:
            found = value
    return found
