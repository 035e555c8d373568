"""What the line meets: the records it reads, the outputs it writes to, the expressions it evaluates.

Shapes only. The runtime passes the Kafka client's own objects, tests pass what looks like them.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from clickstream_processor.topology.records.records import Click, Profile

Row = Mapping[str, Any] | None
Headers = Sequence[tuple[str, str | bytes | None]] | None  # as the client takes and gives them


class Message(Protocol):
    """What the line reads of a consumed record: the shape of confluent_kafka.Message."""

    def key(self) -> bytes | None:
        """Return the key as it came."""

    def value(self) -> bytes | None:
        """Return the value as it came."""

    def offset(self) -> int:
        """Return the offset."""

    def timestamp(self) -> tuple[int, int]:
        """Return (kind, record time in ms)."""


# A row of the profile table that was refused: the record, the reason, a detail for people.
RefusedRow = tuple[Message, str, str]


class Outputs(Protocol):
    """Where results go: called straight from the hot loop, so each should be one call into the producer.

    An exception they raise leaves the line in the middle of a chunk: roll back. Text is to be sent as UTF-8
    (the Kafka client does that itself, without a copy where it is ASCII).
    """

    def enriched(self, value: str | bytes, key: bytes, timestamp_ms: int, /) -> None:
        """Send one enriched click."""

    def metrics(self, value: str, key: bytes, timestamp_ms: int, /) -> None:
        """Send the count of one user and window."""

    def dead_letter(self, message: Message, reason: str, detail: str, /) -> None:
        """Send the click as it came, with its reason."""


class Evaluable(Protocol):
    """A checked expression, as clickstream_expressions makes it."""

    reads_fields: bool  # `evaluate` needs the click's whole JSON object
    click_fields: frozenset[str] | None  # the names it reads there; None: it may read any
    reads_columns: bool  # `evaluate` needs the profile's whole row
    evaluate: Callable[[Click, Profile | None, Row, Row], Any]


# A joined click as metrics take it: click, profile, the click's JSON object, the profile's row, stream time.
JoinedClick = tuple[Any, Any, Row, Row, int]


class Gatherer(Protocol):
    """Takes the joined clicks for the metrics of the pipeline: aggregation/gathering.py."""

    reads_fields: bool
    reads_columns: bool

    @property
    def expressions(self) -> Sequence[Evaluable]:
        """Return all that is evaluated."""

    def add(self, rows: Sequence[JoinedClick], clock_ms: int, /) -> None:
        """Add a batch of joined clicks, in order. `clock_ms`: WorkingSet.metrics_ms before it."""

    def mark_is_due(self, time_ms: int, /) -> bool:
        """Tell whether the clock is to say this time, as something waits for it."""


class Duplicates(Protocol):
    """Knows the clicks that went on: deduplication/deduplication.py."""

    decode: Callable[[bytes], Click]  # in place of codec.decode_click

    def is_duplicate(self, click: Click, fields: Row, key: bytes, message: Message, /) -> bool:
        """Tell whether a click of the user `key` has gone on before."""

    def remember(self) -> None:
        """Remember the click that was asked about last: it goes on."""
