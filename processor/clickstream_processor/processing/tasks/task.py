"""A task that runs: a stage's line over one partition's state, and how far it has come.

Made by the worker from a restored store, discarded whole at any doubt (R4); the store outlives it.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from clickstream_processor.backlog import LastCommit
from clickstream_processor.directory import Phase, Role, TaskView
from clickstream_processor.errors import (
    LineFailed,
    ProcessorError,
    StateCorrupted,
    StateUnavailable,
    TaskBroken,
)
from clickstream_processor.kafka.client import CLIENT_ERRORS
from clickstream_processor.processing.output.task_outputs import TaskOutputs
from clickstream_processor.processing.tasks.quarantine import Verdict, next_attempts
from clickstream_processor.stages.stage import Line, LineState, Stage
from clickstream_processor.state.changes import Change
from clickstream_processor.state.checkpoint import Position
from clickstream_processor.state.store import TaskStore
from clickstream_processor.task_id import TaskId
from clickstream_processor.topology.interfaces import Message
from clickstream_processor.topology.records.records import Counters, Reason


class Task:
    """One running task. Used by the worker's thread only."""

    def __init__(
        self,
        stage: Stage,
        store: TaskStore,
        id_: TaskId,
        epoch: int,
        records_from: int,
        position: Position | None,
        cached_users: int,
    ) -> None:
        self.stage = stage
        self.id = id_
        self.name = str(id_)
        self.partition = id_.partition
        self.epoch = epoch
        self.store = store
        self.outputs = TaskOutputs(id_.partition, stage.input, stage.table or "")
        self.line: Line = stage.line(store, id_.partition, self.outputs, cached_users)
        self.state: LineState = self.line.state
        self.taken = 0  # records given to the line since it was made
        self.next_record = records_from
        self.reached = records_from  # the consumer's position: passes control records at the end
        self.position = position  # committed; None before the very first commit
        self.touched = position is None  # a task never started commits its position before anything else
        self.profiles_touched = False
        self.record_ms = -1  # record time of the last record processed
        self.oldest_ms: int | None = None  # record time of the oldest record since the last commit
        self.committed_ms = 0 if position is None else position.at_ms
        self.as_of_ms = _now_ms()
        self._committed = LastCommit(records_from, self.committed_ms)
        self.counted = Counters().snapshot()  # as told last
        self.told = 0  # of the records taken
        self.metrics_told: dict[str, dict[str, Any]] = {}  # by metric, as told last
        self.attempts = 0 if position is None else position.attempts
        self.in_hand = 0  # records since the last commit
        self.first_in_hand = records_from
        self.reads = (0, 0)  # of profiles, of chunks, as told last
        self._next: Position | None = None

    def records(self, messages: Sequence[Message]) -> None:
        """Process records of the input, in order. Raises LineFailed, TaskBroken, what the client raises."""
        if messages[0].offset() < self.next_record:
            messages = [message for message in messages if message.offset() >= self.next_record]
            if not messages:
                return
        self._take_in_hand(messages)
        with self.own_errors():
            self.line.records(messages)

    def set_aside(self, message: Message, verdict: Verdict) -> None:
        """Write a record's dead letter in place of its outputs."""
        self._take_in_hand([message])
        self.outputs.bare = verdict.bare
        self.line.set_aside(message, verdict.reason, verdict.error)
        self.outputs.bare = False

    def begin_attempt(self, *, alone: bool) -> None:
        """Let the next commit say that records from here on are begun."""
        self.attempts = next_attempts(self.attempts, alone)
        self.touched = True

    def _take_in_hand(self, messages: Sequence[Message]) -> None:
        first, last = messages[0], messages[-1]
        if not self.in_hand:
            self.first_in_hand = first.offset()
        self.in_hand += len(messages)
        self.taken += len(messages)
        self.next_record = self.reached = last.offset() + 1
        self.record_ms = last.timestamp()[1]
        if self.oldest_ms is None:
            self.oldest_ms = first.timestamp()[1]
        self.touched = True

    def skip_to(self, offset: int) -> None:
        """Go on at another offset of the input."""
        self.next_record = self.reached = offset
        self.touched = True

    def table(self, messages: Sequence[Message]) -> None:
        """Apply a run of the table's rows, in order."""
        with self.own_errors():
            self.line.table(messages)
        self.profiles_touched = True

    def write_refusals(self) -> None:
        """Send the rows just refused to the dead letters, in the open transaction."""
        for message, reason, detail in self.line.refused:
            self.outputs.refused_profile(message, Reason.PROFILE_REFUSED.value, f"{reason}: {detail}")
        self.touched = True

    def tick(self, now_ms: int) -> None:
        """Let wall-clock time close windows; only at the end of the input (R17)."""
        with self.own_errors():
            self.touched = self.line.tick(now_ms) or self.touched

    def flush(self) -> Sequence[Change]:
        """Send what a commit sends; return the changelog's records."""
        with self.own_errors():
            return self.line.flush()

    def next_position(self, now_ms: int, ordinal: int) -> Position:
        """Return the position that the transaction under way will make true."""
        self._next = Position(
            clicks=self.next_record,
            stream_ms=self.state.stream_ms,
            closed_ms=self.state.closed_ms,
            at_ms=now_ms,
            ordinal=ordinal,
            epoch=self.epoch,
            attempts=0 if self.in_hand else self.attempts,
            record_ms=self.state.record_ms,
            ahead_ms=self.state.ahead_ms,
            metrics_ms=self.state.metrics_ms,
            lag_ms=self.state.lag_ms,
            sessions_ms=self.state.sessions_ms,
        )
        return self._next

    def committed(self, now_ms: int, changelog_offset: int) -> None:
        """The transaction is committed: write the same to RocksDB."""
        if self._next is not None:
            with self.own_errors():
                self.state.commit(self._next, changelog_offset)
            self.position = self._next
            self.attempts = self._next.attempts
        self.in_hand = 0
        self.touched = self.profiles_touched = False
        self.committed_ms = self.as_of_ms = now_ms
        if self.next_record > self._committed.to:
            self._committed = LastCommit(self.next_record, now_ms, self.record_ms)

    def commit_profiles(self) -> None:
        """Write profile changes where there is nothing to say to Kafka."""
        with self.own_errors():
            self.state.commit_profiles()
        self.profiles_touched = False
        self.as_of_ms = _now_ms()

    @contextmanager
    def own_errors(self) -> Iterator[None]:
        """Say whose state failed, or whose line. Raises TaskBroken, LineFailed; the client's errors pass."""
        try:
            yield
        except (StateCorrupted, StateUnavailable) as error:
            raise TaskBroken(self.id, error) from error
        except (ProcessorError, *CLIENT_ERRORS):
            raise
        except Exception as error:
            raise LineFailed(self.id, self.outputs.at, error) from error

    def check(self) -> None:
        """Raise TaskBroken when a query has found the state damaged."""
        if self.store.damage is not None:
            raise TaskBroken(self.id, self.store.damage)

    def measure(self, high: int, asked_ms: int) -> bool:
        """Compare with the input's end as of `asked_ms`; return whether all of it is processed."""
        processed = self.reached >= high
        if processed and not self.touched:
            self.as_of_ms = max(self.as_of_ms, asked_ms)
        return processed

    def place(self) -> LastCommit:
        """Return the last commit's place. Control records behind it hold nothing: they are stepped over."""
        if not self.touched and self.reached > self._committed.to:
            self._committed = replace(self._committed, to=self.reached)
        return self._committed

    def ahead_ms(self, now_ms: int) -> int:
        """Return how far stream time is beyond the clock and the grace, else 0."""
        return max(0, self.state.stream_ms - now_ms - self.stage.grace_ms)

    def view(self) -> TaskView:
        """Return what the directory shows."""
        return TaskView(
            task=self.id,
            role=Role.OWNER,
            phase=Phase.RUNNING,
            epoch=self.epoch,
            store=self.store,
            as_of_ms=self.as_of_ms,
            committed=self.place(),
            stream_ms=self.state.stream_ms,
        )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
