"""How far a task has come: the position that stands in Kafka, and the local checkpoint beside the data."""

import msgspec

from clickstream_processor.errors import MalformedRecord, StateCorrupted, StateTooNew

POSITION_VERSION = 1  # as it is written; 2 is read as well (ADR 0064)
FORMAT_VERSION = 1


class Position(msgspec.Struct, frozen=True):
    """The record of a task in the positions topic, written in each transaction (protocol.md)."""

    clicks: int  # next offset of the task's input
    stream_ms: int = -1
    closed_ms: int = -1
    at_ms: int = 0  # wall clock of the commit
    ordinal: int = -1
    epoch: int = 0
    version: int = POSITION_VERSION
    # 0: every click begun is committed. Else clicks from here on were begun and not committed
    # (processing/tasks/quarantine.py). 1: together; n > 1: the one at `clicks` alone, n - 1 times.
    attempts: int = 0
    record_ms: int = -1  # newest record time that was asked for (WorkingSet.record_ms)
    ahead_ms: int = -1  # greatest event time of the clicks that led record time by more than the grace
    metrics_ms: int = -1  # WorkingSet.metrics_ms
    lag_ms: int = 0  # WorkingSet.lag_ms
    sessions_ms: int = -1  # WorkingSet.sessions_ms

    def encode(self) -> bytes:
        """Return the record's value, JSON."""
        return msgspec.json.encode(self)

    @staticmethod
    def decode(value: bytes, input_topic: str | None = None) -> "Position":
        """Read a record's value; raises StateTooNew for a later version, MalformedRecord for what is none.

        `input_topic`: whose offset to take from a record of version 2; without it none can be read.
        """
        known = POSITION_VERSION if input_topic is None else POSITION_VERSION + 1
        try:
            version = _Version.of(value)
            if version > known:
                raise StateTooNew(f"a position of version {version}; this one knows {known}")
            if version <= POSITION_VERSION:
                return msgspec.json.decode(value, type=Position)
            found = msgspec.json.decode(value, type=_ByInput)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise MalformedRecord(f"not a position: {error}") from error
        if input_topic not in found.inputs:
            raise MalformedRecord(f"a position in {', '.join(found.inputs)}, not in {input_topic}")
        fields = msgspec.structs.asdict(found)
        offset = fields.pop("inputs")[input_topic]
        return Position(clicks=offset, **{**fields, "version": POSITION_VERSION})


class _ByInput(msgspec.Struct):
    """A position of version 2: offsets by input topic. Defaults as in version 1."""

    version: int
    inputs: dict[str, int]
    stream_ms: int = -1
    closed_ms: int = -1
    at_ms: int = 0
    ordinal: int = -1
    epoch: int = 0
    attempts: int = 0
    record_ms: int = -1
    ahead_ms: int = -1
    metrics_ms: int = -1
    lag_ms: int = 0
    sessions_ms: int = -1


class Checkpoint(msgspec.Struct, frozen=True):
    """What the local store holds, written in one batch with the data it speaks of.

    `owner_mark`: the last batch was written by the owner (a commit, or a restore that was read to its end),
    so that data and `position` belong together (R19); standbys clear it with each batch they apply.
    """

    changelog_offset: int = -1  # next changelog offset to apply; -1: nothing applied
    profiles_offset: int = -1  # next offset of the profiles topic; -1: nothing applied
    position: Position | None = None  # the position this state belongs to; None: none known
    proved_at_ms: int = -1  # wall clock of the last proof that the state is complete (R14)
    owner_mark: bool = False
    layout: str = ""  # Plan.layout of the chunks; empty: there are none
    dropped_before_ms: int = 0  # chunks that start earlier were removed
    unpurged: bool = False  # its files may still have what an erasure has deleted
    format_version: int = FORMAT_VERSION

    @property
    def proved_ms(self) -> int | None:
        """Return `proved_at_ms`, None where the state was never proved."""
        return self.proved_at_ms if self.proved_at_ms > 0 else None

    def encode(self) -> bytes:
        """Return the stored form, JSON: an older version can read at least `format_version`."""
        return msgspec.json.encode(self)

    @staticmethod
    def decode(value: bytes) -> "Checkpoint":
        """Read the stored form; raises StateTooNew or StateCorrupted."""
        try:
            version = _Version.of(value)
            if version > FORMAT_VERSION:
                raise StateTooNew(
                    f"state of format {version}; this version knows formats up to {FORMAT_VERSION}"
                )
            return msgspec.json.decode(value, type=Checkpoint)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise StateCorrupted(f"the checkpoint cannot be read: {error}") from error


class _Version(msgspec.Struct):
    """The one field that every version of both can be asked for."""

    version: int | None = None
    format_version: int | None = None

    @staticmethod
    def of(value: bytes) -> int:
        """Return the version a record says it has; 0 if it says none."""
        record = msgspec.json.decode(value, type=_Version)
        return record.version or record.format_version or 0
