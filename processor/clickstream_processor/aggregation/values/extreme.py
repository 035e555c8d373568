"""The smallest and the largest number. A number is what numeric.py says."""

import math

from clickstream_processor.aggregation.values.bytecode import Reader, signed
from clickstream_processor.aggregation.values.numeric import DOUBLE, MAX_DOUBLE, MAX_INTEGER, Number, checked
from clickstream_processor.errors import MalformedPartial


class Least:
    """The smallest number."""

    __slots__ = ("extreme",)

    EMPTY = math.inf  # beyond every number that is taken

    def __init__(self, extreme: Number | None = None) -> None:
        self.extreme = self.EMPTY if extreme is None else extreme

    def add(self, value: object) -> None:
        """Add a number; raises EvaluationFailed. The gathering loop has the same in place."""
        self.merge(type(self)(checked(value)))

    def merge(self, other: "Least") -> None:
        """Take another one's number if it is smaller."""
        self.extreme = min(self.extreme, other.extreme)

    def settle(self) -> None:
        """Bound the memory: there is nothing to do."""

    def encode(self) -> bytes:
        """Return the stored form: 0 and an integer, 1 and a double, or nothing."""
        value = self.value()
        if value is None:
            return b""
        return b"\0" + signed(value) if isinstance(value, int) else b"\1" + DOUBLE.pack(value)

    @classmethod
    def decode(cls, reader: Reader) -> "Least":
        """Read a stored form, the last thing in its record; raises MalformedPartial."""
        if not reader.left:
            return cls()
        kind = reader.byte()
        value: Number = math.nan
        if kind == 0:
            value = int.from_bytes(reader.take(max(1, reader.left)), "big", signed=True)
        elif kind == 1:
            (value,) = DOUBLE.unpack(reader.take(8))
        if not -MAX_DOUBLE < value < MAX_DOUBLE or (kind == 0 and abs(value) >= MAX_INTEGER):
            raise MalformedPartial(f"the extreme {value!r:.80} of kind {kind}")
        return cls(value)

    def value(self) -> Number | None:
        """Return the number, None of no numbers; a whole one as an integer, whichever way clicks wrote it."""
        value = self.extreme
        if isinstance(value, float) and abs(value) < MAX_INTEGER and value.is_integer():
            return int(value)
        return None if value == self.EMPTY else value


class Greatest(Least):
    """The largest number."""

    __slots__ = ()

    EMPTY = -math.inf

    def merge(self, other: Least) -> None:
        """Take another one's number if it is larger."""
        self.extreme = max(self.extreme, other.extreme)
