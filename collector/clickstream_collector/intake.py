"""A batch of events -> the records that go to Kafka, and what is wrong with the others. Pure.

One bad event does not cost its neighbours: it becomes a dead letter with its reason.
"""

import json
from dataclasses import dataclass
from typing import Any

import msgspec

from clickstream_collector.errors import BodyTooLarge
from clickstream_collector.mapping.click import BROKEN, MAX_ID_BYTES, Pair, Refused, encoded
from clickstream_collector.mapping.vocabulary import Arrival, Batch, Vocabulary
from clickstream_collector.sender.privacy import Privacy, Sender

MAX_EVENTS = 5_000  # of one request; SDKs send a hundred
MAX_DETAIL_CHARS = 1_000
MAX_LETTER_BYTES = 500_000  # brokers take records of 1 MiB unless told otherwise

Headers = list[tuple[str, str | bytes | None]]
_encode = msgspec.json.encode


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter: the event as JSON, without write keys, and why it is no click."""

    value: bytes
    headers: Headers


class Taken(msgspec.Struct):
    """What becomes of a batch."""

    clicks: list[tuple[bytes, bytes]] = []  # key, value; each object has a list of its own
    pairs: list[tuple[bytes, bytes]] = []
    letters: list[Letter] = []
    refused: list[tuple[int, Refused]] = []  # place in the batch, why
    bots: int = 0  # dropped


def take(
    vocabulary: Vocabulary, batch: Batch, arrival: Arrival, privacy: Privacy, sender: Sender, path: str
) -> Taken:
    """Return what becomes of each event. Raises BodyTooLarge for more of them than one request may have."""
    if len(batch.items) > MAX_EVENTS:
        raise BodyTooLarge(f"{len(batch.items)} events in one request, allowed {MAX_EVENTS}")
    taken = Taken()
    map_event, keep, clicks = vocabulary.click, privacy.apply, taken.clicks
    for place, item in enumerate(batch.items):
        try:
            if type(item) is not dict:
                raise Refused("not-json" if _is_unwritable(item) else "mistyped-field", "expected an object")
            click, pair = map_event(item, arrival)
            if not keep(click, sender):
                taken.bots += 1
                continue
            record = _key(click.user_id), encoded(click)
            if pair is not None:
                taken.pairs.append((_key(pair.previous_id), _pair_value(pair)))
            clicks.append(record)
        except Refused as refused:
            taken.refused.append((place, refused))
            taken.letters.append(letter(item, refused, path))
    return taken


def letter(item: Any, refused: Refused, path: str) -> Letter:
    """Return the dead letter of an event that came by a path."""
    value = _as_json(item)
    headers: Headers = [
        ("reason", refused.reason),
        ("detail", _short(refused.detail)),
        ("source-path", path),
    ]
    if len(value) > MAX_LETTER_BYTES:
        headers.append(("original-size", str(len(value))))
        value = value[:MAX_LETTER_BYTES]
    return Letter(value, headers)


def _as_json(item: Any) -> bytes:
    """Return an event as JSON; what JSON cannot hold is in it as a text."""
    try:
        return _encode(item)
    except (TypeError, ValueError, RecursionError):
        pass
    try:
        return json.dumps(item, default=repr).encode()
    except (TypeError, ValueError, RecursionError) as error:
        return _encode(f"cannot be written: {type(error).__name__}")


def _key(user_id: str) -> bytes:
    try:
        key = user_id.encode()
    except UnicodeEncodeError as error:
        raise Refused("mistyped-field", f"a user id {BROKEN}") from error
    if len(key) > MAX_ID_BYTES:
        raise Refused("oversized", f"a user id of {len(key)} bytes, allowed {MAX_ID_BYTES}")
    return key


def _pair_value(pair: Pair) -> bytes:
    _key(pair.user_id)
    return _encode(pair)


def _is_unwritable(item: Any) -> bool:
    return not isinstance(item, str | int | float | list | bool | None)


def _short(text: str) -> str:
    text = text.encode(errors="backslashreplace").decode()
    return text if len(text) <= MAX_DETAIL_CHARS else f"{text[: MAX_DETAIL_CHARS - 1]}…"
