"""What a Job's program says of itself: a replay's report, an erasure's receipt. Pure."""

from typing import Protocol

LONGEST_WORD = 4_096  # bytes; the kubelet takes no more
LONGEST_MESSAGE = 1_000  # characters


class Word(Protocol):
    """A report or a receipt."""

    @property
    def phase(self) -> str:
        """How far it is; at the end `done` or `failed`."""
        ...

    def encode(self) -> bytes:
        """Return it as JSON."""
        ...

    def last_word(self) -> bytes:
        """Return it as JSON of at most LONGEST_WORD bytes."""
        ...
