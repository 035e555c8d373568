"""How far a task has come: the position that stands in Kafka, and the local checkpoint beside the data."""

import msgspec

FORMAT_VERSION = 1


class Position(msgspec.Struct, frozen=True, omit_defaults=False):
    """The record of a task in the positions topic, written in each transaction (docs/protocol.md)."""

    clicks: int  # next offset of the clicks topic
    stream_ms: int = -1
    closed_ms: int = -1
    at_ms: int = 0  # wall clock of the commit
    ordinal: int = -1
    epoch: int = 0
    version: int = 1

    def encode(self) -> bytes:
        """Return the record's value, JSON."""
        return msgspec.json.encode(self)

    @staticmethod
    def decode(value: bytes) -> "Position":
        """Read a record's value; raises StateTooNew for a later version, MalformedRecord for anything else."""
        raise NotImplementedError


class Checkpoint(msgspec.Struct, frozen=True):
    """What the local store holds, written in one batch with the data it speaks of.

    `owner_mark`: the last batch was written by the owner (a commit, or a restore that was read to its end), so
    that data and `position` belong together (R19); standbys clear it with each batch they apply.
    """

    changelog_offset: int = -1  # next changelog offset to apply; -1: nothing applied
    profiles_offset: int = -1  # next offset of the profiles topic; -1: nothing applied
    position: Position | None = None  # the position this state belongs to; None: none known
    proved_at_ms: int = -1  # wall clock of the last proof that the state is complete (R14)
    owner_mark: bool = False
    layout: str = ""  # Plan.layout the chunks were written with
    format_version: int = FORMAT_VERSION
