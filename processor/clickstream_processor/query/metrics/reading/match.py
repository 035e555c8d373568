"""Which keys a question means: for each of a metric's keys a text, or any value. Pure.

A value is named by its text form: a text by itself, an integer by its digits, a bool by `true` or `false`,
null by `null`. So `5` means the text "5" and the integer 5; both are found where both are there.
"""

from dataclasses import dataclass
from itertools import product

from clickstream_processor.aggregation.values.keys import (
    MAX_INTEGER,
    OTHER,
    OTHER_TEXT,
    KeyValue,
    decode_key,
    encode_key,
)

_WORDS: dict[str, KeyValue] = {"true": True, "false": False, "null": None}
_MAX_DIGITS = 21  # a sign, and the digits of 2^64


@dataclass(frozen=True, slots=True)
class Match:
    """What is given for each key, in the metric's order; None: any value."""

    given: tuple[str | None, ...] = ()

    @property
    def is_one_key(self) -> bool:
        """Tell whether the keys' places are known. (other) has one in every task."""
        return None not in self.given and OTHER_TEXT not in self.given

    @property
    def means_other(self) -> bool:
        """Tell whether the key (other) is meant: nothing else is asked for."""
        return all(text is None or text == OTHER_TEXT for text in self.given)

    def encoded(self) -> list[bytes]:
        """Return the keys that have these texts; only where `is_one_key`."""
        return [encode_key(values) for values in product(*(forms(text or "") for text in self.given))]

    def parts(self) -> list[tuple[bytes, ...]]:
        """Return for each text given what a key's bytes have somewhere that has it."""
        return [tuple(encode_key([form]) for form in forms(text)) for text in self.given if text is not None]

    def accepts(self, key: bytes) -> bool:
        """Tell whether a key is meant; raises MalformedPartial."""
        if key == OTHER:
            return self.means_other
        values = decode_key(key) or ()
        return all(
            text is None or text == text_of(value) for text, value in zip(self.given, values, strict=True)
        )


def forms(text: str) -> tuple[KeyValue, ...]:
    """Return the values whose text form this is."""
    if text in _WORDS:
        return text, _WORDS[text]
    if len(text) <= _MAX_DIGITS and text.isascii() and text.removeprefix("-").isdigit():
        number = int(text)
        if str(number) == text and -MAX_INTEGER < number < MAX_INTEGER:
            return text, number
    return (text,)


def text_of(value: KeyValue) -> str:
    """Return a value's text form."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else str(value)
