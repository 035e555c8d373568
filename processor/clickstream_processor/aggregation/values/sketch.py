"""An estimate of how many different texts there were: Apache DataSketches' HLL, 4096 registers of 8 bits.

The stored form has always the same size, SIZE, and follows from the registers alone: the library's estimator
that depends on the order of updates is not used. The standard error is 1.6 %.

The library trusts what it reads: bytes that it did not write can end the process. So each byte is checked
here before the library sees it.
"""

import math
import struct
from collections.abc import Iterable
from typing import TYPE_CHECKING

from clickstream_processor.errors import MalformedPartial

if TYPE_CHECKING:
    from datasketches import hll_sketch, hll_union

LG_K = 12
SIZE = 4136  # bytes: 40 of preamble, then the registers
MOST = 2.0**63  # an estimate is at most this
DEVIATIONS = 2  # standard deviations between the estimate and its bounds: about 95 %

_PREAMBLE = 40
_FLAGS = 5  # the byte's place
_OUT_OF_ORDER = 16  # estimate from the registers alone
_HEAD = bytes((10, 1, 7, LG_K, 0))  # ints of preamble, version, family HLL, lg_k, nothing
_MODE = 10  # registers, of 8 bits each
_FIELDS = struct.Struct("<BBdddII")  # least register, mode, three sums for the estimate, two counts
_NO_HIP = bytes(8)  # the sum that depends on the order
_HIP = slice(8, 16)
_HIGH = 32  # registers from here on are summed apart
_REGISTERS = bytes(range(64 - LG_K + 2))  # every value that a register can have


def load_library() -> None:
    """Load the library, and NumPy with it: a second and 25 MiB. The first sketch does so, if nobody has."""
    import datasketches  # noqa: F401


class Sketch:
    """One estimate. Not thread-safe."""

    __slots__ = ("_sketch", "_union")

    def __init__(self, sketch: "hll_sketch") -> None:
        self._sketch = sketch
        self._union: hll_union | None = None  # made at the first merge: from then on it has everything

    @classmethod
    def of(cls, texts: Iterable[str]) -> "Sketch":
        """Return the sketch of texts."""
        from datasketches import HLL_8, hll_sketch

        sketch = hll_sketch(LG_K, HLL_8, True)  # registers from the start
        for text in texts:
            sketch.update(text)
        return cls(hll_sketch.deserialize(_canonical(sketch)))

    @classmethod
    def decode(cls, data: bytes) -> "Sketch":
        """Return the sketch of a stored form; raises MalformedPartial."""
        from datasketches import hll_sketch

        _check(data)
        try:
            return cls(hll_sketch.deserialize(data))
        except (RuntimeError, ValueError, TypeError) as error:
            raise MalformedPartial(f"a sketch: {error}") from error

    def encode(self) -> bytes:
        """Return the stored form."""
        return _canonical(self._merged())

    def update(self, texts: Iterable[str]) -> None:
        """Add texts."""
        union = self._as_union()
        for text in texts:
            union.update(text)

    def merge(self, other: "Sketch") -> None:
        """Add all that another one has seen."""
        self._as_union().update(other._merged())

    def estimate(self) -> tuple[int, int, int]:
        """Return how many different texts there were, and two bounds around it."""
        sketch = self._union or self._sketch
        low, high = sketch.get_lower_bound(DEVIATIONS), sketch.get_upper_bound(DEVIATIONS)
        return round(_bounded(sketch.get_estimate())), math.floor(_bounded(low)), math.ceil(_bounded(high))

    def _as_union(self) -> "hll_union":
        if self._union is None:
            from datasketches import hll_union

            self._union = hll_union(LG_K)
            self._union.update(self._sketch)
        return self._union

    def _merged(self) -> "hll_sketch":
        if self._union is None:
            return self._sketch
        from datasketches import HLL_8

        return self._union.get_result(HLL_8)


def _bounded(estimate: float) -> float:
    """Return an estimate as it is; of a forged sketch, it may be no number of anything."""
    return min(max(estimate, 0.0), MOST) if estimate == estimate else MOST


def _canonical(sketch: "hll_sketch") -> bytes:
    """Return the stored form of a library's sketch."""
    data = bytearray(sketch.serialize_compact())
    data[_FLAGS] |= _OUT_OF_ORDER
    data[_HIP] = _NO_HIP
    return bytes(data)


def _check(data: bytes) -> None:
    """Raise MalformedPartial unless the library wrote these bytes, or could have."""
    if len(data) != SIZE or data[: len(_HEAD)] != _HEAD:
        raise MalformedPartial(f"a sketch of {len(data)} bytes that begins with {data[:8].hex()}")
    registers = data[_PREAMBLE:]
    if registers.translate(None, _REGISTERS):
        raise MalformedPartial("a register of a sketch is out of bounds")
    least, mode, hip, low, high, at_least, exceptions = _FIELDS.unpack_from(data, _FLAGS + 1)
    if mode != _MODE or hip != 0 or exceptions or (low, high) != _sums(registers):
        raise MalformedPartial("a sketch's preamble is damaged")
    below = bytes(range(least))
    if registers.count(least) != at_least or registers.translate(None, below) != registers:
        raise MalformedPartial("a sketch's least register is not what its registers say")


def _sums(registers: bytes) -> tuple[float, float]:
    """Return the sums of 2^-register over registers below 32, and over the others. Both are exact."""
    sums = [0.0, 0.0]
    left = len(registers)
    for value in _REGISTERS:
        found = registers.count(value)
        sums[value >= _HIGH] += found * 2.0**-value
        left -= found
        if not left:
            break
    return sums[0], sums[1]
