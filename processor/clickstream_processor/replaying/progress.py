"""How far a replay has come: of each partition of the dead letters, and in all. Pure.

What is known of a partition stands in Kafka as the metadata of the group's offset there, written in the
transaction that sends its clicks. So it is small: 4,096 bytes is what brokers take.
"""

from collections.abc import Iterable

import msgspec

from clickstream_processor.errors import ReplayFailed

OTHER = "(other)"
MAX_REASONS = 30  # of a partition; a record's header says them, so there may be any number
VERSION = 1


class Tally(msgspec.Struct, array_like=True):
    """Letters of one reason."""

    matched: int = 0
    replayed: int = 0


class Progress(msgspec.Struct, rename={"start": "s", "end": "e", "reasons": "r", "skipped": "k"}):
    """One partition: `start` and `end` are the offsets between which the replay reads, fixed as it begins."""

    start: int
    end: int
    reasons: dict[str, Tally] = {}
    skipped: dict[str, int] = {}
    v: int = VERSION

    def of(self, reason: str) -> Tally:
        """Return the tally of a reason, made if need be."""
        if reason not in self.reasons and len(self.reasons) >= MAX_REASONS:
            reason = OTHER
        return self.reasons.setdefault(reason, Tally())

    def skip(self, why: str) -> None:
        """Count a letter that is not sent."""
        self.skipped[why] = self.skipped.get(why, 0) + 1

    def encode(self) -> str:
        """Return the offset's metadata."""
        return msgspec.json.encode(self).decode()


def read_progress(metadata: str) -> Progress:
    """Return what an offset's metadata says. Raises ReplayFailed."""
    try:
        found = msgspec.json.decode(metadata, type=Progress)
    except msgspec.DecodeError as error:
        raise ReplayFailed(
            f"the replay's position in Kafka cannot be read ({error}): make a new replay, and use `from`"
        ) from error
    if found.v > VERSION:
        raise ReplayFailed("the replay was begun by a newer version: let that one end it")
    return found


def replayed_of(parts: Iterable[Progress]) -> int:
    """Return how many letters were sent."""
    return sum(tally.replayed for part in parts for tally in part.reasons.values())
