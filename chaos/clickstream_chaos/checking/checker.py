"""Reads inputs and outputs as any consumer of committed data would, and compares with the model."""

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from clickstream_local.pipeline.reading import end_offsets, reader
from confluent_kafka import KafkaError, Message, TopicPartition

from clickstream_chaos.checking.arrived import ERASURE, Arrived, erasure_in
from clickstream_chaos.checking.database import State
from clickstream_chaos.checking.model import AHEAD, Expected, Input, Model, unreadable
from clickstream_chaos.checking.visits import Visits
from clickstream_chaos.load.odd import HEADER, is_odd_user
from clickstream_chaos.waiting import NotInTime

READ = ("clicks", "enriched", "metrics", "dead", "actions", "sessions")  # the topics that a checker reads
ARRIVALS = "arrivals"  # and this one, where clicks come with any key
REPLAY_OF = "replay-of"  # the header of a replayed click: TOPIC-PARTITION-OFFSET of its first place
MAX_EXAMPLES = 8
READ_S = 120.0


class Topic:
    """Reads one topic's committed records from the start, as far as they have come."""

    def __init__(self, bootstrap: str, topic: str, partitions: int) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._positions = dict.fromkeys(range(partitions), 0)

    def read(self) -> Iterator[Message]:
        """Return the records up to the last stable offsets as of now. Raises NotInTime.

        By a client of its own: brokers go away on purpose, and what a client keeps of them may be old.
        """
        deadline_s = time.monotonic() + READ_S
        ends = end_offsets(self._bootstrap, self._topic, READ_S, committed=True)
        with reader(self._bootstrap, log_level="0") as consumer:
            consumer.assign([TopicPartition(self._topic, p, at) for p, at in self._positions.items()])
            while any(self._positions[p] < end for p, end in ends.items()):
                if time.monotonic() > deadline_s:
                    raise NotInTime(f"{self._topic}: read to {self._positions}, not to {ends}")
                yield from self._take(consumer.consume(5_000, 0.2))

    def _take(self, messages: list[Message]) -> Iterator[Message]:
        for message in messages:
            error, partition, offset = message.error(), message.partition(), message.offset()
            if partition is None or offset is None:
                continue
            if error is None:
                self._positions[partition] = offset + 1
                yield message
            elif error.code() == KafkaError._PARTITION_EOF:
                self._positions[partition] = offset


def _headers(message: Message) -> dict[str, str]:
    pairs: Any = message.headers() or []  # the client's stubs allow more shapes than it returns
    return {name: (value or b"").decode(errors="replace") for name, value in pairs}


def _input(message: Message) -> Input:
    headers = _headers(message)
    if ERASURE in headers:
        return erasure_in(message)
    _, *first = headers.get(REPLAY_OF, "").rsplit("-", 2)
    return Input(
        message.partition() or 0,
        message.offset() or 0,
        message.key(),
        message.value(),
        message.timestamp()[1],
        headers.get(HEADER, ""),
        (int(first[0]), int(first[1])) if first else None,
        bool(first),
    )


@dataclass(slots=True)
class Verdict:
    """What does not agree. `missing` may still come; the rest is final."""

    clicks: int = 0
    missing: int = 0
    doubled: int = 0
    contradictions: int = 0
    examples: list[str] = field(default_factory=list)

    def note(self, kind: str, text: str, count: int = 1) -> None:
        """Count a disagreement."""
        setattr(self, kind, getattr(self, kind) + count)
        if len(self.examples) < MAX_EXAMPLES:
            self.examples.append(f"{kind}: {text}")

    def wrong(self) -> bool:
        """Tell whether something is wrong that time cannot fix."""
        return bool(self.doubled or self.contradictions)

    def complete(self) -> bool:
        """Tell whether all is there, and right."""
        return not (self.missing or self.wrong())


class Checker:
    """Compares again and again; each `check` reads what has come since the last."""

    def __init__(
        self,
        bootstrap: str,
        topics: dict[str, str],
        partitions: int,
        profiles: dict[str, dict[str, Any]],
        window_ms: int,
        grace_ms: int,
        added: Mapping[str, Any] | None = None,
        *,
        dedup: bool = False,
    ) -> None:
        """`topics`: the names of those in READ, `actions` and `sessions` only where there are such; ARRIVALS.

        `added`: fields of the transform. `dedup`: clicks of one message id are one.
        """
        self._topics = {name: Topic(bootstrap, topic, partitions) for name, topic in topics.items()}
        self._arrived = Arrived() if ARRIVALS in topics else None
        self._model = Model(
            topics["clicks"],
            profiles,
            window_ms,
            grace_ms,
            added or {},
            any_key=self._arrived is not None,
            dedup=dedup,
        )
        self._profiles = profiles
        self._clicks_topic = topics["clicks"]
        self._window_ms = window_ms
        self._partitions_of: dict[str, int] = {}  # user -> partition
        self._clicks = 0
        self._enriched: Counter[str] = Counter()
        self._values: dict[str, dict[str, Any]] = {}
        self._dead: Counter[tuple[int, int]] = Counter()
        self._reasons: dict[tuple[int, int], str] = {}
        self._counts: dict[tuple[str, int], int] = {}
        self._actions: dict[tuple[str, int], int] = {}  # (action, window start) -> the metric's last value
        self._visits = Visits()
        self._waiting: list[Input] = []  # clicks that were not moved
        self._backwards: list[str] = []
        self._falls: Counter[tuple[str, int]] = Counter()  # user, window start: how often a count fell

    def check(self) -> Verdict:
        """Read on and return the verdict on everything so far.

        Outputs are read first, so that no click is missed that an output already speaks of.
        """
        self._read_outputs()
        moved = [] if self._arrived is None else list(self._topics[ARRIVALS].read())
        inputs = [_input(message) for message in self._topics["clicks"].read()]
        self._clicks += len(inputs)
        verdict = Verdict(clicks=self._clicks)
        if self._arrived is not None:
            inputs = self._in_order(verdict, self._arrived, moved, inputs)
            keys = {
                i.place: str(json.loads(i.value or b"")["user_id"]) for i in inputs if i.place and not i.odd
            }
            self._partitions_of |= {keys[i.place]: i.partition for i in inputs if i.place in keys}
        else:
            named = [i for i in inputs if i.key is not None and not i.odd]
            self._partitions_of |= {(i.key or b"").decode(): i.partition for i in named}
        self._model.feed(inputs)
        self._check_enriched(verdict, self._model.expected)
        self._check_dead(verdict, self._model.expected)
        self._check_counts(verdict, self._model.expected)
        if "actions" in self._topics:
            self._check_actions(verdict, self._model.expected)
        if "sessions" in self._topics:
            expected = self._model.expected
            for kind, text, count in self._visits.differences(expected.remembered(), expected.erasures):
                verdict.note(kind, text, count)
        self._check_odd(verdict, self._model.expected)
        return verdict

    def _in_order(
        self, verdict: Verdict, arrived: Arrived, moved: list[Message], clicks: list[Input]
    ) -> list[Input]:
        """Return what is new of clicks with any key, as it is processed: a click waits until it was moved.

        What nobody can read, and odd records, need not be moved: they come out as letters, too.
        """
        self._waiting += clicks
        ready = list(arrived.take(moved, clicks))
        ready += [i for i in clicks if (i.odd and i.odd != AHEAD) or (not i.odd and unreadable(i.value))]
        verdict.doubled += len(arrived.doubled)
        verdict.examples += [f"doubled: {place} was moved twice" for place in arrived.doubled[:3]]
        self._waiting = list(arrived.refused(self._waiting))
        lost = [i for i in self._waiting if not i.odd and not unreadable(i.value)]
        for click in lost:
            verdict.note("missing", f"{click.first} is not moved")
        return ready

    def odd_open(self) -> list[str]:
        """Return the kinds and places of odd records that have not come out."""
        return [
            f"{kind} at {place}" for place, kind in self._model.expected.odd.items() if not self._out(place)
        ]

    def repeated(self) -> int:
        """Return how many clicks were there before."""
        return self._model.expected.repeated

    def counts(self) -> dict[tuple[str, int], int]:
        """Return the true counts by user and window start."""
        return self._model.expected.counts

    def erased(self) -> set[str]:
        """Return the users who were erased."""
        return set(self._model.expected.erasures)

    def gone(self) -> set[str]:
        """Return the users who were erased, and of whom nothing came since."""
        return self._model.expected.gone()

    def state_of(self, partition: int) -> State:
        """Return what the task of a partition must have on disk."""
        return State(
            self._profiles,
            {
                key: count
                for key, count in self._model.expected.counts.items()
                if self._partitions_of[key[0]] == partition
            },
            {name for name, at in self._partitions_of.items() if at == partition},
        )

    def _read_outputs(self) -> None:
        for message in self._topics["enriched"].read():
            value = json.loads(message.value() or b"{}")
            self._enriched[value["event_id"]] += 1
            self._values[value["event_id"]] = value
        for message in self._topics["dead"].read():
            headers = _headers(message)
            if headers["reason"] == "profile-refused":
                continue  # of the profiles' topic, not a click
            place = int(headers["source-partition"]), int(headers["source-offset"])
            self._dead[place] += 1
            self._reasons[place] = headers["reason"]
        for message in self._topics["metrics"].read():
            value = json.loads(message.value() or b"{}")
            key, count = (value["user_id"], value["window_start"]), value["clicks"]
            if is_odd_user(value["user_id"]):
                continue
            if count <= self._counts.get(key, 0):
                self._falls[key] += 1
            self._counts[key] = count
        for message in self._topics["actions"].read() if "actions" in self._topics else ():
            value = json.loads(message.value() or b"{}")
            key, count = (value["keys"]["action"], value["window_start"]), value["value"]
            if count <= self._actions.get(key, 0):
                self._backwards.append(f"action {key} goes from {self._actions[key]} to {count}")
            self._actions[key] = count

        if "sessions" in self._topics:
            self._visits.take(self._topics["sessions"].read())

    def _check_enriched(self, verdict: Verdict, expected: Expected) -> None:
        for event_id, value in expected.enriched.items():
            times = self._enriched.get(event_id, 0)
            if times == 0:
                verdict.note("missing", f"enriched {event_id}")
            elif times > 1:
                verdict.note("doubled", f"enriched {event_id} is there {times} times", times - 1)
            elif self._values[event_id] != value:
                verdict.note("contradictions", f"enriched {self._values[event_id]} should be {value}")
        odd = {self._event_id(place) for place in expected.odd}
        for event_id in self._enriched.keys() - expected.enriched.keys() - odd:
            verdict.note("contradictions", f"enriched {event_id} should not be there")

    def _check_dead(self, verdict: Verdict, expected: Expected) -> None:
        for place, reason in expected.dead.items():
            times = self._dead.get(place, 0)
            if times == 0:
                verdict.note("missing", f"dead letter {place} ({reason})")
            elif times > 1:
                verdict.note("doubled", f"dead letter {place} is there {times} times", times - 1)
            elif self._reasons[place] != reason:
                verdict.note("contradictions", f"dead letter {place}: {self._reasons[place]}, not {reason}")
        for place in self._dead.keys() - expected.dead.keys() - expected.odd.keys():
            verdict.note("contradictions", f"dead letter {place} should not be there")

    def _check_odd(self, verdict: Verdict, expected: Expected) -> None:
        """An odd record is an enriched click or a dead letter, once; a late click is both."""
        for place, kind in expected.odd.items():
            enriched, dead = self._enriched.get(self._event_id(place), 0), self._dead.get(place, 0)
            late = self._reasons.get(place) == "late"
            if not self._out(place):
                verdict.note("missing", f"odd record {kind} at {place}")
            elif (enriched, dead) not in ([(1, 1)] if late else [(1, 0), (0, 1)]):
                text = f"odd record {kind} at {place}: {enriched} times enriched, {dead} dead letters"
                verdict.note("doubled", text)

    def _out(self, place: tuple[int, int]) -> bool:
        """Tell whether something of a record has come out."""
        return bool(self._enriched.get(self._event_id(place), 0) or self._dead.get(place, 0))

    def _event_id(self, place: tuple[int, int]) -> str:
        return f"{self._clicks_topic}-{place[0]}-{place[1]}"

    def _check_counts(self, verdict: Verdict, expected: Expected) -> None:
        """A count grows, but begins anew once its user is erased: until then the old one is the last."""
        for text in self._backwards:
            verdict.note("contradictions", f"count of {text}")
        for key, falls in self._falls.items():
            if falls > expected.erasures[key[0]]:
                verdict.note("contradictions", f"count of {key} fell {falls} times")
        for key, count in expected.counts.items():
            seen = self._counts.get(key, 0)
            if seen < count or count < seen <= expected.forgotten.get(key, 0):
                verdict.note("missing", f"count of {key} is {seen}, not {count}")
            elif seen > count:
                verdict.note("contradictions", f"count of {key} is {seen}, not {count}")
        for key in self._counts.keys() - expected.counts.keys():
            if self._counts[key] > expected.forgotten.get(key, 0):
                verdict.note("contradictions", f"count of {key} should not be there")

    def _check_actions(self, verdict: Verdict, expected: Expected) -> None:
        """The metric has each enriched click once, also one that is late for its user."""
        true = Counter(
            (click["action"], click["timestamp"] // self._window_ms * self._window_ms)
            for click in expected.enriched.values()
        )
        for key, count in true.items():
            seen = self._actions.get(key, 0)
            if seen < count:
                verdict.note("missing", f"metric of {key} is {seen}, not {count}", count - seen)
            elif seen > count:
                verdict.note("doubled", f"metric of {key} is {seen}, not {count}", seen - count)
        for key in self._actions.keys() - true.keys():
            verdict.note("contradictions", f"metric of {key} should not be there")
