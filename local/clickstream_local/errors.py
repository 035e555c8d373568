"""Error types of the local set-up: each is one clear line for the person at the terminal."""

from pathlib import Path


class LocalError(Exception):
    """The root of this package's errors; never raised itself. Print the message and exit with status 1."""


class CannotStart(LocalError):
    """Something outside this program is in the way: the message says what to do about it."""


class PartFailed(LocalError):
    """A started program ended or did not get ready. The message ends with its log."""

    def __init__(self, name: str, reason: str, log: Path, tail: str) -> None:
        super().__init__(f"{name} {reason}; its log is {log} and ends with:\n{tail}")
        self.name = name
        self.log = log


class DeadlinePassed(LocalError):
    """A condition did not come true in time. The message names the condition and the time."""


class StartEnded(LocalError):
    """The start was broken off by another step's failure or by a signal. The cause is what is told."""
