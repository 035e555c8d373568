"""One task's line: what becomes of each record between the consumer and the transaction.

Pure: no I/O, no clock, no randomness. Everything it produces goes through `Outputs`, everything it
remembers is in the `WorkingSet`, which the caller commits or rolls back.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from clickstream_processor.topology.partitioning import murmur2_partition
from clickstream_processor.topology.plan import Plan
from clickstream_processor.topology.records import Click, Counters, Profile
from clickstream_processor.topology.working import WorkingSet

Keep = Callable[[Click, Profile | None], bool]
Transform = Callable[[Click, Profile | None], dict[str, Any]]


class Message(Protocol):
    """What the line reads of a consumed record: the shape of confluent_kafka.Message."""

    def key(self) -> bytes | None:
        """Return the key as it came."""

    def value(self) -> bytes | None:
        """Return the value as it came."""

    def offset(self) -> int:
        """Return the offset."""

    def timestamp(self) -> tuple[int, int]:
        """Return (kind, record time in ms)."""


class Outputs(Protocol):
    """Where results go: called straight from the hot loop, so each should be one call into the producer.

    An exception they raise leaves the line in the middle of a chunk: roll back. `value` is text, to be
    sent as UTF-8 (the Kafka client does that itself, without a copy where it is ASCII).
    """

    def enriched(self, value: str | bytes, key: bytes, timestamp_ms: int) -> None:
        """Send one enriched click."""

    def metrics(self, value: str, key: bytes, timestamp_ms: int) -> None:
        """Send the count of one user and window."""

    def dead_letter(self, message: Message, reason: str, detail: str) -> None:
        """Send the click as it came, with its reason."""


class Pipeline:
    """The line of one task. Not thread-safe: it and its working set belong to the worker's thread."""

    def __init__(
        self,
        plan: Plan,
        state: WorkingSet,
        partition: int,
        outputs: Outputs,
        *,
        keep: Keep | None = None,
        transform: Transform | None = None,
        click_fields: Sequence[str] = (),
        profile_fields: Sequence[str] = (),
        partition_of: Callable[[bytes, int], int] = murmur2_partition,
    ) -> None:
        """Bind the line to one partition.

        `keep` tells whether a joined click goes on; `transform` returns output fields to set (an existing
        name is replaced in place, a new one appended; the value `msgspec.UNSET` leaves the field out). Both
        may raise ExpressionFailed: the click is dead-lettered. `click_fields` and `profile_fields` name
        fields beyond the contract's that they read: these become attributes of the Click and Profile they are
        given, msgspec.UNSET where the record lacks them. `partition_of` is Kafka's murmur2 partitioner; the
        runtime passes the client's own, which is 50 times as fast as ours.
        """
        raise NotImplementedError

    counters: Counters

    def profiles(self, messages: Sequence[Message]) -> None:
        """Apply records of the profiles topic (no error records), in order, tombstones included."""
        raise NotImplementedError

    def clicks(self, messages: Sequence[Message]) -> None:
        """Take one chunk of clicks of this partition (no error records), in order. The hot loop."""
        raise NotImplementedError

    def tick(self, now_ms: int) -> bool:
        """Close the windows that wall-clock time has passed; return whether there is something to commit.

        Call it about once a second, and only where the position has reached the end of the input (R17).
        Does nothing with `emit: updates`, which stays record for record with Kafka Streams.
        """
        raise NotImplementedError

    def flush(self) -> list[tuple[bytes, bytes]]:
        """Finish what is to be committed: emit counts, return the changelog's records as (key, value).

        Called once per commit, before the transaction's end. With `emit: updates`: the last value of every
        window changed since the last commit; with `final`: the results of the windows that have closed
        since. Afterwards call either `TaskState.commit` or `TaskState.rollback`.
        """
        raise NotImplementedError
