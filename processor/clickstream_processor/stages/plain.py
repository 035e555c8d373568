"""What a stage can be made of that has no clocks and no windows: bytes by key, in store and changelog.

A stage that keeps nothing sets nothing. Subclass PlainLine and give `records`; nothing else is needed.
"""

from collections.abc import Mapping, Sequence

import msgspec

from clickstream_processor.aggregation.metric import MetricCounters
from clickstream_processor.errors import StateCorrupted
from clickstream_processor.stages.stage import StageOutputs
from clickstream_processor.state.changes import Change
from clickstream_processor.state.checkpoint import Position
from clickstream_processor.state.store import TaskStore
from clickstream_processor.topology import keys
from clickstream_processor.topology.interfaces import Message, RefusedRow
from clickstream_processor.topology.records.records import Counters, Reason


class PlainState:
    """A task's values: those committed in its store, and the uncommitted ones over them. A LineState."""

    def __init__(self, store: TaskStore) -> None:
        self._store = store
        self.changes: dict[bytes, bytes] = {}  # by stored key, not committed
        self.stream_ms = self.closed_ms = self.record_ms = self.ahead_ms = -1
        self.metrics_ms = self.sessions_ms = -1
        self.lag_ms = 0
        self.profile_reads = self.chunk_reads = 0

    def get(self, key: bytes) -> bytes | None:
        """Return a value, the uncommitted one if there is one. Raises StateCorrupted, StateUnavailable."""
        changed = self.changes.get(keys.PLAIN + key)
        return self._store.get(keys.PLAIN + key) if changed is None else changed

    def set(self, key: bytes, value: bytes) -> None:
        """Set a value; it is committed with the transaction."""
        self.changes[keys.PLAIN + key] = value

    def commit(self, position: Position, changelog_offset: int) -> None:
        """Write what was set, with the position; see TaskState.commit."""
        checkpoint = msgspec.structs.replace(
            self._store.checkpoint,
            changelog_offset=changelog_offset,
            position=position,
            proved_at_ms=position.at_ms,
            owner_mark=True,
        )
        self._store.write(self.changes.items(), checkpoint)
        self.changes = {}

    def commit_profiles(self) -> None:
        """Do nothing: there is no table."""


class PlainLine:
    """A line that takes records and keeps values. A Line."""

    def __init__(self, store: TaskStore, partition: int, outputs: StageOutputs) -> None:
        self.partition = partition
        self.outputs = outputs
        self.state = PlainState(store)
        self.counters = Counters()
        self.metric_counters: Mapping[str, MetricCounters] = {}
        self.refused: Sequence[RefusedRow] = ()

    def records(self, messages: Sequence[Message], /) -> None:
        """Take records of the input, in order."""
        raise NotImplementedError

    def table(self, messages: Sequence[Message], /) -> None:
        """Do nothing: there is no table."""

    def set_aside(self, message: Message, reason: Reason, detail: str, /) -> None:
        """Send one record's dead letter."""
        self.outputs.dead_letter(message, reason.value, detail)

    def tick(self, now_ms: int, /) -> bool:  # noqa: ARG002
        """Close nothing."""
        return False

    def flush(self) -> Sequence[Change]:
        """Return what was set since the last commit."""
        return list(self.state.changes.items())

    def limit_outputs(self, max_bytes: int, /) -> None:
        """Write no enriched clicks."""


class PlainApplier:
    """Brings such a state back from its changelog. An Applier."""

    prefixes: tuple[bytes, ...] = (keys.PLAIN,)  # of the state's keys

    def __init__(self, store: TaskStore) -> None:
        self._store = store

    def changelog(self, messages: Sequence[Message], /) -> None:
        """Apply changelog records and store the offset after them; clears the owner's mark."""
        if not messages:
            return
        changes: list[Change] = []
        for message in messages:
            key = message.key()
            if key is None or not key.startswith(self.prefixes):
                raise StateCorrupted(f"changelog offset {message.offset()}: {key!r} is no key of the state")
            changes.append((key, message.value()))
        following = messages[-1].offset() + 1
        checkpoint = msgspec.structs.replace(
            self._store.checkpoint, changelog_offset=following, owner_mark=False
        )
        self._store.write(changes, checkpoint, bulk=True, expired=self.expired(changes))

    def expired(self, changes: Sequence[Change]) -> list[tuple[bytes, bytes]]:  # noqa: ARG002
        """Return the ranges [first, end) that expire with these changes: none."""
        return []

    def profiles(self, messages: Sequence[Message], /) -> list[RefusedRow]:  # noqa: ARG002
        """Apply nothing: there is no table."""
        return []

    def caught_up(self, changelog_offset: int, profiles_offset: int, at_ms: int, /) -> None:  # noqa: ARG002
        """Note that the changelog was read up to here, as of `at_ms` (R14)."""
        checkpoint = msgspec.structs.replace(
            self._store.checkpoint, changelog_offset=changelog_offset, proved_at_ms=at_ms
        )
        self._store.write((), checkpoint, bulk=True)

    def finish(self, position: Position | None, changelog_offset: int, at_ms: int, /) -> None:
        """Close an owner's restore (R19)."""
        checkpoint = msgspec.structs.replace(
            self._store.checkpoint,
            changelog_offset=changelog_offset,
            position=position,
            proved_at_ms=at_ms,
            owner_mark=True,
        )
        self._store.write((), checkpoint)
