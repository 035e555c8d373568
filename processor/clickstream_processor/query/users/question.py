"""A question about a user, and what a URL may say of it, on the public route and on the one between pods."""

from collections.abc import Mapping
from dataclasses import dataclass

from clickstream_processor.query.http.parameters import flag, milliseconds, whole_number
from clickstream_processor.query.http.problems import malformed
from clickstream_processor.state.reads import Span
from clickstream_processor.task_id import TaskId
from clickstream_processor.topology.records.codec import MAX_KEY_BYTES

MAX_USER_BYTES = MAX_KEY_BYTES
DEFAULT_WINDOWS = 100  # a page of windows
MAX_WINDOWS = 1_000


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: one user, at one event time (None: now), and which windows (None: none)."""

    user: str
    task: TaskId  # that holds the user's state
    at_ms: int | None = None
    windows: Span | None = None


def user_id(text: str) -> str:
    """Return a user id; raises Problem 400 when it is empty or longer than MAX_USER_BYTES."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise malformed("The user id is not valid UTF-8.", "id") from error
    if not 0 < size <= MAX_USER_BYTES:
        raise malformed(f"The user id must have 1 to {MAX_USER_BYTES} bytes; it has {size}.", "id")
    return text


def event_time(parameters: Mapping[str, str]) -> int | None:
    """Return ``at`` in milliseconds since the epoch, None when it is not given; raises Problem 400."""
    return milliseconds(parameters, "at")


def windows(parameters: Mapping[str, str]) -> Span | None:
    """Return which windows are asked for, None without ``detail=1``; raises Problem 400."""
    if not flag(parameters, "detail"):
        for name in ("from", "to", "limit"):
            if name in parameters:
                raise malformed(f"{name} says which windows to list: it needs detail=1.", name)
        return None
    span = Span(
        milliseconds(parameters, "from"),
        milliseconds(parameters, "to"),
        whole_number(parameters, "limit", DEFAULT_WINDOWS, (1, MAX_WINDOWS), "windows"),
    )
    if span.from_ms is not None and span.to_ms is not None and span.from_ms >= span.to_ms:
        raise malformed(f"from must be before to, which is {span.to_ms}; it is {span.from_ms}.", "from")
    return span
