"""Odd records for the clicks topic: what people's producers really send. Pure but for the chance it is given.

Each record must come out exactly once: as an enriched click, or as a dead letter whatever its reason. A click
whose windows were closed is both, and its letter then says `late`. Users of odd records are their own, so
that the counts of all others stay known.
"""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

HEADER = "odd"  # names the kind; the checker knows odd records by it
USERS = 40
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
BEHIND_MS = 30_000  # behind the load's event times, so that no other user's window closes earlier
HOUR_MS = 3_600_000
BLOWN_BYTES, BLOWN = 60_000, 20  # the transform repeats the field `blow` so often
ANY = -1  # a partition by chance


def user(number: int) -> str:
    """Return the id of a user of odd records."""
    return f"odd-{number:02d}"


def is_odd_user(name: str) -> bool:
    """Tell whether a user's counts are not part of the model."""
    return name.startswith("odd-")


@dataclass(slots=True)
class Odd:
    """One record to be sent. `codec`: of its batch; `partition` None: as its key says."""

    key: bytes | None
    value: bytes | None
    record_ms: int
    codec: str = "none"
    partition: int | None = None
    headers: list[tuple[str, bytes]] = field(default_factory=list)


Make = Callable[[random.Random, str, int], Odd]
KINDS: dict[str, Make] = {}


def kind(make: Make) -> Make:
    """Register a kind under its function's name."""
    KINDS[make.__name__.replace("_", "-")] = make
    return make


def odd_record(chance: random.Random, name: str, event_ms: int, partitions: int) -> Odd:
    """Return a record of a kind, near an event time of the load."""
    odd = KINDS[name](chance, user(chance.randrange(USERS)), event_ms - BEHIND_MS)
    if odd.key is None or odd.partition == ANY:
        odd.partition = chance.randrange(partitions)
    odd.headers.append((HEADER, name.encode()))
    return odd


def _click(name: str, event_ms: Any, **more: Any) -> bytes:
    click = {"user_id": name, "page_url": "/odd", "action": "view", "timestamp": event_ms, **more}
    return json.dumps(click).encode()


def _text(name: str, event_ms: int, fields: str) -> bytes:
    """Return a click with fields as text, for what no JSON writer writes."""
    return (
        f'{{"user_id":"{name}","page_url":"/odd","action":"view","timestamp":{event_ms},{fields}}}'.encode()
    )


def _of(name: str, event_ms: int, value: bytes | None, **more: Any) -> Odd:
    return Odd(name.encode(), value, event_ms, **more)


# --- sizes ------------------------------------------------------------------------------------------------


@kind
def large_compressed(chance: random.Random, name: str, at: int) -> Odd:
    """Megabytes that are kilobytes on the way."""
    value = _click(name, at, page_url="/" + "x" * chance.choice((1_100_000, 3_000_000)))
    return _of(name, at, value, codec=chance.choice(("gzip", "zstd")))


@kind
def as_large_as_may_be(_: random.Random, name: str, at: int) -> Odd:
    """As large as the broker takes it uncompressed; the sender finds out the size."""
    return _of(name, at, _click(name, at, pad=""))


@kind
def output_over_a_megabyte(chance: random.Random, name: str, at: int) -> Odd:
    """A click that the pipeline's transform makes larger than its topic takes."""
    return _of(name, at, _click(name, at, blow="y" * BLOWN_BYTES), codec=chance.choice(CODECS))


@kind
def long_fields(chance: random.Random, name: str, at: int) -> Odd:
    """A field of tens of kilobytes."""
    return _of(name, at, _click(name, at, action="a" * chance.choice((256, 10_000, 60_000))))


# --- depth ------------------------------------------------------------------------------------------------


@kind
def brackets_that_are_read(chance: random.Random, name: str, at: int) -> Odd:
    """Nested brackets in a field that an expression reads."""
    depth = chance.choice((100, 500, 900, 5_000))
    return _of(name, at, _text(name, at, f'"channel":{"[" * depth}{"]" * depth}'))


@kind
def braces_that_are_read(chance: random.Random, name: str, at: int) -> Odd:
    """Nested objects in a field that an expression reads."""
    depth = chance.choice((100, 500, 900))
    return _of(name, at, _text(name, at, '"channel":' + '{"a":' * depth + "1" + "}" * depth))


@kind
def brackets_that_are_not_read(chance: random.Random, name: str, at: int) -> Odd:
    """Nested brackets in a field that nobody reads."""
    depth = chance.choice((500, 5_000, 20_000))
    return _of(name, at, _text(name, at, f'"unread":{"[" * depth}{"]" * depth}'))


# --- times ------------------------------------------------------------------------------------------------


@kind
def event_times(chance: random.Random, name: str, at: int) -> Odd:
    """Event times that are none, or of another unit."""
    far = at + 1_000 * HOUR_MS
    values = (
        0,
        -1,
        at // 1_000,
        at * 1_000,
        f"{at}",
        "2024-05-01T10:00:00Z",
        at + 0.5,
        float(at),
        None,
        True,
        far,
    )
    return _of(name, at, _click(name, chance.choice((*values, 2**53 + 1, 2**63, 10**30))))


@kind
def event_ahead(chance: random.Random, name: str, at: int) -> Odd:
    """A sound click of a device whose clock is fast, by less than is refused."""
    return _of(name, at, _click(name, at + chance.choice((60_000, HOUR_MS // 2, HOUR_MS - 120_000))))


@kind
def record_times(chance: random.Random, name: str, at: int) -> Odd:
    """A sound click whose record has a time of another age."""
    return Odd(name.encode(), _click(name, at), chance.choice((1, at // 1_000, at + 24 * HOUR_MS)))


# --- JSON -------------------------------------------------------------------------------------------------


@kind
def random_bytes(chance: random.Random, name: str, at: int) -> Odd:
    """Bytes that are nothing, some of them after a sound beginning."""
    noise = chance.randbytes(chance.choice((1, 10, 1_000, 100_000)))
    return _of(name, at, chance.choice((b"", _click(name, at)[:-1])) + noise, codec=chance.choice(CODECS))


@kind
def not_objects(chance: random.Random, name: str, at: int) -> Odd:
    """JSON that is no object, and nothing at all."""
    return _of(name, at, chance.choice((b"", b"[]", b"null", b"1", b'"x"', b"{}", b" ", b"\x00" * 8, None)))


@kind
def encodings(chance: random.Random, name: str, at: int) -> Odd:
    """A sound click in UTF-16 or UTF-32, with a byte order mark, or framed for a schema registry."""
    text = _click(name, at).decode()
    framed = b"\x00\x00\x00\x00\x07" + text.encode()
    return _of(
        name,
        at,
        chance.choice((text.encode("utf-16"), text.encode("utf-32"), text.encode("utf-8-sig"), framed)),
    )


@kind
def surrogates(chance: random.Random, name: str, at: int) -> Odd:
    """Half an emoji, as JavaScript's substring leaves it, and other odd characters."""
    odd = chance.choice((r"\ud83d", r"\ude00", r"\udc00\ud800", r"\u0000", r"\ufffe", "\x01"))
    place = chance.choice(("unread", "page_url", "channel", "action"))
    return _of(name, at, _text(name, at, f'"{place}":"a{odd}b"'))


@kind
def numbers(chance: random.Random, name: str, at: int) -> Odd:
    """Numbers beyond what a reader can hold."""
    number = chance.choice(
        ("9" * 400, "1e400", "-1e400", "NaN", "Infinity", "-0", "1" + "0" * 5_000, "0.1e-999", "01")
    )
    return _of(name, at, _text(name, at, f'"{chance.choice(("unread", "channel"))}":{number}'))


@kind
def keys_twice(chance: random.Random, name: str, at: int) -> Odd:
    """A field that is there twice, with one value or two."""
    return _of(
        name, at, _text(name, at, chance.choice((f'"user_id":"{name}"', '"action":7', f'"timestamp":{at}')))
    )


@kind
def missing_fields(_: random.Random, name: str, at: int) -> Odd:
    """Payloads of other tools."""
    payload = {
        "anonymousId": name,
        "type": "page",
        "timestamp": "2024-05-01T10:00:00Z",
        "properties": {"path": "/"},
    }
    return _of(name, at, json.dumps(payload).encode())


# --- keys, headers, codecs --------------------------------------------------------------------------------


@kind
def odd_keys(chance: random.Random, name: str, at: int) -> Odd:
    """Keys that are missing, another user's, huge, empty, or no text."""
    key = chance.choice((None, b"", b"somebody else", b"k" * 100_000, b"\xff\xfe", name.encode() + b"\x00"))
    return Odd(key, chance.choice((_click(name, at), None)), at)


@kind
def long_user_ids(chance: random.Random, name: str, at: int) -> Odd:
    """User ids at the bound and beyond."""
    long = name + "u" * chance.choice((250, 1_018, 1_019, 5_000))
    return _of(long, at, _click(long, at))


@kind
def wrong_partitions(_: random.Random, name: str, at: int) -> Odd:
    """A producer with another partitioner."""
    return _of(name, at, _click(name, at), partition=ANY)


@kind
def many_headers(chance: random.Random, name: str, at: int) -> Odd:
    """Headers by the thousand, or one that is large, or no text."""
    headers = chance.choice(
        ([(f"h{n}", b"v") for n in range(1_000)], [("big", b"b" * 200_000)], [("bin", b"\xff\x00")])
    )
    return _of(name, at, _click(name, at), headers=list(headers))


@kind
def codecs(chance: random.Random, name: str, at: int) -> Odd:
    """A sound click by each codec: it must come out as any other."""
    return _of(name, at, _click(name, at), codec=chance.choice(CODECS))
