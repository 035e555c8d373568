"""The aggregates by name, and their bytes: one byte for the kind, then the stored form."""

from typing import Any, Literal, Protocol

from clickstream_processor.aggregation.values.bytecode import Reader
from clickstream_processor.aggregation.values.distinct import Distinct
from clickstream_processor.aggregation.values.extreme import Greatest, Least
from clickstream_processor.aggregation.values.numeric import Average, Count, Number, Sum
from clickstream_processor.errors import MalformedPartial

Kind = Literal["count", "sum", "min", "max", "avg", "distinct"]


class Aggregate(Protocol):
    """What the clicks of one pane and key come to. All of one kind can be merged with each other."""

    def add(self, value: object, /) -> None:
        """Add the value of one click; raises EvaluationFailed, and then nothing has changed."""

    def merge(self, other: Any, /) -> None:
        """Take in what another one of the same kind has; the other one stays usable."""

    def settle(self) -> None:
        """Bound the memory."""

    def encode(self) -> bytes:
        """Return the stored form, without its kind."""

    def value(self) -> Number | None:
        """Return the result, None where there is none."""


_TYPES: dict[Kind, type[Any]] = {
    "count": Count,
    "sum": Sum,
    "min": Least,
    "max": Greatest,
    "avg": Average,
    "distinct": Distinct,
}
KINDS: tuple[Kind, ...] = tuple(_TYPES)
_BYTES = {kind: bytes((number,)) for number, kind in enumerate(_TYPES, 1)}
_BY_BYTE = dict(enumerate(_TYPES.values(), 1))
_BY_TYPE = {of: _BYTES[kind] for kind, of in _TYPES.items()}
_COUNTS = tuple(_BYTES["count"] + Count(number).encode() for number in range(256))


def aggregate_type(kind: Kind) -> type[Any]:
    """Return the class of a kind; called without arguments it makes an empty one."""
    return _TYPES[kind]


def encode_aggregate(aggregate: Aggregate) -> bytes:
    """Return the bytes of an aggregate."""
    if type(aggregate) is Count and aggregate.count < len(_COUNTS):
        return _COUNTS[aggregate.count]  # most aggregates are small counts
    return _BY_TYPE[type(aggregate)] + aggregate.encode()


def small_count(data: bytes) -> int:
    """Return the count that the bytes of an aggregate are, if it is one of 1 to 127; else 0."""
    return data[1] if len(data) == 2 and data[0] == 1 and data[1] < 128 else 0


def decode_aggregate(data: bytes) -> Aggregate:
    """Return the aggregate of its bytes; raises MalformedPartial."""
    if number := small_count(data):
        return Count(number)  # most partials are small counts
    reader = Reader(data)
    kind = _BY_BYTE.get(reader.byte())
    if kind is None:
        raise MalformedPartial(f"an aggregate of kind {data[0]}")
    aggregate: Aggregate = kind.decode(reader)
    reader.end()
    return aggregate


def merged(aggregates: "list[Aggregate]", kind: Kind) -> Aggregate:
    """Return a new aggregate with all of these in it."""
    total: Aggregate = aggregate_type(kind)()
    for aggregate in aggregates:
        total.merge(aggregate)
    return total
