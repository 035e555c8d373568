"""Uncommitted writes of one task over its store: visible to the task at once, to everyone else after the commit."""

from clickstream_processor.state.checkpoint import Position
from clickstream_processor.state.store import TaskStore
from clickstream_processor.topology.plan import Plan
from clickstream_processor.topology.working import WorkingSet


class TaskState(WorkingSet):
    """The owner's view of a task. Made when a task starts to run, over a restored store.

    Stream time and closed time come from `store.checkpoint.position`.
    """

    def __init__(self, store: TaskStore, plan: Plan, cached_users: int = 100_000) -> None:
        raise NotImplementedError

    def commit(self, position: Position, changelog_offset: int) -> None:
        """After the Kafka commit: write what `Pipeline.flush` returned, pending profiles and the checkpoint.

        `position` is the one the transaction held (its clock fields: state.stream_ms, state.closed_ms);
        `changelog_offset` is the last changelog record's offset + 1 by its delivery report (R12), or the
        checkpoint's where nothing was written. Sets the owner's mark and `proved_at_ms` = position.at_ms.
        """
        raise NotImplementedError

    def commit_profiles(self) -> None:
        """Write pending profile changes and their offset alone: they are no part of a transaction."""
        raise NotImplementedError

    def rollback(self) -> None:
        """Forget every uncommitted effect of clicks and all caches; clocks return to the checkpoint's position.

        Call it after a failed or unknown commit, and again after the changelog's tail was replayed into the
        store (R4). Profile changes stay: they came from committed records, as `profiles_offset` says.
        """
        raise NotImplementedError
