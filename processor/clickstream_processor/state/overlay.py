"""Uncommitted writes of one task over its store: the task sees them at once, all others after the commit."""

import msgspec

from clickstream_processor.errors import LayoutChanged
from clickstream_processor.state.changes import Change
from clickstream_processor.state.checkpoint import Checkpoint, Position
from clickstream_processor.state.store import TaskStore
from clickstream_processor.topology import keys
from clickstream_processor.topology.plan import Plan
from clickstream_processor.topology.users.working_set import WorkingSet


class TaskState(WorkingSet):
    """The owner's view of a task. Made when a task starts to run, over a restored store.

    Stream time and closed time come from `store.checkpoint.position`. Raises LayoutChanged where the store's
    chunks belong to other windows than the plan's.
    """

    def __init__(self, store: TaskStore, plan: Plan, cached_users: int = 100_000) -> None:
        check_layout(store.checkpoint, plan)
        super().__init__(store, plan, cached_users=cached_users)
        self._store = store
        self.beside_chunks: list[Change] = []  # what the last flush changed of sessions and ids
        self.expired: list[tuple[bytes, bytes]] = []  # ranges of keys that the next commit removes
        self.rollback()
        self.profiles_offset = store.checkpoint.profiles_offset

    def commit(self, position: Position, changelog_offset: int) -> None:
        """After the Kafka commit: write what `Pipeline.flush` returned, pending profiles and the checkpoint.

        `position` is the one the transaction held (its clock fields: state.stream_ms, state.closed_ms);
        `changelog_offset` is the last changelog record's offset + 1 by its delivery report (R12), or the
        checkpoint's where nothing was written. Sets the owner's mark and `proved_at_ms` = position.at_ms.
        """
        before = self._store.checkpoint
        checkpoint = Checkpoint(
            changelog_offset=changelog_offset,
            profiles_offset=self.profiles_offset,
            position=position,
            proved_at_ms=position.at_ms,
            owner_mark=True,
            layout=self.plan.layout,
            dropped_before_ms=max(before.dropped_before_ms, self.plan.expired_before_ms(position.stream_ms)),
        )
        erased = self.committed.erased
        changes = [
            *dict.fromkeys(erased).items(),
            *self.changes,
            *self.beside_chunks,
            *self._profile_changes(),
        ]
        self._store.write(changes, checkpoint, expired=self.expired, erases=bool(erased))
        self.settle()
        self.beside_chunks, self.expired = [], []

    def commit_profiles(self) -> None:
        """Write pending profile changes and their offset alone: they are no part of a transaction.

        Only between commits, while no clicks are in hand. The rest of the checkpoint stays as it is.
        """
        before = self._store.checkpoint
        if before.profiles_offset != self.profiles_offset or self.pending_profiles:
            after = msgspec.structs.replace(before, profiles_offset=self.profiles_offset)
            self._store.write(self._profile_changes(), after)
            self.pending_profiles = {}

    def rollback(self) -> None:
        """Forget every uncommitted effect of clicks and all caches; clocks return to the store's position.

        Call it after a failed or unknown commit, and again after the changelog's tail was replayed into the
        store (R4). Profile changes stay: they came from committed records, as `profiles_offset` says.
        """
        position = self._store.checkpoint.position
        self.stream_ms = position.stream_ms if position else -1
        self.closed_ms = self.emitted_ms = position.closed_ms if position else -1
        self.record_ms = position.record_ms if position else -1
        self.ahead_ms = position.ahead_ms if position else -1
        self.metrics_ms = position.metrics_ms if position else -1
        self.lag_ms = position.lag_ms if position else 0
        self.sessions_ms = position.sessions_ms if position else -1
        self.beside_chunks, self.expired = [], []
        self.forget()

    def _profile_changes(self) -> list[Change]:
        return [(keys.profile_key(key), value) for key, value in self.pending_profiles.items()]


def check_layout(checkpoint: Checkpoint, plan: Plan) -> None:
    """Raise LayoutChanged where a store's chunks were written with other windows than the plan's."""
    if checkpoint.layout not in ("", plan.layout):
        raise LayoutChanged(f"the state has {checkpoint.layout}, the pipeline {plan.layout}")
