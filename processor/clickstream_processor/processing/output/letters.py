"""Dead letters: a click as it came, with its place and the reason as headers, cut to what the topic takes.

A letter has headers `reason`, `detail`, `source-topic`, `source-partition`, `source-offset`. One that was cut
has also `original-size` (bytes of the value), `original-sha256` (of the whole value, hex), and
`original-key-size` where the key was left out. A bare letter has neither key nor value. The letter of a click
that a replay has sent has also `replay`, `attempt` and `history` (topology/records/replayed.py). Pure.
"""

import hashlib
from dataclasses import dataclass

from clickstream_processor.topology.interfaces import Message
from clickstream_processor.topology.records.replayed import Replayed

MAX_DETAIL_CHARS = 1_000
# What a record costs beside its key and value: the batch's header, the headers' names and texts.
FRAME_BYTES = 1_024
MAX_KEY_BYTES = 4_096  # a longer key is none of a user; it is left out of a letter that must be cut

Headers = list[tuple[str, str | bytes | None]]


@dataclass(frozen=True, slots=True)
class Letter:
    """What goes into the dead-letter topic."""

    value: bytes | None
    key: bytes | None
    timestamp_ms: int  # 0: the time at which it is sent
    headers: Headers


def letter(
    message: Message,
    reason: str,
    detail: str,
    topic: str,
    partition: int,
    *,
    max_bytes: int,
    bare: bool,
    again: Replayed | None = None,
) -> Letter:
    """Return a click's letter. `max_bytes`: what the dead-letter topic takes, `max.message.bytes`.

    `again`: what a click that comes again says of itself.
    """
    key, value = message.key(), message.value()
    headers: Headers = [
        ("reason", reason),
        ("detail", _short(detail)),
        ("source-topic", topic),
        ("source-partition", str(partition)),
        ("source-offset", str(message.offset())),
        *(again.headers() if again else ()),
    ]
    room = max_bytes - FRAME_BYTES - sum(len(str(text).encode()) for _, text in headers)
    if not bare and len(key or b"") + len(value or b"") <= room:
        return Letter(value, key, max(0, message.timestamp()[1]), headers)
    if value is not None:
        headers.append(("original-size", str(len(value))))
        headers.append(("original-sha256", hashlib.sha256(value).hexdigest()))
    if key is not None and (bare or len(key) > MAX_KEY_BYTES):
        headers.append(("original-key-size", str(len(key))))
        key = None
    if bare:
        return Letter(None, None, 0, headers)
    room -= len(key or b"") + FRAME_BYTES
    return Letter((value or b"")[: max(0, room)], key, max(0, message.timestamp()[1]), headers)


def _short(text: str) -> str:
    """Return a text that is UTF-8 and not too long."""
    text = text.encode(errors="backslashreplace").decode()
    return text if len(text) <= MAX_DETAIL_CHARS else f"{text[: MAX_DETAIL_CHARS - 1]}…"
