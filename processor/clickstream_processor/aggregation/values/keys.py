"""Keys of a metric: the values that its `by` expressions have for a click, and their bytes.

A value is a text, an integer, a bool or null (a click without a profile has no country, and still counts).
Values of different types are different keys: the text "1" is not the integer 1. A text of more than
MAX_TEXT_BYTES in UTF-8 is cut to that many, the last three of them an ellipsis: long addresses that begin
alike are one key. A key without values stands for a metric's total.

    0                        null
    1, 2                     false, true
    3  9 bytes               an integer, big-endian, two's complement
    4  varint length, UTF-8  a text
    255                      the key (other), whatever the number of values
"""

from collections.abc import Sequence

from clickstream_expressions.errors import EvaluationFailed

from clickstream_processor.aggregation.values.bytecode import Reader, varint
from clickstream_processor.errors import MalformedPartial

MAX_TEXT_BYTES = 256
MAX_KEYS = 3
MAX_INTEGER = 2**64  # CEL's int and uint, and no more: an integer's magnitude is below it
OTHER_TEXT = "(other)"  # what a reader sees; the stored key is none that a click can have
OTHER = b"\xff"

_INTEGER_BYTES = 9
_NULL, _FALSE, _TRUE, _INTEGER, _TEXT = range(5)
_ELLIPSIS = "…".encode()

KeyValue = str | int | bool | None


class Truth:
    """A bool as part of a dictionary's key, where Python's own True would be the integer 1."""

    __slots__ = ("value",)

    def __init__(self, value: bool) -> None:
        self.value = value


_TRUTHS = {True: Truth(True), False: Truth(False)}


def distinct_key(value: object) -> str | int | Truth | None:
    """Return a value that is no text as a dictionary tells it apart; raises EvaluationFailed."""
    if value is True or value is False:
        return _TRUTHS[value]
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int) and -MAX_INTEGER < value < MAX_INTEGER:
        return value
    raise EvaluationFailed(f"a key must be a text, an integer, a bool or null; it is {value!r:.80}")


def encode_key(values: Sequence[object]) -> bytes:
    """Return the bytes of a key of up to three values; raises EvaluationFailed where one cannot be a key."""
    return b"".join([_encode(value) for value in values])


def _encode(value: object) -> bytes:
    if isinstance(value, str):
        text = value.encode(errors="replace")  # no reader of JSON lets half a character through
        if len(text) > MAX_TEXT_BYTES:
            text = text[: MAX_TEXT_BYTES - len(_ELLIPSIS)].decode(errors="ignore").encode() + _ELLIPSIS
        return bytes((_TEXT,)) + varint(len(text)) + text
    if value is None:
        return bytes((_NULL,))
    if isinstance(value, Truth):
        value = value.value
    if value is True or value is False:
        return bytes((_TRUE if value else _FALSE,))
    number = distinct_key(value)
    if not isinstance(number, int):
        raise EvaluationFailed(f"a key's value of type {type(value).__name__}")
    return bytes((_INTEGER,)) + number.to_bytes(_INTEGER_BYTES, "big", signed=True)


def decode_key(key: bytes) -> tuple[KeyValue, ...] | None:
    """Return a key's values, None of the key (other); raises MalformedPartial."""
    if key == OTHER:
        return None
    reader = Reader(key)
    values = []
    while reader.left:
        values.append(_decode(reader))
    if len(values) > MAX_KEYS:
        raise MalformedPartial(f"a key of {len(values)} values")
    return tuple(values)


def _decode(reader: Reader) -> KeyValue:
    kind = reader.byte()
    if kind == _TEXT:
        size = reader.varint()
        if size > MAX_TEXT_BYTES:
            raise MalformedPartial(f"a key's text of {size} bytes")
        try:
            return reader.take(size).decode()
        except UnicodeDecodeError as error:
            raise MalformedPartial("a key's text is not UTF-8") from error
    if kind == _INTEGER:
        number = int.from_bytes(reader.take(_INTEGER_BYTES), "big", signed=True)
        if not -MAX_INTEGER < number < MAX_INTEGER:
            raise MalformedPartial(f"a key of {number}")
        return number
    if kind in (_FALSE, _TRUE):
        return kind == _TRUE
    if kind == _NULL:
        return None
    raise MalformedPartial(f"a key's value of kind {kind}")
