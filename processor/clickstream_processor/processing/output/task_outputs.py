"""Where a task's line sends its results: closures that give each record to the pod's current producer.

The producer binds them when a task starts, and again after each new producer (producer.py). They are closures
over the client's `produce`, as the line calls them once for each click.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from clickstream_processor.processing.output.letters import letter
from clickstream_processor.settings.settings import Topics
from clickstream_processor.topology.arrived import Arrived
from clickstream_processor.topology.interfaces import Message
from clickstream_processor.topology.records.records import Reason
from clickstream_processor.topology.records.replayed import Place

# Reasons of dead letters that the quarantine writes in place of a click's outputs.
QUARANTINE = frozenset({Reason.PROCESSING_FAILED.value, Reason.OUTPUT_REFUSED.value})


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record the brokers did not take, for what it is."""

    offset: (
        int | None
    )  # of the click whose output or letter it is; None: a count or state, of one click or many
    error: str  # names the topic


class TaskOutputs:
    """A task's outputs. Until they are bound, and once the producer is given up, no line may run.

    While the task is careful (quarantine.py) each record that goes out reports a refusal with `at`.
    """

    __slots__ = (
        "at",
        "bare",
        "careful",
        "dead_letter",
        "enriched",
        "metrics",
        "partition",
        "refusals",
        "refused_profile",
        "send",
        "set_aside",
        "source",
        "table",
    )

    def __init__(self, partition: int, source: str, table: str) -> None:
        """`source`, `table`: the topics that the task's dead letters come from."""
        self.partition = partition
        self.source, self.table = source, table
        self.careful = False
        self.at: int | None = None  # the offset of the click in hand; None: counts and state are written
        self.bare = False  # the next letter goes without its payload
        self.refusals: list[Refusal] = []
        self.set_aside: list[tuple[Place, str, str]] = []  # where the record is, reason, detail
        self.unbind()

    def unbind(self) -> None:
        """Let go of the producer, so that it can be destroyed elsewhere."""
        self.enriched: Callable[[str | bytes, bytes, int], None] = _unbound
        self.metrics: Callable[[str, bytes, int], None] = _unbound
        self.dead_letter: Callable[[Any, str, str], None] = _unbound
        self.send: Callable[..., None] = _unbound
        self.refused_profile: Callable[[Any, str, str], None] = _unbound

    def bind(
        self,
        produce: Callable[..., None],
        topics: Topics,
        max_bytes: Callable[[str], int],
        *,
        careful: bool,
    ) -> None:
        """Send through `produce` from here on. `max_bytes` tells what a topic takes."""
        partition = self.partition
        enriched_topic, metrics_topic = topics.enriched, topics.metrics

        def enriched(value: str | bytes, key: bytes, timestamp_ms: int, /) -> None:
            produce(enriched_topic, value, key, partition, None, None, timestamp_ms)

        def counts(value: str, key: bytes, timestamp_ms: int, /) -> None:
            produce(metrics_topic, value, key, partition, None, None, timestamp_ms)

        def set_aside(source: str, message: Message, reason: str, detail: str, /) -> None:
            place = (
                message.place if isinstance(message, Arrived) else Place(source, partition, message.offset())
            )
            made = letter(
                message,
                reason,
                detail,
                place.topic,
                place.partition,
                max_bytes=max_bytes(topics.dead_letters),
                bare=self.bare,
                again=message.again if isinstance(message, Arrived) else None,
            )
            produce(
                topics.dead_letters,
                made.value,
                made.key,
                partition,
                None,
                None,
                made.timestamp_ms,
                made.headers,
            )
            if reason in QUARANTINE:
                self.set_aside.append((place, reason, detail))

        self.enriched, self.metrics, self.send = enriched, counts, produce
        self.dead_letter = partial(set_aside, self.source)
        self.refused_profile = partial(set_aside, self.table)
        self.careful, self.at, self.refusals = careful, None, []


def _unbound(*_: Any) -> None:
    raise AssertionError("a task's outputs are bound before its line runs")
