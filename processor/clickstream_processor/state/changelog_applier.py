"""Replays the changelog and the profiles topic into a store, thousands of records a batch.

Used by a restoring owner and by a standby, which never stops. Messages must come from a read_committed
consumer, without error records. Batches go past the write-ahead log, as Kafka has the records: a crash falls
back to the last flush.
"""

from collections.abc import Callable, Sequence

import msgspec

from clickstream_processor.errors import MalformedRecord, StateCorrupted
from clickstream_processor.state.changes import Change
from clickstream_processor.state.checkpoint import Position
from clickstream_processor.state.overlay import check_layout
from clickstream_processor.state.store import TaskStore
from clickstream_processor.topology import keys
from clickstream_processor.topology.interfaces import Message, RefusedRow
from clickstream_processor.topology.plan import Plan
from clickstream_processor.topology.records.codec import checked_key
from clickstream_processor.topology.users.working_set import check_partition, checked_profile

NO_SEEN = keys.SEEN + b"\xff" * 8  # after all that there can be
_KINDS = (keys.CHUNK, keys.SESSIONS, keys.WAKE, keys.SEEN)


class ChangelogApplier:
    """Applies batches to one store. Each is atomic with the offset after it, so it may stop anywhere.

    Raises LayoutChanged where the store's chunks were written with other windows than the plan's.
    """

    def __init__(
        self,
        store: TaskStore,
        plan: Plan,
        partition: int,
        partition_of: Callable[[bytes, int], int],
        dedup_ms: int = 0,
    ) -> None:
        """`dedup_ms`: how far back ids of clicks are needed."""
        check_layout(store.checkpoint, plan)
        self._store = store
        self._plan = plan
        self._partition = partition
        self._partition_of = partition_of
        self._dedup_ms = dedup_ms

    def changelog(self, messages: Sequence[Message]) -> None:
        """Apply changelog records and store the offset after the last one with them; clears the owner's mark.

        Expired chunks go, though not as soon as at the owner: all that is known of stream time is that no
        counted click was further ahead of it than the plan allows.
        """
        if not messages:
            return
        changes: list[Change] = []
        erases = False
        newest = keys.CHUNK  # of chunks
        earliest = NO_SEEN  # of segments of ids
        for message in messages:
            key = message.key()
            of_chunk = key is not None and key.startswith(keys.CHUNK)
            if key is None or not key.startswith(_KINDS) or (of_chunk and len(key) < keys.CHUNK_USER):
                raise StateCorrupted(f"changelog offset {message.offset()}: {key!r} is no key of the state")
            changes.append((key, message.value()))
            if of_chunk and changes[-1][1] is None:  # no other tombstone is of a chunk
                erases = True
            elif of_chunk and key > newest:
                newest = key
            elif key < earliest and key.startswith(keys.SEEN):
                earliest = key
        before = self._store.checkpoint
        expired_ms = self._plan.expired_before_ms(keys.chunk_start_ms(newest) - self._plan.most_ahead_ms)
        checkpoint = msgspec.structs.replace(
            before,
            changelog_offset=messages[-1].offset() + 1,
            owner_mark=False,
            layout=self._plan.layout,
            dropped_before_ms=max(before.dropped_before_ms, expired_ms),
        )
        expired = self._expired(earliest)
        self._store.write(changes, checkpoint, bulk=True, expired=expired, erases=erases)

    def profiles(self, messages: Sequence[Message]) -> list[RefusedRow]:
        """Apply profiles records; return those that are refused, the same that the pipeline would refuse."""
        if not messages:
            return []
        refused: list[RefusedRow] = []
        changes: list[Change] = []
        for message in messages:
            try:
                key, name = checked_key(message.key())
                check_partition(key, self._partition, self._plan.partitions, self._partition_of)
                value = message.value()
                checked_profile(name, value)
                changes.append((keys.profile_key(key), value))
            except MalformedRecord as error:
                refused.append((message, str(error.args[0]), str(error.args[1])))
        checkpoint = msgspec.structs.replace(
            self._store.checkpoint, profiles_offset=messages[-1].offset() + 1
        )
        self._store.write(changes, checkpoint, bulk=True)
        return refused

    def _expired(self, earliest: bytes) -> list[tuple[bytes, bytes]]:
        """Return the range of ids that are of no use once clicks come as late as this segment's key says."""
        if earliest == NO_SEEN:
            return []
        return keys.seen_before(keys.seen_start_ms(earliest) - 2 * self._dedup_ms)

    def caught_up(self, changelog_offset: int, profiles_offset: int, at_ms: int) -> None:
        """Note that both topics were read up to here (EOF positions count), at wall clock `at_ms` (R14)."""
        checkpoint = msgspec.structs.replace(
            self._store.checkpoint,
            changelog_offset=changelog_offset,
            profiles_offset=profiles_offset,
            proved_at_ms=at_ms,
        )
        self._store.write((), checkpoint, bulk=True)

    def finish(self, position: Position | None, changelog_offset: int, at_ms: int) -> None:
        """Close an owner's restore: the state now belongs to `position`; set the owner's mark (R19)."""
        checkpoint = msgspec.structs.replace(
            self._store.checkpoint,
            changelog_offset=changelog_offset,
            position=position,
            proved_at_ms=at_ms,
            owner_mark=True,
            layout=self._plan.layout,
        )
        self._store.write((), checkpoint)
