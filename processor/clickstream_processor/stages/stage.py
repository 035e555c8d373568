"""What a stage is, as worker, restorer and control go by it: they know none by its name.

A stage has one task for each partition of its input. A task has a line, which takes the input's records, and
a state: a store, with a changelog from which another pod can make the same one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from clickstream_processor.aggregation.metric import MetricCounters
from clickstream_processor.state.changes import Change
from clickstream_processor.state.checkpoint import Position
from clickstream_processor.state.store import TaskStore
from clickstream_processor.topology.interfaces import Headers, Message, Outputs, RefusedRow
from clickstream_processor.topology.records.records import Counters, Reason


class StageOutputs(Outputs, Protocol):
    """Where a task's line sends what it makes; bound to the pod's producer while the task runs."""

    bare: bool  # the next dead letter is to have nothing of its record: not to be read

    def send(
        self,
        topic: str,
        value: bytes | str | None,
        key: bytes | None,
        partition: int,
        on_delivery: None = None,
        callback: None = None,
        timestamp_ms: int = 0,
        headers: Headers = None,
        /,
    ) -> None:
        """Send a record of any topic among `Stage.outputs`, in the transaction that is open.

        Its time is now where none is given. The two in between are the client's, and stay None.
        """


class LineState(Protocol):
    """A running task's state: committed records in its store, and what is not committed yet over it.

    The clocks (WorkingSet has them) are ms since the epoch, -1 where there is none. A position carries them
    to the next owner.
    """

    stream_ms: int
    closed_ms: int
    record_ms: int
    ahead_ms: int
    metrics_ms: int
    lag_ms: int
    sessions_ms: int
    profile_reads: int  # of the store, since the task started
    chunk_reads: int

    def commit(self, position: Position, changelog_offset: int) -> None:
        """Write what `Line.flush` has returned, with the position, after the transaction's commit."""

    def commit_profiles(self) -> None:
        """Write what came from the table alone, between transactions."""


class Line(Protocol):
    """What a task does to its records. Made when the task starts to run, discarded at any doubt (R4).

    What it raises beside the processor's own errors and the client's is taken as the fault of one record,
    which is then found and set aside. Used by the worker's thread only.
    """

    @property
    def state(self) -> LineState:
        """Return the task's state."""

    @property
    def counters(self) -> Counters:
        """Return what has been counted since the line was made; all 0 where no click is touched."""

    @property
    def metric_counters(self) -> Mapping[str, MetricCounters]:
        """Return what has been counted of each metric since the line was made."""

    @property
    def refused(self) -> Sequence[RefusedRow]:
        """Return the rows of the last call of `table` that were not applied."""

    def records(self, messages: Sequence[Message], /) -> None:
        """Take records of the input, in order. Called once for each run of them."""

    def table(self, messages: Sequence[Message], /) -> None:
        """Take rows of the table, in order."""

    def set_aside(self, message: Message, reason: Reason, detail: str, /) -> None:
        """Send one record's dead letter in place of what would become of it."""

    def tick(self, now_ms: int, /) -> bool:
        """Let wall-clock time close what it may; return whether there is something to commit (R17)."""

    def flush(self) -> Sequence[Change]:
        """Send what a commit sends; return the changelog's records as (key, value)."""

    def limit_outputs(self, max_bytes: int, /) -> None:
        """Hear how large an enriched click may be."""


class Applier(Protocol):
    """Applies logs to the store of a task that is restored; each batch is atomic with the offset after it."""

    def changelog(self, messages: Sequence[Message], /) -> None:
        """Apply changelog records. Raises StateCorrupted."""

    def profiles(self, messages: Sequence[Message], /) -> list[RefusedRow]:
        """Apply rows of the table; return those that are refused."""

    def caught_up(self, changelog_offset: int, profiles_offset: int, at_ms: int, /) -> None:
        """Note that both were read up to here, as of `at_ms` (R14)."""

    def finish(self, position: Position | None, changelog_offset: int, at_ms: int, /) -> None:
        """Close an owner's restore: the state belongs to `position` (R19)."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a pipeline. Topics have as many partitions as the pipeline; task p reads partition p."""

    name: str
    input: str  # topic; a task's position is the offset of its next record there
    line: Callable[[TaskStore, int, StageOutputs, int], Line]  # of store, partition, outputs, cached users
    applier: Callable[[TaskStore, int], Applier]  # of store and partition; may raise LayoutChanged
    changelog: str | None = None  # topic of the state's changes; None: the task keeps nothing
    state_ms: int = 0  # how far back the state reaches: the changelog must hold as much
    table: str | None = None  # compacted topic that is read into the state beside the input
    table_name: str = "table"  # for metrics and client ids
    waits_for_snapshot: bool = (
        False  # the first record waits until the table holds what it must (restoring/gates.py)
    )
    outputs: tuple[str, ...] = ()  # other topics that its tasks write to
    spread: frozenset[str] = frozenset()  # of them, those where a task writes to any partition
    skips_lost_input: bool = False  # where its position is not in the log, a task goes on at the log's start
    grace_ms: int = 0  # stream time may lead the clock by so much

    def input_of(self, partition: int) -> tuple[str, int]:
        """Return the log that a task's position speaks of."""
        return self.input, partition

    def topics(self) -> tuple[str, ...]:
        """Return the topics whose partitions are the tasks' by number."""
        return tuple(topic for topic in (self.input, self.table, self.changelog) if topic is not None)


Stages: TypeAlias = Mapping[str, Stage]  # by name, in the order in which they process


def by_name(*stages: Stage) -> Stages:
    """Return a pipeline's stages."""
    return {stage.name: stage for stage in stages}
