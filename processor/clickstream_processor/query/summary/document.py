"""The summary as it is sent, and as /openapi.json describes it. Pure.

The classes have the names of the API's schemas; a field's description is the API's documentation.
"""

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from clickstream_processor.query.http.answer_part import AnswerPart, Count
from clickstream_processor.query.summary.report import Rates

Ordinal = Annotated[int, Meta(ge=0, description="Ordinal of a pod")]
AtMs = Annotated[int, Meta(description="Wall clock, ms since the epoch")]
SeenMs = Annotated[int | None, Meta(description="Wall clock, ms since the epoch; null: never yet")]
Lag = Annotated[
    int | None,
    Meta(description="From the last commit to the end of the input, 0 or more; null while that is not known"),
]


class PipelineName(AnswerPart, frozen=True):
    """Which pipeline answers."""

    name: str
    namespace: str


class Totals(AnswerPart, frozen=True):
    """Sums over the pods that answered, since each pod's start."""

    clicks: Count
    enriched: Count
    filtered: Count
    duplicates: Count
    dead_lettered: Count
    dead_letters: Annotated[dict[str, Count], Meta(description="By reason")]
    profiles: Count
    commits: Count


class TotalLag(AnswerPart, frozen=True):
    """The sum of the tasks' lags in records, and the greatest in time."""

    records: Lag
    ms: Lag


class Task(AnswerPart, frozen=True):
    """One task: who should own it, and what that pod says of it."""

    task: Annotated[str, Meta(description="As the assignment names it", examples=["clicks-3"])]
    partition: Count
    owner: Annotated[int | None, Meta(description="Ordinal of the pod; null while nobody owns it")]
    standbys: tuple[Ordinal, ...]
    phase: Annotated[
        str,
        Meta(description="restoring, waiting, running or stopped; unknown: its owner did not say"),
    ]
    lag_records: Lag
    lag_ms: Lag
    standing_ms: Annotated[
        Count, Meta(description="For how long clicks have waited while the last commit did not move")
    ]
    stream_ms: Annotated[int, Meta(description="Stream time, ms since the epoch; -1 before the first click")]
    detail: Annotated[
        str, Meta(description="Why a task is stopped, or runs without a commit, and what to do")
    ]


class Pod(AnswerPart, frozen=True):
    """One pod. One that did not answer has only `ordinal` and `answered`."""

    ordinal: Ordinal
    answered: bool
    instance: str | UnsetType = UNSET
    ready: bool | UnsetType = UNSET
    owned: Count | UnsetType = UNSET
    standby: Count | UnsetType = UNSET
    clicks: Count | UnsetType = UNSET
    enriched: Count | UnsetType = UNSET
    dead_lettered: Count | UnsetType = UNSET
    brokers_seen_ms: SeenMs | UnsetType = UNSET
    routes_as_of_ms: SeenMs | UnsetType = UNSET
    commit_failures_in_a_row: Count | UnsetType = UNSET
    commit_error: str | UnsetType = UNSET
    rates: Rates | UnsetType = UNSET


class SetAside(AnswerPart, frozen=True):
    """One record that was set aside, by its place."""

    topic: str
    partition: Count
    offset: Count
    reason: Annotated[str, Meta(description="The dead letter's reason, or why a profile was refused")]
    error: Annotated[str, Meta(description="What was raised or answered")]
    at_ms: AtMs


class Incidents(AnswerPart, frozen=True):
    """The newest records that were set aside; at most 20 of each kind."""

    quarantined: tuple[SetAside, ...]
    refused_profiles: tuple[SetAside, ...]


Second = Annotated[
    tuple[float, ...], Meta(description="[at_ms, clicks, enriched, dead-lettered] of one second")
]


class Summary(AnswerPart, frozen=True):
    """The whole pipeline, at most a second old."""

    pipeline: PipelineName
    at_ms: AtMs
    answered_by: Ordinal
    partial: Annotated[bool, Meta(description="A pod did not answer in time: sums lack its share")]
    generation: Annotated[int, Meta(description="Of the newest assignment that a pod knows")]
    totals: Totals
    rates: Rates
    lag: TotalLag
    kafka_silent_ms: Annotated[
        int | None,
        Meta(description="Time since a broker answered any pod that answered, ms; null: none ever did"),
    ]
    tasks_without_owner: tuple[str, ...]
    tasks: tuple[Task, ...]
    pods: tuple[Pod, ...]
    incidents: Incidents
    history: Annotated[tuple[Second, ...], Meta(description="A stream's first summary has five minutes")]
