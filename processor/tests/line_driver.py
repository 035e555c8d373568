"""Runs the pure line as the runtime does: chunks of records, commits, crashes, over state in a dict.

For the tests of the semantics: vectors, the examples of docs/semantics.md, the comparison with Kafka Streams.
"""

import random
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from clickstream_expressions.expression import compile_filter, compile_outputs
from clickstream_processor.topology import keys
from clickstream_processor.topology.interfaces import Message
from clickstream_processor.topology.pipeline import Pipeline
from clickstream_processor.topology.plan import Plan
from clickstream_processor.topology.working import WorkingSet

CLICKS: Literal["clicks"] = "clicks"
PROFILES: Literal["profiles"] = "profiles"


@dataclass(frozen=True, slots=True)
class Event:
    """One record of an input topic."""

    topic: Literal["clicks", "profiles"]
    key: str | None
    value: str | None
    timestamp: int  # record time, ms


@dataclass(frozen=True, slots=True)
class Output:
    """One record of an output topic; ``after`` is the number of the event that was last read before it."""

    topic: str  # enriched, metrics, dead-letters
    key: str | None
    value: str | None
    timestamp: int
    after: int = -1
    reason: str = ""  # of a dead letter, as is the detail
    detail: str = ""


class Record:
    """An Event at its offset, in the shape of a consumed message."""

    def __init__(self, event: Event, offset: int) -> None:
        self._event, self._offset = event, offset

    def key(self) -> bytes | None:
        return None if self._event.key is None else self._event.key.encode()

    def value(self) -> bytes | None:
        return None if self._event.value is None else self._event.value.encode()

    def offset(self) -> int:
        return self._offset

    def timestamp(self) -> tuple[int, int]:
        return 1, self._event.timestamp


class DictState:
    """Committed state in a dict, ordered as a store is."""

    def __init__(self) -> None:
        self._entries: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        return self._entries.get(key)

    def scan(self, first: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        ordered = sorted(self._entries)
        for key in ordered[bisect_left(ordered, first) : bisect_left(ordered, end)]:
            yield key, self._entries[key]

    def write(self, changes: Sequence[tuple[bytes, bytes | None]]) -> None:
        for key, value in changes:
            if value is None:
                self._entries.pop(key, None)
            else:
                self._entries[key] = value

    def drop_before(self, chunk_start_ms: int) -> None:
        """As TaskStore does at a commit: forget expired chunks."""
        bound = keys.chunk_bound(chunk_start_ms)
        for key in [key for key in self._entries if keys.CHUNK <= key < bound]:
            del self._entries[key]

    def chunks(self) -> int:
        return sum(key.startswith(keys.CHUNK) for key in self._entries)


@dataclass
class Collected:
    """The line's Outputs."""

    records: list[Output] = field(default_factory=list)

    def enriched(self, value: str | bytes, key: bytes, timestamp_ms: int, /) -> None:
        text = value.decode() if isinstance(value, bytes) else value
        self.records.append(Output("enriched", key.decode(), text, timestamp_ms))

    def metrics(self, value: str, key: bytes, timestamp_ms: int, /) -> None:
        self.records.append(Output("metrics", key.decode(), value, timestamp_ms))

    def dead_letter(self, message: Message, reason: str, detail: str, /) -> None:
        key, value = message.key(), message.value()
        self.records.append(
            Output(
                "dead-letters",
                None if key is None else key.decode(),
                None if value is None else value.decode(),
                message.timestamp()[1],
                reason=reason,
                detail=detail,
            )
        )


class Task:
    """One task on one partition of one, with its committed state and its committed outputs."""

    def __init__(
        self,
        plan: Plan,
        filter_: str = 'click.action != "heartbeat"',
        outputs: dict[str, str] | None = None,
        cached_users: int = 100_000,
    ) -> None:
        self.plan = plan
        self.committed = DictState()
        self.outputs: list[Output] = []
        self._filter = compile_filter(filter_)
        self._transform = compile_outputs(outputs or {})
        self._cached_users = cached_users
        self._clocks = (-1, -1, -1, -1)
        self._start()

    def _start(self) -> None:
        """Begin, or begin again after a crash: from committed state alone."""
        stream_ms, closed_ms, record_ms, ahead_ms = self._clocks
        self._state = WorkingSet(self.committed, self.plan, stream_ms, closed_ms, self._cached_users)
        self._state.record_ms, self._state.ahead_ms = record_ms, ahead_ms
        self._collected = Collected()
        self.pipeline = Pipeline(
            self.plan, self._state, 0, self._collected, keep=self._filter, transform=self._transform
        )

    def read(self, topic: str, records: Sequence[Record]) -> None:
        (self.pipeline.clicks if topic == CLICKS else self.pipeline.profiles)(records)

    def tick(self, now_ms: int) -> None:
        self.pipeline.tick(now_ms)

    def commit(self, after: int = -1) -> list[Output]:
        """Commit, and return what became visible by it."""
        state = self._state
        state_changes: list[tuple[bytes, bytes | None]] = list(self.pipeline.flush())
        state_changes += [(keys.profile_key(key), value) for key, value in state.pending_profiles.items()]
        self.committed.write(state_changes)
        self.committed.drop_before(self.plan.expired_before_ms(state.stream_ms))
        self._clocks = state.stream_ms, state.closed_ms, state.record_ms, state.ahead_ms
        state.settle()
        visible = [replace(output, after=after) for output in self._collected.records]
        self._collected.records.clear()
        self.outputs += visible
        return visible

    def crash(self) -> None:
        """Lose everything since the last commit, caches included."""
        self._start()


def run(task: Task, events: Sequence[Event], random_: random.Random, crashes: bool = True) -> list[int]:
    """Read the events in chunks of random length with commits and crashes between; return where commits were.

    A commit after event n is in the list as n + 1: the number of events it covers.
    """
    offsets = {CLICKS: 0, PROFILES: 0}
    records = []
    for event in events:
        records.append(Record(event, offsets[event.topic]))
        offsets[event.topic] += 1
    commits = []
    committed = at = 0
    while at < len(events):
        end = min(len(events), at + int(random_.expovariate(1 / 40)) + 1)
        while at < end:
            stop = at + 1
            while stop < end and events[stop].topic == events[at].topic:
                stop += 1
            task.read(events[at].topic, records[at:stop])
            at = stop
        choice = random_.random()
        if choice < 0.02 and crashes:
            task.crash()
            at = committed
        elif choice < 0.4 or at == len(events):
            task.commit(after=at - 1)
            committed = at
            commits.append(at)
    return commits
