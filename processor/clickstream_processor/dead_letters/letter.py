"""A dead letter as it lies in its topic: every record is one. Pure."""

from dataclasses import dataclass

from clickstream_processor.dead_letters.headers import Said, read_headers
from clickstream_processor.topology.interfaces import Message
from clickstream_processor.topology.records.replayed import Pairs


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter."""

    partition: int
    offset: int
    at_ms: int | None  # record time
    key: bytes | None
    value: bytes | None
    headers: Pairs
    said: Said  # by the headers


def letter_of(partition: int, record: Message, headers: Pairs) -> Letter:
    """Return the letter that a record with these headers is."""
    kind, time_ms = record.timestamp()
    return Letter(
        partition=partition,
        offset=record.offset(),
        at_ms=time_ms if kind else None,
        key=record.key(),
        value=record.value(),
        headers=headers,
        said=read_headers(headers),
    )
