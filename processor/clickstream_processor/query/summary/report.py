"""What one pod says of itself to its peers: totals, rates of the last seconds, its tasks.

The record travels between pods of different versions during a roll-out: fields are only ever added, with
a default, and unknown ones are ignored (msgspec's rule for structs).
"""

import time
from collections import deque
from collections.abc import Callable

import msgspec

from clickstream_processor.backlog import Backlog
from clickstream_processor.commit_health import CommitHealth, standing_text
from clickstream_processor.directory import Directory, Phase, ProcessTotals, Role, TaskView
from clickstream_processor.incidents import KEPT, Incident

_SAMPLE_S = 1.0
_RATE_SAMPLES = 5  # rates are means over five seconds: one second flickers with the commits
HISTORY_SAMPLES = 300  # five minutes of chart for somebody who opens the page
UNKNOWN_MS = 0  # a time between pods that is not known; their versions may differ, so it is no null
NEWEST_SAMPLES = 5  # in every report: a stream that misses seconds still draws them


class HeldTask(msgspec.Struct, frozen=True):
    """One task as a pod holds it.

    A lag that is not known is left out, not 0: an owner's from its last commit to the end of the input, a
    standby's in records of the changelog. `standing_ms`: for how long clicks wait without a commit.
    """

    role: str
    phase: str
    epoch: int = 0
    lag_records: int | msgspec.UnsetType = msgspec.UNSET
    lag_ms: int | msgspec.UnsetType = msgspec.UNSET
    as_of_ms: int = 0
    stream_ms: int = -1
    detail: str = ""
    restore_records: int = 0  # while it restores: still to read
    standing_ms: int = 0


class Rates(msgspec.Struct, frozen=True):
    """Per second; `cpu` is in processor cores."""

    clicks: float = 0.0
    enriched: float = 0.0
    filtered: float = 0.0
    dead_lettered: float = 0.0
    queries: float = 0.0
    cpu: float = 0.0


class Sample(msgspec.Struct, frozen=True, array_like=True):
    """One second of a pod's life, for charts; array-like to keep five minutes small."""

    at_ms: int
    clicks: float
    enriched: float
    dead_lettered: float


class CommitReport(msgspec.Struct, frozen=True):
    """Whether a pod's commits get through; see CommitHealth."""

    failures_in_a_row: int = 0
    failing_since_ms: int = 0
    committed_ms: int = 0
    error: str = ""
    error_ms: int = 0


class PodReport(msgspec.Struct, frozen=True):
    """One pod's answer to ``GET /peer/totals``."""

    ordinal: int
    instance: str
    at_ms: int
    ready: bool
    generation: int
    owners: tuple[int | None, ...]
    standbys: tuple[tuple[int, ...], ...]
    routes_as_of_ms: int
    brokers_seen_ms: int
    clicks: int
    enriched: int
    filtered: int
    dead_lettered: dict[str, int]
    profiles: int
    commits: int
    rates: Rates
    tasks: dict[str, HeldTask]
    history: tuple[Sample, ...] = ()
    version: int = 1
    commit_health: CommitReport = CommitReport()
    quarantined: tuple[Incident, ...] = ()  # the newest, as are these
    refused_profiles: tuple[Incident, ...] = ()
    duplicates: int = 0


def of_task(view: TaskView, lag: Backlog, commits: CommitHealth) -> HeldTask:
    """Return what a peer may know of a task."""
    owner = view.role is Role.OWNER
    records, ms = (lag.records, lag.ms) if owner else (view.restore_records, 0)
    standing_ms = lag.stands_ms if owner else 0
    detail = view.detail
    if owner and not detail and (view.phase is Phase.RUNNING or commits.failures):
        detail = standing_text(standing_ms, commits.error)
    return HeldTask(
        role=view.role.value,
        phase=view.phase.value,
        epoch=view.epoch,
        lag_records=msgspec.UNSET if records is None else records,
        lag_ms=msgspec.UNSET if ms is None else ms,
        as_of_ms=view.as_of_ms or UNKNOWN_MS,
        stream_ms=view.stream_ms,
        detail=detail,
        restore_records=view.restore_records,
        standing_ms=standing_ms,
    )


def of_commits(health: CommitHealth) -> CommitReport:
    """Return what a peer may know of a pod's commits."""
    return CommitReport(
        health.failures, health.failing_since_ms, health.committed_ms, health.error, health.error_ms
    )


class PodReporter:
    """Keeps five minutes of this pod's rates and makes its PodReport. ``sample`` is called once a second."""

    def __init__(self, directory: Directory, queries: Callable[[], int]) -> None:
        self.ordinal = directory.ordinal
        self._directory = directory
        self._queries = queries
        self._samples: deque[tuple[float, ProcessTotals, int]] = deque(maxlen=_RATE_SAMPLES + 1)
        self._history: deque[Sample] = deque(maxlen=HISTORY_SAMPLES)

    def sample(self, monotonic_s: float, now_ms: int) -> None:
        """Take the counters of this moment, near a full second by the wall clock.

        A negative rate (the counters began again) is taken as nothing.
        """
        totals = self._directory.totals
        at_ms = (now_ms + 500) // 1000 * 1000
        if self._history and self._history[-1].at_ms >= at_ms:
            return  # woken a moment early, or the clock was set back: this second is taken
        if self._samples:
            before_s, before, _ = self._samples[-1]
            span = max(monotonic_s - before_s, 1e-3)
            self._history.append(
                Sample(
                    at_ms,
                    _rate(totals.clicks - before.clicks, span),
                    _rate(totals.enriched - before.enriched, span),
                    _rate(_dead(totals) - _dead(before), span),
                )
            )
        self._samples.append((monotonic_s, totals, self._queries()))

    def rates(self) -> Rates:
        """Return the mean rates over the last five samples."""
        if len(self._samples) < 2:
            return Rates()
        (first_s, first, first_queries), (last_s, last, last_queries) = self._samples[0], self._samples[-1]
        span = max(last_s - first_s, 1e-3)
        return Rates(
            clicks=_rate(last.clicks - first.clicks, span),
            enriched=_rate(last.enriched - first.enriched, span),
            filtered=_rate(last.filtered - first.filtered, span),
            dead_lettered=_rate(_dead(last) - _dead(first), span),
            queries=_rate(last_queries - first_queries, span),
            cpu=round(max(last.cpu_s - first.cpu_s, 0.0) / span, 3),
        )

    def report(self, *, history: bool = False) -> PodReport:
        """Return this pod's report as of this moment."""
        directory = self._directory
        totals, routes, samples = directory.totals, directory.routes, tuple(self._history)
        return PodReport(
            ordinal=directory.ordinal,
            instance=directory.instance,
            at_ms=int(time.time() * 1000),
            ready=directory.ready,
            generation=routes.generation,
            owners=routes.owners,
            standbys=routes.standbys,
            routes_as_of_ms=routes.as_of_ms or UNKNOWN_MS,
            brokers_seen_ms=directory.brokers_seen_ms or UNKNOWN_MS,
            clicks=totals.clicks,
            enriched=totals.enriched,
            filtered=totals.filtered,
            duplicates=totals.duplicates,
            dead_lettered=dict(totals.dead_lettered),
            profiles=totals.profiles,
            commits=totals.commits,
            rates=self.rates(),
            tasks={
                str(task): of_task(view, directory.backlogs.get(task, Backlog()), directory.commits)
                for task, view in sorted(directory.tasks.items())
            },
            history=samples if history else samples[-NEWEST_SAMPLES:],
            commit_health=of_commits(directory.commits),
            quarantined=directory.quarantined[:KEPT],
            refused_profiles=directory.refused_profiles[:KEPT],
        )


def known(at_ms: int) -> int | None:
    """Return a report's time as answers tell it: null where it is not known."""
    return at_ms if at_ms > UNKNOWN_MS else None


def owned(report: PodReport) -> int:
    """Return how many tasks the pod owns."""
    return sum(task.role == Role.OWNER for task in report.tasks.values())


def _rate(difference: float, span_s: float) -> float:
    return round(max(difference, 0) / span_s, 1)


def _dead(totals: ProcessTotals) -> int:
    return sum(totals.dead_lettered.values())
