"""What is wrong with a click that was not decoded: all of it, by field, in words for people.

Only the hot loop's exceptions come here. A field is looked at by itself, so a flaw in one that nobody reads
(half of an emoji, as JavaScript's `substring` leaves it) need not cost the click.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from clickstream_processor.topology.interfaces import Evaluable
from clickstream_processor.topology.records.records import LATEST_MS, Reason

SURROGATE = r"holds a lone surrogate (\ud800 to \udfff without its other half): cut text between characters"
NOT_UTF8 = "holds bytes that are not UTF-8"
MAX_DETAIL = 1_000  # characters; a dead letter's header

_KINDS: dict[str, type] = {"user_id": str, "page_url": str, "action": str, "timestamp": int}
_WANTED = {str: "text", int: "int (ms since the epoch)"}
_decode_raw = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

# Escapes one by one, so that `\\ud800` is a backslash and letters; a whole pair is none of group 1.
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[dD][89a-fA-F][0-9a-fA-F]{2}|.)",
    re.DOTALL,
)
_LONE = 6  # characters of an escape alone; a pair has 12
_STRAY = re.compile("[\udc80-\udcff]")  # a byte that is not UTF-8, as `surrogateescape` has it
_ISO = re.compile(r"\d{4}-\d\d-\d\d")
_NUMBER = re.compile(r"-?\d+(\.\d*)?")
_BEGINNINGS = {
    b"\x00": "begins with a schema-registry frame (magic byte 0)",
    b"\xef\xbb\xbf": "begins with a byte order mark",
    b"\xff\xfe": "is UTF-16",
    b"\xfe\xff": "is UTF-16",
    b"\x1f\x8b": "is compressed with gzip",
}


@dataclass(frozen=True, slots=True)
class Inspection:
    """A click's fields one by one: those that can be read, and why the others cannot."""

    fields: dict[str, Any]
    flaws: dict[str, str]

    def complaint(self, read: frozenset[str] | None) -> tuple[Reason, str] | None:
        """Return what is wrong with the declared fields and those in `read` (None: all), or None."""
        found = [(name, *problem) for name in _KINDS if (problem := self._problem(name))]
        found += [
            (name, _reason(flaw), flaw)
            for name, flaw in self.flaws.items()
            if name not in _KINDS and (read is None or name in read)
        ]
        if not found:
            return None
        ranked = min((reason for _, reason, _ in found), key=_RANKS.index)
        return ranked, "; ".join(f"{name[:64]}: {text}" for name, _, text in found)[:MAX_DETAIL]

    def _problem(self, name: str) -> tuple[Reason, str] | None:
        if name in self.flaws:
            return _reason(self.flaws[name]), self.flaws[name]
        if name not in self.fields:
            return Reason.MISSING_FIELD, "missing"
        value: Any = self.fields[name]
        kind = _KINDS[name]
        if not isinstance(value, kind) or isinstance(value, bool):
            return Reason.MISTYPED_FIELD, f"expected {_WANTED[kind]}, got {_described(value)}"
        if isinstance(value, int) and not 0 <= value <= LATEST_MS:
            return Reason.IMPLAUSIBLE_TIME, implausible(value)
        return None


# Of several the first: what is missing tells more of a foreign payload than what is mistyped.
_RANKS = [Reason.NOT_JSON, Reason.MISSING_FIELD, Reason.MISTYPED_FIELD, Reason.IMPLAUSIBLE_TIME]


def fields_read(expressions: Iterable[Evaluable]) -> frozenset[str] | None:
    """Return which of a click's fields expressions read; None: they may read any."""
    read = [expression.click_fields for expression in expressions]
    return None if None in read else frozenset().union(*filter(None, read))


def inspect(value: bytes) -> Inspection:
    """Look at each field of a JSON object; raises what the decoder raises where it is none."""
    text = value.decode("utf-8", "surrogateescape")
    # The same text with other characters in place of what is wrong: the fields that differ hold it. As long
    # as the original, so that the positions in an error's text are right.
    rows = [_decode_raw(_replaced(text, *marks)) for marks in (("d", "?"), ("e", "?"), ("d", "!"))]
    fields: dict[str, Any] = {}
    flaws: dict[str, str] = {}
    for name, raw in rows[0].items():
        if rows[1].get(name) != raw:
            flaws[name] = SURROGATE
        elif rows[2].get(name) != raw:
            flaws[name] = NOT_UTF8
        else:
            try:
                fields[name] = msgspec.json.decode(raw)
            except (msgspec.DecodeError, RecursionError) as error:
                flaws[name] = f"cannot be read: {error}"
    return Inspection(fields, flaws)


def raw_fields(value: bytes) -> dict[str, msgspec.Raw]:
    """Return the fields of a JSON object, each as its JSON text; raises what the decoder raises.

    Half of a character becomes U+FFFD, as no decoder takes it. All else stays byte for byte.
    """
    try:
        return _decode_raw(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        text = _ESCAPE.sub(lambda found: _well(found[0], "d"), value.decode("utf-8", "surrogateescape"))
        return _decode_raw(text.encode("utf-8", "surrogateescape"))


def beginning(value: bytes) -> str | None:
    """Return what bytes are that are no JSON, where their beginning tells."""
    if not value:
        return "the value is empty"
    for bytes_, text in _BEGINNINGS.items():
        if value.startswith(bytes_):
            return f"{text}; plain JSON in UTF-8 is expected"
    return None


def unit(number: float) -> str | None:
    """Return in which other unit a number would be a time of this century; None: it may be ms."""
    for name, low, high in (
        ("seconds", 5e8, 1e11),
        ("microseconds", 1e14, 1e17),
        ("nanoseconds", 1e17, 1e20),
    ):
        if low <= number < high:
            return name
    return None


def implausible(number: int) -> str:
    """Return why a number cannot be a click's event time."""
    if name := unit(number):
        return f"looks like {name} ({number}); milliseconds are expected"
    return f"{number} ms since the epoch is no time of a click; is the sender's clock set?"


def _reason(flaw: str) -> Reason:
    return Reason.NOT_JSON if flaw == NOT_UTF8 else Reason.MISTYPED_FIELD


def _replaced(text: str, escape: str, byte: str) -> bytes:
    """Return the text with U+FFFD or the like for lone surrogates, and another byte for each stray one."""
    text = _ESCAPE.sub(lambda found: _well(found[0], escape), text)
    return _STRAY.sub(byte, text).encode()


def _well(escape: str, mark: str) -> str:
    return f"\\ufff{mark}" if len(escape) == _LONE else escape


def _described(value: Any) -> str:
    """Return what a value is, for people."""
    match value:
        case None:
            return "null"
        case bool():
            return "a truth value"
        case str() if _ISO.match(value):
            return "an ISO string"
        case str() if _NUMBER.fullmatch(value):
            return "a number in quotes"
        case str():
            return "text"
        case float() if value < 1e11:
            return "a fraction (of seconds?)"
        case float():
            return "a fraction"
        case int():
            return "a number"
        case list():
            return "a list"
        case _:
            return "an object"
