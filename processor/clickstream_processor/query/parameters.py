"""What a user query's URL may say; shared by the public route and the route between pods."""

from collections.abc import Mapping

from clickstream_processor.query.answer import MAX_USER_BYTES
from clickstream_processor.query.problems import malformed

_MAX_MS = 9_007_199_254_740_991  # 2^53 - 1: the greatest integer every JSON reader keeps


def user_id(text: str) -> str:
    """Return a user id; raises Problem 400 when it is empty or longer than 256 bytes."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise malformed("The user id is not valid UTF-8.", "id") from error
    if not 0 < size <= MAX_USER_BYTES:
        raise malformed(f"The user id must have 1 to {MAX_USER_BYTES} bytes; it has {size}.", "id")
    return text


def event_time(parameters: Mapping[str, str]) -> int | None:
    """Return ``at`` in milliseconds since the epoch, None when it is not given; raises Problem 400."""
    text = parameters.get("at")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 16 and int(text) <= _MAX_MS):
        raise malformed(f"at must be a whole number of milliseconds since the epoch, 0 to {_MAX_MS}.", "at")
    return int(text)


def flag(parameters: Mapping[str, str], name: str) -> bool:
    """Return whether a flag is set: 1 or 0, absent is 0; raises Problem 400 for anything else."""
    text = parameters.get(name, "0")
    if text not in ("0", "1"):
        raise malformed(f"{name} must be 0 or 1.", name)
    return text == "1"
