"""How the topic of dead letters is read: its ends, and windows of offsets. Shapes only: kafka/ reads.

All calls block. One log is used by one thread.
"""

from collections.abc import Mapping
from typing import Protocol

from clickstream_processor.dead_letters.letter import Letter


class LettersUnavailable(Exception):
    """The brokers do not give the letters now, or not to this pod. Tell the reader; the message says why."""


class LetterLog(Protocol):
    """The letters' topic, as one reader sees it."""

    def bounds(self, from_ms: int | None) -> dict[int, range]:
        """Return by partition the offsets that hold all letters from a time on. Raises LettersUnavailable."""

    def read(self, windows: Mapping[int, range], until_s: float) -> dict[int, list[Letter]]:
        """Return the committed letters of those windows that were read to their end before a monotonic time.

        Raises LettersUnavailable.
        """

    def close(self) -> None:
        """Let the connections go."""


class LetterTopic(Protocol):
    """Where letters lie."""

    @property
    def name(self) -> str:
        """Return the topic's name."""

    def open(self) -> LetterLog:
        """Return a reader, connected to nothing yet."""
