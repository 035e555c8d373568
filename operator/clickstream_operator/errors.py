"""What can go wrong, one class per recovery.

An error is either the user's (`InvalidSpec`: said in a condition, no retry until the spec
changes) or the world's (`TemporaryFailure`: back-off in the work queue). Nothing else exists,
and only `reconcile` decides.
"""

from collections.abc import Sequence
from dataclasses import dataclass


class OperatorError(Exception):
    """The root of the operator's own errors. Never raised itself."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a document: where, what was given, what is allowed."""

    path: str  # such as spec.processors.replicas
    given: str  # as JSON, shortened; empty when nothing was given
    allowed: str  # a phrase that completes "must be ..." or stands alone

    def __str__(self) -> str:
        return f"{self.path}: {self.given}: {self.allowed}" if self.given else f"{self.path}: {self.allowed}"


class InvalidSpec(OperatorError):
    """The document is wrong. Show every problem to its author; do not retry until it changes."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class TemporaryFailure(OperatorError):
    """The world refused for now. Try the whole key again after a back-off."""
