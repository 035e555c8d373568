"""JSON -> document: fast where the text is JSON, and patient where one of many events spoils it. Pure.

Fifty events must not be lost for half an emoji in one of them, as JavaScript's `substring` leaves it, nor for
a NaN. So a text of usual size that strict JSON refuses is read again. A lone surrogate stays where it is, and
a byte that is not UTF-8 becomes one: click.py knows what to do with them. A number that JSON has no word for
becomes an Unwritable, which refuses the one event that holds it.
"""

import json
import math
from typing import Any

import msgspec

from clickstream_collector.errors import UnreadableBody

# Patience takes half a microsecond a byte in which no other request is answered.
MAX_PATIENT_BYTES = 1 << 19
MAX_DIGITS = 400  # of a whole number; the largest double has 309

_decode = msgspec.json.decode


class Unwritable:
    """A number that JSON cannot hold; whatever holds it cannot be written and is refused by itself."""

    def __init__(self, text: str) -> None:
        self._text = text[:32]

    def __repr__(self) -> str:
        """Return the beginning of the number, for the reason of a refusal."""
        return self._text


def decoded(text: bytes) -> Any:
    """Return the document in a JSON text. Raises UnreadableBody."""
    try:
        return _decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if len(text) > MAX_PATIENT_BYTES:
            raise UnreadableBody(f"the body is not JSON: {error}") from error
        return _patiently(text)
    except RecursionError as error:
        raise UnreadableBody("the JSON is nested too deeply") from error


def lines(text: bytes) -> list[Any]:
    """Return the documents of a text with one a line (NDJSON); a line that is none is an Unwritable."""
    found: list[Any] = []
    for line in text.splitlines():
        if line.strip():
            try:
                found.append(decoded(line))
            except UnreadableBody:
                found.append(Unwritable(line[:32].decode(errors="replace")))
    return found


def _patiently(text: bytes) -> Any:
    try:
        whole = text.decode("utf-8", "surrogateescape")
        return json.loads(
            whole, parse_constant=Unwritable, parse_float=_float, parse_int=_whole, strict=False
        )
    except ValueError as error:
        raise UnreadableBody(f"the body is not JSON: {error}") from error
    except RecursionError as error:
        raise UnreadableBody("the JSON is nested too deeply") from error


def _float(text: str) -> float | Unwritable:
    number = float(text)
    return number if math.isfinite(number) else Unwritable(text)


def _whole(text: str) -> int | Unwritable:
    return int(text) if len(text) <= MAX_DIGITS else Unwritable(text)
