"""Aggregates of numbers: count, sum, avg. Merging is exact, so no order or grouping changes a result.

A number is an integer of a magnitude below 2^64 or a double below 2^960. All else fails the evaluation: NaN,
infinity, a bool, a text. Integers add up as integers, up to 2^127. Doubles add up exactly, too: their sum is
kept as an expansion (Shewchuk 1997), the few doubles whose exact sum it is, each the rest of those before it
correctly rounded (`math.fsum`). So an expansion follows from the sum alone. A result is rounded once, when it
is read; an average twice: the sum, and the sum divided by the count.
"""

import math
import struct

from clickstream_expressions.errors import EvaluationFailed

from clickstream_processor.aggregation.values.bytecode import Reader, signed, varint
from clickstream_processor.errors import MalformedPartial

MAX_INTEGER = 2**64
MAX_DOUBLE = 2.0**960  # so that 2^60 of them add up without overflow
MAX_TOTAL = 2**127  # of integers
_MAX_SUM = 2.0**1000  # of doubles: 2^40 of the largest
_MAX_PARTS = 45  # doubles span 2,098 bits; an expansion's parts are 53 bits apart
DOUBLE = struct.Struct(">d")
_SMALL = tuple(varint(number) for number in range(1024))

Number = int | float


def refuse(value: object) -> EvaluationFailed:
    """Return the error for a value that is not a number."""
    return EvaluationFailed(f"a value must be a finite number; it is {value!r:.80}")


def checked(value: object) -> Number:
    """Return a value that is a number within bounds; raises EvaluationFailed."""
    if isinstance(value, int) and not isinstance(value, bool) and -MAX_INTEGER < value < MAX_INTEGER:
        return value
    if isinstance(value, float) and -MAX_DOUBLE < value < MAX_DOUBLE:
        return value
    raise refuse(value)


def expansion(doubles: list[float]) -> list[float]:
    """Return the few doubles whose exact sum is that of `doubles`, the largest first; empty if it is 0."""
    rest, parts = list(doubles), []
    while head := math.fsum(rest):
        parts.append(head)
        rest.append(-head)
    return parts


class Count:
    """How many clicks."""

    __slots__ = ("count",)

    def __init__(self, count: int = 0) -> None:
        self.count = count

    def add(self, _value: object = None) -> None:
        """Add a click."""
        self.count += 1

    def merge(self, other: "Count") -> None:
        """Add what another one has."""
        self.count += other.count

    def settle(self) -> None:
        """Bound the memory: there is nothing to do."""

    def encode(self) -> bytes:
        """Return the stored form."""
        return _SMALL[self.count] if self.count < 1024 else varint(self.count)

    @classmethod
    def decode(cls, reader: Reader) -> "Count":
        """Read a stored form; raises MalformedPartial."""
        return cls(reader.varint())

    def value(self) -> Number | None:
        """Return the result."""
        return self.count


class Sum:
    """The sum of numbers."""

    __slots__ = ("doubles", "whole")

    def __init__(self, whole: int = 0, doubles: list[float] | None = None) -> None:
        self.whole = whole  # of the integers
        self.doubles = doubles or []  # whatever has the sum of the doubles; at rest its expansion

    def add(self, value: object) -> None:
        """Add a number; raises EvaluationFailed. The gathering loop has the same in place."""
        number = checked(value)
        if isinstance(number, int):
            self.whole += number
        else:
            self.doubles.append(number)

    def merge(self, other: "Sum") -> None:
        """Add what another one has; raises MalformedPartial where forged ones cannot be added up."""
        self.whole += other.whole
        if other.doubles:
            self.doubles += other.doubles
            if len(self.doubles) > _MAX_PARTS:
                self.settle()

    def settle(self) -> None:
        """Bound the memory; raises MalformedPartial where forged ones cannot be added up."""
        if self.doubles:
            try:
                self.doubles = expansion(self.doubles)
            except OverflowError as error:
                raise MalformedPartial("a sum beyond all doubles") from error

    def encode(self) -> bytes:
        """Return the stored form: number of doubles, the doubles, the integer."""
        self.settle()
        doubles = b"".join([DOUBLE.pack(part) for part in self.doubles])
        return bytes((len(self.doubles),)) + doubles + signed(self.whole)

    @classmethod
    def decode(cls, reader: Reader) -> "Sum":
        """Read a stored form, the last thing in its record; raises MalformedPartial."""
        number = reader.byte()
        if number > _MAX_PARTS:
            raise MalformedPartial(f"a sum of {number} parts")
        doubles = [DOUBLE.unpack(reader.take(8))[0] for _ in range(number)]
        if not all(0 < abs(part) < _MAX_SUM for part in doubles):
            raise MalformedPartial("a part of a sum is zero or not finite")
        whole = int.from_bytes(reader.take(max(1, reader.left)), "big", signed=True)
        if not -MAX_TOTAL < whole < MAX_TOTAL:
            raise MalformedPartial("a sum of integers beyond 2^127")
        return cls(whole, doubles)

    def value(self) -> Number | None:
        """Return the sum: an integer unless doubles have a part in it, else the nearest double."""
        self.settle()
        if not self.doubles:
            return self.whole
        return math.fsum([*self.doubles, *_exact_doubles(self.whole)])


def _exact_doubles(whole: int) -> list[float]:
    """Return doubles that add up to an integer."""
    parts = []
    while whole:
        part = float(whole)
        parts.append(part)
        whole -= int(part)
    return parts


class Average(Sum):
    """The mean of numbers: their sum and how many they are."""

    __slots__ = ("count",)

    def __init__(self, whole: int = 0, doubles: list[float] | None = None, count: int = 0) -> None:
        super().__init__(whole, doubles)
        self.count = count

    def add(self, value: object) -> None:
        """Add a number; raises EvaluationFailed."""
        super().add(value)
        self.count += 1

    def merge(self, other: Sum) -> None:
        """Add what another one has."""
        super().merge(other)
        self.count += other.count if isinstance(other, Average) else 0

    def encode(self) -> bytes:
        """Return the stored form: the count, then the sum's."""
        return varint(self.count) + super().encode()

    @classmethod
    def decode(cls, reader: Reader) -> "Average":
        """Read a stored form, the last thing in its record; raises MalformedPartial."""
        count = reader.varint()
        total = Sum.decode(reader)
        return cls(total.whole, total.doubles, count)

    def value(self) -> Number | None:
        """Return the mean, None of no numbers."""
        total = super().value()
        return total / self.count if self.count and total is not None else None
