"""How many different values: exact up to EXACT of them, an estimate beyond.

Values of different types are different: the text "1", the integer 1, the double 1.0 and true are four. An
element is what is kept of a value: its type and its bytes, or their digest where they are longer. So an exact
aggregate has at most EXACT x 17 bytes, and an exact answer errs where two of 200 values have one digest of
120 bits.
"""

import hashlib
import math
import struct
from collections.abc import Iterable

from clickstream_expressions.errors import EvaluationFailed

from clickstream_processor.aggregation.values.bytecode import Reader
from clickstream_processor.aggregation.values.sketch import Sketch
from clickstream_processor.errors import MalformedPartial

EXACT = 200
ELEMENT_BYTES = 16

_TEXT, _INTEGER, _DOUBLE, _TRUE, _FALSE, _NULL, _DIGEST = "sidtfnh"
_SKETCH = EXACT + 1  # in place of the number of elements
_MAX_INTEGER = 2**64
_HEADS = tuple(f"{chr(length + 1)}{_TEXT}" for length in range(ELEMENT_BYTES))  # by the length of a text


def element(value: object) -> str:
    """Return what is kept of a value, a character a byte; raises EvaluationFailed for what is no scalar."""
    if isinstance(value, str):
        if len(value) < ELEMENT_BYTES and value.isascii():
            return _TEXT + value
        whole = _TEXT.encode() + value.encode(errors="replace")
    elif isinstance(value, bool):
        return _TRUE if value else _FALSE
    elif value is None:
        return _NULL
    elif isinstance(value, int) and -_MAX_INTEGER < value < _MAX_INTEGER:
        whole = f"{_INTEGER}{value}".encode()
    elif isinstance(value, float) and math.isfinite(value):
        whole = _DOUBLE.encode() + struct.pack(">d", value + 0.0)  # 0.0 and -0.0 are one
    else:
        raise EvaluationFailed(f"a value must be a text, a number, a bool or null; it is {value!r:.80}")
    if len(whole) > ELEMENT_BYTES:
        whole = _DIGEST.encode() + hashlib.blake2b(whole, digest_size=ELEMENT_BYTES - 1).digest()
    return whole.decode("latin-1")


def fresh(value: object) -> str | bytes:
    """Return a value as `Distinct.fresh` has it; raises EvaluationFailed for what is no scalar."""
    return value if isinstance(value, str) else element(value).encode("latin-1")


def _kept(values: Iterable[str | bytes]) -> list[str]:
    """Return what is kept of fresh values. A call for each short text would cost as much as all the rest."""
    return [
        _TEXT + value
        if value.__class__ is str and len(value) < ELEMENT_BYTES and value.isascii()
        else element(value)
        if isinstance(value, str)
        else value.decode("latin-1")
        for value in values
    ]


def _plain(values: set[str | bytes]) -> bytes | None:
    """Return the stored form of a few short ASCII texts, as most partials are; None: there are others."""
    if len(values) > EXACT:
        return None
    try:
        parts = [_HEADS[len(value)] + value for value in sorted(values)]  # type: ignore[operator]
    except (IndexError, TypeError):  # a longer text; what is kept of another value, in bytes
        return None
    text = "".join(parts)
    return f"{chr(len(parts))}{text}".encode("latin-1") if text.isascii() else None


class Distinct:
    """The different values of a pane and key."""

    __slots__ = ("_elements", "_sketch", "fresh")

    def __init__(self, elements: Iterable[str] = (), sketch: Sketch | None = None) -> None:
        self._elements = set(elements)  # empty where there is a sketch
        self._sketch = sketch
        self.fresh: set[str | bytes] = set()  # not looked at yet: texts, and in bytes what is kept of others

    def add(self, value: object) -> None:
        """Add a value; raises EvaluationFailed. The gathering loop has the same in place."""
        self.fresh.add(fresh(value))

    def merge(self, other: "Distinct") -> None:
        """Add the values that another one has."""
        other.settle()
        if other._sketch is None:
            self._add(other._elements)
        elif self._sketch is None:
            self.settle()
            elements, self._elements = self._elements, set()
            self._sketch = Sketch.decode(other._sketch.encode())  # its own: `other` may change
            self._add(elements)
        else:
            self._sketch.merge(other._sketch)

    def settle(self) -> None:
        """Bound the memory: take in what is fresh."""
        if self.fresh:
            taken, self.fresh = self.fresh, set()
            kept = _kept(taken)
            if self._sketch is None and len(kept) > EXACT:  # a set of them would be made for nothing
                kept += self._elements
                self._elements = set()
                self._sketch = Sketch.of(kept)
            else:
                self._add(kept)

    def encode(self) -> bytes:
        """Return the stored form: the number of elements, each with its length, in order; or the sketch."""
        if not self._elements and self._sketch is None and (plain := _plain(self.fresh)) is not None:
            return plain
        self.settle()
        if self._sketch is not None:
            return bytes((_SKETCH,)) + self._sketch.encode()
        parts = [f"{chr(len(part))}{part}" for part in sorted(self._elements)]
        return f"{chr(len(parts))}{''.join(parts)}".encode("latin-1")

    @classmethod
    def decode(cls, reader: Reader) -> "Distinct":
        """Read a stored form, the last thing in its record; raises MalformedPartial."""
        number = reader.byte()
        if number == _SKETCH:
            return cls(sketch=Sketch.decode(reader.rest()))
        if number > EXACT:
            raise MalformedPartial(f"{number} different values, exact up to {EXACT}")
        data = reader.rest()
        text, size, at, parts = data.decode("latin-1"), len(data), 0, list[str]()
        while at < size:
            start = at + 1
            at = start + data[at]
            parts.append(text[start:at])
        elements = set(parts)
        if at != size or len(parts) != number or len(elements) != number:
            raise MalformedPartial(f"{len(elements)} different values in {size} bytes, not {number}")
        if number and not 0 < min(map(len, parts)) <= max(map(len, parts)) <= ELEMENT_BYTES:
            raise MalformedPartial("a value is of a wrong length")
        return cls(elements)

    def value(self) -> int:
        """Return how many different values there are, or the estimate."""
        self.settle()
        return len(self._elements) if self._sketch is None else self._sketch.estimate()[0]

    def bounds(self) -> tuple[int, int] | None:
        """Return two standard deviations below and above the estimate; None: the value is exact."""
        self.settle()
        return None if self._sketch is None else self._sketch.estimate()[1:]

    def _add(self, elements: Iterable[str]) -> None:
        if self._sketch is not None:
            self._sketch.update(elements)
            return
        self._elements.update(elements)
        if len(self._elements) > EXACT:
            self._sketch = Sketch.of(self._elements)
            self._elements = set()
