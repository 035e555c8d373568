"""Notices of the source: records of the profiles topic that say what could not become a row there.

connect/'s ProfileRows writes them under a key that is no user's, with `refused` in place of a `user_id`, so
that a reader that does not know them refuses them as well.
"""

import msgspec

# What the source refuses; anything else in `refused` is no notice.
REASONS = frozenset(
    {
        "key-not-text",
        "key-too-long",
        "row-too-large",
        "row-without-key",
        "table-truncated",
        "value-unavailable",
    }
)


class _Notice(msgspec.Struct, gc=False):
    refused: str
    detail: str = ""
    table: str = ""


_decode = msgspec.json.Decoder(_Notice).decode


def notice_in(value: bytes) -> tuple[str, str] | None:
    """Return what a notice says was refused, and why; None for a record that is none."""
    if b'"refused"' not in value:
        return None
    try:
        notice = _decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if notice.refused not in REASONS:
        return None
    return notice.refused, f"{notice.table or 'the table'}: {notice.detail or 'no detail'}"
