"""Waiting for a condition, with a deadline that is told."""

import time
from collections.abc import Callable
from typing import Any


class NotInTime(Exception):
    """A condition did not come true before its deadline."""


def eventually(what: str, condition: Callable[[], object], timeout_s: float = 180.0) -> Any:
    """Return the first true value of `condition`; raises NotInTime."""
    deadline_s = time.monotonic() + timeout_s
    while not (value := condition()):
        if time.monotonic() > deadline_s:
            raise NotInTime(f"not within {timeout_s:.0f} s: {what}")
        time.sleep(0.05)
    return value
