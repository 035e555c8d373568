"""What the tests of topology and state share: records, captured outputs, committed state in a dict."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from clickstream_processor.state.changes import Change
from clickstream_processor.state.checkpoint import Checkpoint, Position
from clickstream_processor.state.overlay import TaskState
from clickstream_processor.state.reads import Steps
from clickstream_processor.state.store import TaskStore
from clickstream_processor.topology import keys
from clickstream_processor.topology.interfaces import Message
from clickstream_processor.topology.pipeline import Pipeline
from clickstream_processor.topology.plan import Plan
from confluent_kafka import Message as Record

T0 = 1_700_000_100_000  # the start of a 5-minute window
M1, M5 = 60_000, 300_000


T = TypeVar("T")


def read_whole(steps: Steps[T]) -> T:
    """Take all steps of a read at once."""
    while True:
        try:
            steps.send(None)
        except StopIteration as end:
            value: T = end.value
            return value


def record(key: bytes | None, value: bytes | None, offset: int = 0, record_ms: int = T0) -> Message:
    """Return a consumed record, of the client's own class."""
    made = Record(topic="t", partition=0, offset=offset, key=key, value=value, timestamp=(1, record_ms))  # type: ignore[call-overload,unused-ignore]
    return cast(Message, made)


def click(user: str, event_ms: int, offset: int = 0, record_ms: int | None = None, **fields: Any) -> Message:
    """Return a well-formed click; `fields` replace or add."""
    body = {"user_id": user, "page_url": "/p", "action": "view", "timestamp": event_ms} | fields
    return record(
        user.encode(), json.dumps(body).encode(), offset, event_ms if record_ms is None else record_ms
    )


def profile(user: str, offset: int = 0, **columns: Any) -> Message:
    """Return a profile record."""
    row = {
        "user_id": user,
        "name": user.title(),
        "email": None,
        "country": "USA",
        "plan_tier": "free",
    } | columns
    return record(user.encode(), json.dumps(row).encode(), offset)


@dataclass
class Captured:
    """Outputs kept in lists; values parsed."""

    clicks: list[tuple[dict[str, Any], bytes, int]] = field(default_factory=list)
    counts: list[tuple[dict[str, Any], bytes, int]] = field(default_factory=list)
    dead: list[tuple[int, str, str]] = field(default_factory=list)

    def enriched(self, value: str | bytes, key: bytes, timestamp_ms: int, /) -> None:
        self.clicks.append((json.loads(value), key, timestamp_ms))

    def metrics(self, value: str, key: bytes, timestamp_ms: int, /) -> None:
        self.counts.append((json.loads(value), key, timestamp_ms))

    def dead_letter(self, message: Message, reason: str, detail: str, /) -> None:
        self.dead.append((message.offset(), reason, detail))

    def windows(self) -> list[tuple[str, int, int, int]]:
        """Return (user, start, clicks, record time) of the user-metrics records, in order."""
        return [(v["user_id"], v["window_start"], v["clicks"], ms) for v, _, ms in self.counts]


class DictStore:
    """A task's committed state in a dict, with its checkpoint, in the place of a TaskStore."""

    def __init__(self) -> None:
        self.rows: dict[bytes, bytes] = {}
        self.checkpoint = Checkpoint()

    def get(self, key: bytes) -> bytes | None:
        return self.rows.get(key)

    def scan(self, first: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        yield from sorted((key, value) for key, value in self.rows.items() if first <= key < end)

    def write(
        self,
        changes: Iterable[Change],
        checkpoint: Checkpoint,
        *,
        expired: Iterable[tuple[bytes, bytes]] = (),
        erases: bool = False,  # noqa: ARG002 # a dict has no files
    ) -> None:
        for key, value in changes:
            if value is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = value
        chunks = keys.chunk_bound(0), keys.chunk_bound(checkpoint.dropped_before_ms)
        for first, end in (chunks, *expired):
            for key, _ in list(self.scan(first, end)):
                del self.rows[key]
        self.checkpoint = checkpoint

    def chunks(self) -> int:
        return sum(key.startswith(keys.CHUNK) for key in self.rows)


class DictState(TaskState):
    """The product's task state over a dict; of a store that was written, it goes on from there."""

    def __init__(self, plan: Plan, store: DictStore | None = None, cached_users: int = 100_000) -> None:
        self.store = store or DictStore()
        super().__init__(cast(TaskStore, self.store), plan, cached_users)


def commit(pipeline: Pipeline, state: DictState) -> list[tuple[bytes, bytes]]:
    """Commit as the worker does, without Kafka; return what goes to the changelog."""
    changes = pipeline.flush()
    position = Position(
        clicks=0,
        stream_ms=state.stream_ms,
        closed_ms=state.closed_ms,
        record_ms=state.record_ms,
        ahead_ms=state.ahead_ms,
    )
    state.commit(position, max(0, state.store.checkpoint.changelog_offset) + len(changes))
    return changes


def plan(**changes: Any) -> Plan:
    """Return a plan of one partition."""
    settings: dict[str, Any] = {"clicks_topic": "user-clicks", "partitions": 1} | changes
    return Plan(**settings)


def line(wanted: Plan | None = None, *, users: tuple[str, ...] = ("alice", "bob"), **parts: Any) -> Any:
    """Return (line, state, outputs) with profiles of `users`."""
    state = DictState(wanted or plan())
    outputs = Captured()
    made = Pipeline(state.plan, state, parts.pop("partition", 0), outputs, **parts)
    made.profiles([profile(user) for user in users])
    return made, state, outputs
