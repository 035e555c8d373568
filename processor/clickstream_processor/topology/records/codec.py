"""Bytes <-> records: JSON by msgspec, typed, with the reason where a record is malformed."""

import re
from typing import Any

import msgspec

from clickstream_processor.errors import MalformedRecord
from clickstream_processor.topology.records.records import Click, Profile, Reason

# The user id is part of every key of the state and of the changelog.
MAX_KEY_BYTES = 1_024

# Whatever a JSON decoder says of bytes it cannot read. TypeError: there is no value at all.
DECODE_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError)

encode_json = msgspec.json.encode
decode_click = msgspec.json.Decoder(Click).decode
_decode_profile = msgspec.json.Decoder(Profile).decode
decode_object = msgspec.json.Decoder(dict[str, Any]).decode

_NULL = msgspec.Raw(b"null")


class _AnyColumns(msgspec.Struct, gc=False):
    """A row whose columns have any type, each still as its JSON text."""

    user_id: msgspec.Raw
    name: msgspec.Raw = _NULL
    email: msgspec.Raw = _NULL
    country: msgspec.Raw = _NULL
    plan_tier: msgspec.Raw = _NULL


_decode_any = msgspec.json.Decoder(_AnyColumns).decode
_decode_text = msgspec.json.Decoder(str).decode

_PATH = re.compile(r" - at `\$\.?(.*)`$")
_FIELD = re.compile(r"missing required field `(.*?)`")


def decode_profile(value: bytes) -> Profile:
    """Return a row of the profile table; raises one of DECODE_ERRORS.

    A number, a bool, a list or an object in a column that should hold text is taken as its JSON text: a
    table's columns have the types they have. A `user_id` is a text or a number.
    """
    try:
        return _decode_profile(value)
    except msgspec.ValidationError:
        row = _decode_any(value)
    user_id = _as_text(row.user_id)
    if user_id is None or bytes(row.user_id)[:1] in b"{[tf":
        raise msgspec.ValidationError("Expected `str` or a number - at `$.user_id`")
    columns = map(_as_text, (row.name, row.email, row.country, row.plan_tier))
    return Profile(user_id, *columns)


def _as_text(raw: msgspec.Raw) -> str | None:
    """Return a column's value as text: a JSON text's own, and of other values how JSON writes them."""
    text = bytes(raw)
    if text[:1] == b'"':
        return _decode_text(text)
    return None if text == b"null" else text.decode()


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


def malformed(reason: str, detail: str) -> MalformedRecord:
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
