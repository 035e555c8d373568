"""Where a page of letters ended, as text for a URL: by partition, the offset below which it goes on. Pure.

Numbers have seven bits a byte: a thousand partitions fit into a URL. The text is no secret and grants
nothing: who makes one up reads other letters of the same topic.
"""

import base64
import binascii
from collections.abc import Iterator, Mapping

MAX_CHARS = 8_000
_MAX_OFFSET = 2**63 - 1


def encode(before: Mapping[int, int]) -> str:
    """Return the text."""
    data = bytearray()
    last = -1
    for partition in sorted(before):
        data += _number(partition - last - 1) + _number(before[partition])
        last = partition
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> dict[int, int]:
    """Return what `encode` was given. Raises ValueError."""
    if len(text) > MAX_CHARS:
        raise ValueError("too long")
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("not of base64url") from error
    numbers = list(_numbers(data))
    if len(numbers) % 2:
        raise ValueError("a partition without an offset")
    before: dict[int, int] = {}
    partition = -1
    for gap, offset in zip(numbers[::2], numbers[1::2], strict=True):
        partition += gap + 1
        before[partition] = offset
    return before


def _number(value: int) -> bytes:
    """Return a number, its lowest seven bits first; all bytes but the last have the high bit."""
    data = bytearray()
    while value > 0x7F:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    data.append(value)
    return bytes(data)


def _numbers(data: bytes) -> Iterator[int]:
    value = shift = 0
    for byte in data:
        value |= (byte & 0x7F) << shift
        shift += 7
        if value > _MAX_OFFSET:
            raise ValueError("too large")
        if byte < 0x80:
            yield value
            value = shift = 0
    if shift:
        raise ValueError("cut off")
