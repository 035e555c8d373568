"""Bytes <-> records: JSON by msgspec, typed, with the reason where a record is malformed."""

import re
from typing import Any

import msgspec

from clickstream_processor.errors import MalformedRecord
from clickstream_processor.topology.records import Click, Profile, Reason

# The user id is part of every key of the state and of the changelog.
MAX_KEY_BYTES = 1_024

# Whatever a JSON decoder says of bytes it cannot read. TypeError: there is no value at all.
DECODE_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError)

encode_json = msgspec.json.encode
decode_click = msgspec.json.Decoder(Click).decode
decode_profile = msgspec.json.Decoder(Profile).decode
decode_object = msgspec.json.Decoder(dict[str, Any]).decode

_PATH = re.compile(r" - at `\$\.?(.*)`$")
_FIELD = re.compile(r"missing required field `(.*?)`")


def quote(value: str | None) -> str:
    """Return a value as JSON text."""
    return encode_json(value).decode()


def malformation(error: Exception) -> tuple[Reason, str]:
    """Return why bytes could not be decoded: the reason and a detail for people."""
    if isinstance(error, msgspec.ValidationError):
        text = str(error)
        if missing := _FIELD.search(text):
            return Reason.MISSING_FIELD, missing[1]
        if path := _PATH.search(text):
            return Reason.MISTYPED_FIELD, f"{path[1]}: {_PATH.sub('', text)}"
        return Reason.MISTYPED_FIELD, text
    if isinstance(error, TypeError):
        return Reason.NOT_JSON, "the record has no value"
    if isinstance(error, RecursionError):
        return Reason.NOT_JSON, "nested too deeply"
    return Reason.NOT_JSON, str(error)


def malformed(reason: Reason, detail: str) -> MalformedRecord:
    """Return the error for a record; its arguments are the reason and the detail."""
    return MalformedRecord(reason, detail)


def checked_key(key: bytes | None) -> tuple[bytes, str]:
    """Return a record's key and the user id it stands for; raises MalformedRecord."""
    if key is None:
        raise malformed(Reason.NULL_KEY, "the record has no key")
    if len(key) > MAX_KEY_BYTES:
        raise malformed(Reason.OVERSIZED, f"a key of {len(key)} bytes, allowed {MAX_KEY_BYTES}")
    try:
        return key, key.decode()
    except UnicodeDecodeError as error:
        raise malformed(Reason.KEY_MISMATCH, "the key is not UTF-8") from error
