"""Replays the changelog and the profiles topic into a store, thousands of records a batch.

Used by a restoring owner and by a standby, which never stops. Messages must come from a read_committed consumer,
without error records.
"""

from collections.abc import Callable, Sequence

from clickstream_processor.state.checkpoint import Position
from clickstream_processor.state.store import TaskStore
from clickstream_processor.topology.pipeline import Message
from clickstream_processor.topology.plan import Plan


class Restorer:
    """Applies batches to one store. Each batch is atomic with the offset after it, so it may stop anywhere."""

    def __init__(
        self, store: TaskStore, plan: Plan, partition: int, partition_of: Callable[[bytes, int], int]
    ) -> None:
        raise NotImplementedError

    def changelog(self, messages: Sequence[Message]) -> None:
        """Apply changelog records; the offset after the last one is stored with them. Clears the owner's mark."""
        raise NotImplementedError

    def profiles(self, messages: Sequence[Message]) -> None:
        """Apply profiles records; wrong partitions and malformed ones are refused as the pipeline refuses them."""
        raise NotImplementedError

    def caught_up(self, changelog_offset: int, profiles_offset: int, at_ms: int) -> None:
        """Note that both topics were read to these positions (EOF positions count), at wall clock `at_ms` (R14)."""
        raise NotImplementedError

    def finish(self, position: Position | None, changelog_offset: int, at_ms: int) -> None:
        """Close an owner's restore: the state now belongs to `position`; set the owner's mark (R19)."""
        raise NotImplementedError
