"""What went wrong with one record, kept for people: the newest few, named by their place.

An incident says where the record lies (topic, partition, offset), why it was set aside (a dead-letter
reason) and with which error. It never holds a user id or a payload: the place finds both. Pure.
"""

from collections.abc import Iterable
from dataclasses import dataclass

KEPT = 20  # incidents that a pod remembers, and that an answer lists
MAX_ERROR_CHARS = 300


@dataclass(frozen=True, slots=True)
class Incident:
    """One record that was set aside, or one row that was refused."""

    topic: str
    partition: int
    offset: int
    reason: str  # a dead-letter reason, such as `processing-failed`, or a refused profile's
    error: str  # what was raised or answered, in one line
    at_ms: int  # wall clock

    def __post_init__(self) -> None:
        """Keep the error short: it goes into every summary."""
        if len(self.error) > MAX_ERROR_CHARS:
            object.__setattr__(self, "error", self.error[: MAX_ERROR_CHARS - 1] + "…")


def with_newest(kept: tuple[Incident, ...], *new: Incident) -> tuple[Incident, ...]:
    """Return the newest KEPT incidents, the newest first; one record's later report replaces its earlier."""
    return newest((*new, *kept))


def newest(incidents: Iterable[Incident]) -> tuple[Incident, ...]:
    """Return the newest KEPT of these, the newest first, each record once."""
    ordered = sorted(incidents, key=lambda i: (i.at_ms, i.topic, i.partition, i.offset), reverse=True)
    places: set[tuple[str, int, int]] = set()
    kept = []
    for incident in ordered:
        place = (incident.topic, incident.partition, incident.offset)
        if place not in places:
            places.add(place)
            kept.append(incident)
    return tuple(kept[:KEPT])
