"""Waiting for what must come, without a word about how fast."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
PATIENCE_S = (
    180.0  # a machine that runs other things too is slow; a test that passes waits no longer than it must
)


class NotYet(Exception):
    """A look failed in a way that another look may not fail."""


def eventually(
    condition: Callable[[], T | None], what: str = "", *, timeout_s: float = PATIENCE_S, every_s: float = 0.05
) -> T:
    """Return the condition's first true value. Raises AssertionError with its last one when the time is over.

    A look that raises NotYet, AssertionError, LookupError or OSError is not true yet.
    """
    deadline_s = time.monotonic() + timeout_s
    last: object = None
    while time.monotonic() < deadline_s:
        try:
            last = value = condition()
        except (NotYet, AssertionError, LookupError, OSError) as error:
            last = error
        else:
            if value:
                return value
        time.sleep(every_s)
    raise AssertionError(f"not within {timeout_s:.0f} s: {what or condition}; last: {str(last)[:3000]}")
