"""Runs the pure line as the runtime does: chunks of records, commits, crashes, over state in a dict.

For the tests of the semantics: vectors, the examples of semantics.md, the comparison with Kafka Streams.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from clickstream_expressions.expression import compile_filter, compile_outputs
from clickstream_processor.topology.interfaces import Message
from clickstream_processor.topology.pipeline import Pipeline
from clickstream_processor.topology.plan import Plan

from processor_support.lines.sample_line import DictState, DictStore, commit

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
        self.committed = DictStore()
        self.outputs: list[Output] = []
        self._filter = compile_filter(filter_)
        self._transform = compile_outputs(outputs or {})
        self._cached_users = cached_users
        self._start()

    def _start(self) -> None:
        """Begin, or begin again after a crash: from committed state alone."""
        self._state = DictState(self.plan, self.committed, self._cached_users)
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
        commit(self.pipeline, self._state)
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
