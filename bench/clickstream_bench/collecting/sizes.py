"""How long each part of a measurement of the collector takes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sizes:
    """Rounds, seconds, connections."""

    rounds: int = 5
    single_s: float = 4.0  # of each server and round, requests of one event
    batch_s: float = 5.0  # of each form and round
    half_s: float = 15.0
    single_connections: int = 64
    batch_connections: int = 16
    warm_s: float = 1.0

    @classmethod
    def of(cls, quick: bool, rounds: int | None) -> "Sizes":
        """Return the sizes; quick is for seeing that each part works."""
        found = cls(2, 3.0, 3.0, 6.0) if quick else cls()
        return found if rounds is None else cls(rounds, found.single_s, found.batch_s, found.half_s)
