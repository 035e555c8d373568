"""What came of one look at one resource."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a look: a word for the metrics, and when to look again (None: at the next resync)."""

    result: str
    again_s: float | None = None
