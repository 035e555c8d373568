"""The cluster's summary: the pods' reports merged into one document. Pure.

Totals are sums over the pods that answered, counted since each pod's start; a pod that did not answer
makes the summary ``partial``. Who owns what is taken from the newest assignment any pod knows.
A pod that hears from no broker does not know the end of its input: its lag is null, not the last one known.
So is the lag of a task that no pod holds as its owner, and then the sum.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

import msgspec

from clickstream_processor.directory import Role
from clickstream_processor.incidents import Incident, newest
from clickstream_processor.query.summary.document import (
    Incidents,
    PipelineName,
    Pod,
    SetAside,
    Summary,
    Task,
    TotalLag,
    Totals,
)
from clickstream_processor.query.summary.report import PodReport, Rates, Sample, known, owned
from clickstream_processor.task_id import clicks_task

_UNKNOWN = "unknown"  # the phase of a task whose owner did not answer, or does not hold it yet
_CUT_OFF_MS = 5_000  # a pod hears from a broker each second; a new leader takes less than this


def expected_pods(report: PodReport, replicas: int) -> list[int]:
    """Return the ordinals a summary asks: those the pipeline wants, and those that hold a task."""
    named = {owner for owner in report.owners if owner is not None}
    named.update(ordinal for standbys in report.standbys for ordinal in standbys)
    return sorted(named | set(range(replicas)) | {report.ordinal})


def merge(
    reports: Mapping[int, PodReport | None], *, asked_by: int, at_ms: int, pipeline: PipelineName
) -> Summary:
    """Return the summary of the pods' reports; None stands for a pod that did not answer."""
    present = {ordinal: report for ordinal, report in reports.items() if report is not None}
    newest = max(present.values(), key=lambda report: report.generation)
    dead = _dead_letters(present.values())
    tasks = tuple(_task(p, newest, present) for p in range(len(newest.owners)))
    return Summary(
        pipeline=pipeline,
        at_ms=at_ms,
        answered_by=asked_by,
        partial=len(present) < len(reports),
        generation=newest.generation,
        totals=Totals(
            clicks=sum(r.clicks for r in present.values()),
            enriched=sum(r.enriched for r in present.values()),
            filtered=sum(r.filtered for r in present.values()),
            duplicates=sum(r.duplicates for r in present.values()),
            dead_lettered=sum(dead.values()),
            dead_letters=dict(sorted(dead.items())),
            profiles=sum(r.profiles for r in present.values()),
            commits=sum(r.commits for r in present.values()),
        ),
        rates=_rates(r.rates for r in present.values()),
        lag=_lag(tasks),
        kafka_silent_ms=_kafka_silent_ms(present.values()),
        tasks_without_owner=tuple(task.task for task in tasks if task.owner is None),
        tasks=tasks,
        pods=tuple(_pod(ordinal, report) for ordinal, report in sorted(reports.items())),
        incidents=Incidents(
            quarantined=_incidents(r.quarantined for r in present.values()),
            refused_profiles=_incidents(r.refused_profiles for r in present.values()),
        ),
        history=merge_history(present.values()),
    )


def merge_history(reports: Collection[PodReport]) -> tuple[tuple[float, ...], ...]:
    """Return the pods' per-second rates added up: [at_ms, clicks, enriched, dead-lettered] a second.

    The newest second counts once every pod has it: before, the sum would dip for a moment.
    """
    seconds: dict[int, list[Sample]] = {}
    for sample in (sample for report in reports for sample in report.history):
        seconds.setdefault(sample.at_ms, []).append(sample)
    newest = max(seconds, default=0)
    return tuple(
        (
            at_ms,
            round(sum(s.clicks for s in samples), 1),
            round(sum(s.enriched for s in samples), 1),
            round(sum(s.dead_lettered for s in samples), 1),
        )
        for at_ms, samples in sorted(seconds.items())
        if at_ms < newest or len(samples) == len(reports)
    )


def _incidents(reports: Iterable[Iterable[Incident]]) -> tuple[SetAside, ...]:
    """Return the newest of all pods' incidents."""
    every = newest(incident for incidents in reports for incident in incidents)
    return tuple(msgspec.convert(incident, SetAside, from_attributes=True) for incident in every)


def _dead_letters(reports: Iterable[PodReport]) -> Counter[str]:
    reasons: Counter[str] = Counter()
    for report in reports:
        reasons.update(report.dead_lettered)
    return reasons


def _rates(rates: Iterable[Rates]) -> Rates:
    every = list(rates)
    return Rates(*(round(sum(getattr(r, name) for r in every), 3) for name in Rates.__struct_fields__))


def _lag(tasks: Collection[Task]) -> TotalLag:
    """Return the sum and the greatest of the tasks' lags; each is unknown as soon as one of them is."""
    records = [task.lag_records for task in tasks if task.lag_records is not None]
    ages = [task.lag_ms for task in tasks if task.lag_ms is not None]
    return TotalLag(
        records=sum(records) if len(records) == len(tasks) else None,
        ms=max(ages, default=0) if len(ages) == len(tasks) else None,
    )


def _known(lag: int | msgspec.UnsetType) -> int | None:
    return None if lag is msgspec.UNSET else lag


def _kafka_silent_ms(reports: Iterable[PodReport]) -> int | None:
    """Return the time since any pod heard from a broker, each by its own clock; None when none ever did."""
    silences = [max(0, r.at_ms - r.brokers_seen_ms) for r in reports if r.brokers_seen_ms]
    return min(silences, default=None)


def _task(partition: int, routes: PodReport, present: Mapping[int, PodReport]) -> Task:
    """Return one task: who should own it, and what that pod says of it."""
    name, owner = str(clicks_task(partition)), routes.owners[partition]
    report = present.get(owner) if owner is not None else None
    held = report.tasks.get(name) if report is not None else None
    if held is None or held.role != Role.OWNER:
        held = None
    cut_off = report is not None and report.at_ms - report.brokers_seen_ms > _CUT_OFF_MS
    return Task(
        task=name,
        partition=partition,
        owner=owner,
        standbys=routes.standbys[partition] if partition < len(routes.standbys) else (),
        phase=held.phase if held else _UNKNOWN,
        lag_records=None if cut_off or held is None else _known(held.lag_records),
        lag_ms=None if cut_off or held is None else _known(held.lag_ms),
        standing_ms=held.standing_ms if held else 0,
        stream_ms=held.stream_ms if held else -1,
        detail=held.detail if held else "",
    )


def _pod(ordinal: int, report: PodReport | None) -> Pod:
    """Return one pod's line; a pod that did not answer has nothing but its ordinal."""
    if report is None:
        return Pod(ordinal=ordinal, answered=False)
    return Pod(
        ordinal=ordinal,
        answered=True,
        instance=report.instance,
        ready=report.ready,
        owned=owned(report),
        standby=len(report.tasks) - owned(report),
        clicks=report.clicks,
        enriched=report.enriched,
        dead_lettered=sum(report.dead_lettered.values()),
        brokers_seen_ms=known(report.brokers_seen_ms),
        routes_as_of_ms=known(report.routes_as_of_ms),
        commit_failures_in_a_row=report.commit_health.failures_in_a_row,
        commit_error=report.commit_health.error,
        rates=report.rates,
    )
