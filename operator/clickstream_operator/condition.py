"""One condition of a pipeline, without times."""

from dataclasses import dataclass
from enum import StrEnum

_LONGEST_MESSAGE = 2000


class Truth(StrEnum):
    """The status of a condition."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Condition:
    """What is so; the message says what to do about it."""

    type: str
    truth: Truth
    reason: str
    message: str
    is_fatal: bool = False  # no waiting fixes it: somebody must act
    is_needed: bool = True  # False: a pipeline is Ready without it


def met(kind: str, reason: str, message: str) -> Condition:
    """Return a condition that holds."""
    return Condition(kind, Truth.TRUE, reason, message)


def unmet(kind: str, reason: str, message: str, is_fatal: bool = False) -> Condition:
    """Return a condition that does not hold."""
    return Condition(kind, Truth.FALSE, reason, message[:_LONGEST_MESSAGE], is_fatal)


def unknown(kind: str, reason: str, message: str) -> Condition:
    """Return a condition that cannot be known yet."""
    return Condition(kind, Truth.UNKNOWN, reason, message)
