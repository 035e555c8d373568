"""Kafka Streams as the oracle of metrics and sessions: MetricOracle in bench/kafka-streams.

One process for many cases. It shares no code with the aggregation, and is told no expressions: a click comes
with the text of its group and of its value, as whoever asks has worked them out.
"""

import json
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from clickstream_local.parts.kafka_streams import java

# The groups of clicks that no window has: they move the time all the same.
LEFT_OUT = "left out"  # by `where`
FAILED = "failed"  # an expression has no value

Place = tuple[int, str]  # a window's start and the text of its group


@dataclass(frozen=True, slots=True)
class Windowed:
    """A metric as Kafka Streams is to count it; tumbling where the advance is the size."""

    kind: str
    size_ms: int
    advance_ms: int
    grace_ms: int
    emit: Literal["updates", "final"] = "updates"


@dataclass(frozen=True, slots=True)
class Sessions:
    """Sessions as Kafka Streams is to count them. `retention_ms` is the store's; None: its default."""

    gap_ms: int
    grace_ms: int
    retention_ms: int | None = None
    kind: Literal["sessions"] = "sessions"


@dataclass(frozen=True, slots=True)
class Click:
    """A click as the oracle reads it."""

    user: str
    timestamp: int
    group: str = ""  # of a metric: the JSON list of its key's values
    value: str = ""  # of a metric: a decimal, or whatever is told apart; of a session: the page


@dataclass(frozen=True, slots=True)
class Update:
    """A new value of one window and key; None: a session that is there no more."""

    after: int  # the number of the click that caused it
    key: str
    start: int
    end: int
    value: str | None


def updates_of(runs: Sequence[tuple[Windowed | Sessions, Sequence[Click]]]) -> list[list[Update]]:
    """Return each run's updates in the order in which Kafka Streams wrote them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = []
        for number, (what, clicks) in enumerate(runs):
            events, outputs = folder / f"{number}.events", folder / f"{number}.outputs"
            events.write_text("".join(json.dumps(asdict(each)) + "\n" for each in clicks))
            lines.append(json.dumps(asdict(what) | {"events": str(events), "outputs": str(outputs)}) + "\n")
        file = folder / "runs"
        file.write_text("".join(lines))
        subprocess.run(
            java("MetricOracle", str(file), options=["-XX:+UseSerialGC"]), check=True, timeout=1_800
        )
        return [_read(folder / f"{number}.outputs") for number in range(len(runs))]


def _read(file: Path) -> list[Update]:
    with file.open() as lines:
        return [Update(**json.loads(line)) for line in lines]


@dataclass(frozen=True, slots=True)
class Truth:
    """What Kafka Streams says of one metric."""

    values: dict[Place, str]  # the last value of each window and group
    told: list[Place]  # each update, in order: with `emit: final` each window once
    late: int  # clicks whose pane was closed for their partition


def truths(cases: Sequence[tuple[Windowed, Sequence[Sequence[Click]]]]) -> list[Truth]:
    """Return what is true of each metric, given the clicks of each clicks partition in their order.

    Here a click is late for its pane, by the time of its own partition. For windows that tumble Kafka Streams
    has the same rule for one partition: it gets all clicks, and judges each. For the rest it is asked twice.
    First, for each partition alone, which clicks it counts in tumbling windows of one pane. Then those clicks
    go into the windows: in their order where there is one partition, else in the order of time, for behind a
    repartition topic those of a partition that is behind would be late. `told` then is of no use.
    """
    panes: list[tuple[Windowed | Sessions, Sequence[Click]]] = []
    for metric, partitions in cases:
        pane = Windowed("count", metric.advance_ms, metric.advance_ms, metric.grace_ms)
        panes += [(pane, clicks) for clicks in partitions]
    answers = iter(updates_of(panes))
    runs: list[tuple[Windowed | Sessions, Sequence[Click]]] = []
    late = []
    for metric, partitions in cases:
        counted = [[clicks[each.after] for each in next(answers)] for clicks in partitions]
        late.append(sum(map(_judged, partitions)) - sum(map(_judged, counted)))
        if len(partitions) > 1:
            in_order = sorted((click for each in counted for click in each), key=lambda each: each.timestamp)
            runs.append((replace(metric, emit="updates"), in_order))
        else:
            tumbling = metric.advance_ms == metric.size_ms
            runs.append((metric, partitions[0] if tumbling else counted[0]))
    return [
        Truth(last_values(updates), [(each.start, each.key) for each in updates if _counts(each.key)], number)
        for updates, number in zip(updates_of(runs), late, strict=True)
    ]


def last_values(updates: Iterable[Update]) -> dict[Place, str]:
    """Return the last value of each window and group of clicks that count."""
    return {
        (each.start, each.key): each.value for each in updates if _counts(each.key) and each.value is not None
    }


def _counts(group: str) -> bool:
    return group not in (LEFT_OUT, FAILED)


def _judged(clicks: Sequence[Click]) -> int:
    """Return how many clicks are counted as late where they are: what `where` leaves out never is."""
    return sum(click.group != LEFT_OUT for click in clicks)


def group_text(values: Iterable[Any]) -> str:
    """Return the text of a key's values."""
    return json.dumps(list(values), ensure_ascii=False)


def value_text(kind: str, value: Any) -> str:
    """Return the text of a click's value: all digits of a number."""
    if kind == "count":
        return ""
    return json.dumps(value) if kind == "distinct" else str(Decimal(value))


def is_value(kind: str, result: Mapping[str, Any], true: str) -> bool:
    """Tell whether a result record has the value that Kafka Streams has.

    A double is the nearest one to the exact value, but a mean may be one step from it: sum and division
    round. An estimate of different values is within four standard errors.
    """
    value = result["value"]
    if kind in ("count", "distinct"):
        number = len(json.loads(true)) if kind == "distinct" else int(true)
        exact = kind == "count" or result["exact"]
        return bool(value == number if exact else abs(value - number) <= 4 * 0.0163 * number)
    if kind == "avg":
        total, count = true.split(" ")
        mean = Fraction(total) / int(count)
        return bool(abs(Fraction(value) - mean) <= abs(mean) / 2**52)
    return bool(value == Fraction(true) if isinstance(value, int) else value == float(Fraction(true)))
