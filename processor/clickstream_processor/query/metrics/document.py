"""What the API says of metrics, as it is sent, and as /openapi.json describes it. Pure.

The classes have the names of the API's schemas; a field's description is the API's documentation.
"""

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from clickstream_processor.query.http.answer_part import AnswerPart, Count

Ms = Annotated[int, Meta(ge=0, description="Milliseconds")]
AtMs = Annotated[int, Meta(ge=0, description="Ms since the epoch")]
SinceMs = Annotated[
    int | None,
    Meta(
        description="Wall clock from which on all tasks count it, ms since the epoch; null: not all have "
        "begun. Windows that begin before are counted in part"
    ),
]
TimeMs = Annotated[
    int | None,
    Meta(description="Event time that all clicks have passed, ms since the epoch; null: not known yet"),
]
Partial = Annotated[bool, Meta(description="No pod answered for some tasks: what they hold is not in here")]
Value = int | float
KeyValue = str | int | bool | None


class WindowLengths(AnswerPart, frozen=True):
    """The windows of a metric."""

    size_ms: Ms
    advance_ms: Annotated[int, Meta(ge=0, description="From one window's start to the next one's, ms")]
    grace_ms: Ms
    retention_ms: Annotated[int, Meta(ge=0, description="How long a closed window is kept, ms")]


class MetricDescription(AnswerPart, frozen=True):
    """One metric of the pipeline."""

    name: str
    aggregate: Annotated[str, Meta(description="count, sum, min, max, avg or distinct")]
    of: Annotated[str, Meta(description="What counts: clicks, or sessions when they have closed")]
    value: Annotated[str, Meta(description="What is aggregated, CEL; empty where clicks are counted")]
    where: Annotated[str, Meta(description="Which of them count, CEL; empty: all")]
    by: Annotated[dict[str, str], Meta(description="The keys by name, CEL; none: one total")]
    window: WindowLengths
    emit: Annotated[str, Meta(description="What its topic gets: updates or final")]
    topic: Annotated[str | None, Meta(description="Where its results are sent; null: nowhere")]
    since_ms: SinceMs
    time_ms: TimeMs


class MetricList(AnswerPart, frozen=True):
    """The metrics of the pipeline, at most a second old."""

    metrics: tuple[MetricDescription, ...]
    partial: Partial


class ResultRow(AnswerPart, frozen=True):
    """What one window has for one key. Only a count of different values has `exact`, and then its bounds."""

    keys: Annotated[
        dict[str, KeyValue],
        Meta(description="The key's values by name; (other) stands for all keys beyond keys.max"),
    ]
    value: Value
    exact: Annotated[bool, Meta(description="False: the value is an estimate")] | UnsetType = UNSET
    lower: (
        Annotated[int, Meta(ge=0, description="Two standard deviations below the estimate")] | UnsetType
    ) = UNSET
    upper: (
        Annotated[int, Meta(ge=0, description="Two standard deviations above the estimate")] | UnsetType
    ) = UNSET


class ResultWindow(AnswerPart, frozen=True):
    """One window of a metric."""

    window_start: AtMs
    window_end: Annotated[int, Meta(ge=0, description="End (exclusive), ms since the epoch")]
    closed: Annotated[bool, Meta(description="Its values do not change any more; false while partial")]
    keys: Annotated[Count, Meta(description="How many keys match in this window, (other) not counted")]
    total: Annotated[
        Value | None,
        Meta(
            description="The aggregate over all keys that match; null where nothing matches, and of a count "
            "of different values by key"
        ),
    ]
    rows: Annotated[tuple[ResultRow, ...], Meta(description="The largest values, largest first")]


class MetricResult(AnswerPart, frozen=True):
    """Windows of one metric."""

    name: str
    aggregate: Annotated[str, Meta(description="count, sum, min, max, avg or distinct")]
    since_ms: SinceMs
    time_ms: TimeMs
    kept_from_ms: Annotated[
        int, Meta(ge=0, description="Windows that start before are no longer kept, and left out")
    ]
    as_of_ms: Annotated[
        int, Meta(description="When the oldest state read was last known complete, ms since the epoch")
    ]
    staleness_ms: Annotated[int, Meta(ge=0, description="The age of that state; 0: current")]
    partial: Partial
    missing_partitions: tuple[Count, ...]
    windows: Annotated[tuple[ResultWindow, ...], Meta(description="The earliest first")]
