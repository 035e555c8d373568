"""The settings' processing section, compiled: the plan of windows and policies, and the expressions.

Made once per process, before anything starts: a wrong expression is found then, with its path.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from clickstream_expressions.errors import InvalidExpression
from clickstream_expressions.expression import compile_filter, compile_outputs

from clickstream_processor.aggregation.metric import Metric, by_identity
from clickstream_processor.aggregation.sessions.session import SessionWindows
from clickstream_processor.aggregation.values.aggregates import KINDS
from clickstream_processor.errors import InvalidSettings
from clickstream_processor.settings.settings import MetricSection, Settings
from clickstream_processor.topology.interfaces import Evaluable
from clickstream_processor.topology.plan import Plan
from clickstream_processor.topology.records.records import EARLIEST_MS


@dataclass(frozen=True, slots=True)
class Programs:
    """What a task's line evaluates per click; see topology.pipeline.Pipeline."""

    keep: Evaluable | None = None
    transform: Mapping[str, Evaluable] | None = None
    metrics: tuple[Metric, ...] = ()
    sessions: SessionWindows | None = None

    @property
    def expressions(self) -> list[Evaluable]:
        """Return all expressions."""
        condition = [] if self.keep is None else [self.keep]
        of_metrics = [each for metric in self.metrics for each in metric.expressions]
        return [*condition, *(self.transform or {}).values(), *of_metrics]


def plan_of(settings: Settings) -> Plan:
    """Return the plan. Raises InvalidSettings."""
    processing = settings.processing
    window = processing.window
    try:
        return Plan(
            clicks_topic=settings.topics.clicks,
            partitions=settings.topics.partitions,
            size_ms=window.size_ms,
            advance_ms=window.advance_ms,
            grace_ms=window.grace_ms,
            retention_ms=window.retention_ms,
            emit=window.emit,
            # Without profiles every click goes on with nulls, as one of a left join that has none.
            join="left" if processing.join.type == "none" else processing.join.type,
            unmatched=processing.join.unmatched,
            late=processing.late,
            max_future_ms=processing.max_future_ms,
            earliest_ms=EARLIEST_MS,
            drop=tuple(processing.transform.drop),
        )
    except ValueError as error:
        raise InvalidSettings(f"processing.{error}") from error


def compile_programs(settings: Settings) -> Programs:
    """Return the expressions, checked. Raises InvalidSettings with the expression's path and position."""
    try:
        keep = compile_filter(settings.processing.filter)
        outputs = compile_outputs(settings.processing.transform.set)
    except InvalidExpression as error:
        raise InvalidSettings(str(error)) from error
    return Programs(keep, outputs or None, metrics_of(settings), sessions_of(settings))


def sessions_of(settings: Settings) -> SessionWindows | None:
    """Return when sessions end, None where none are kept. Raises InvalidSettings."""
    section = settings.processing.sessions
    try:
        return None if section is None else SessionWindows(int(section.gap_ms), int(section.grace_ms))
    except ValueError as error:
        raise InvalidSettings(f"processing.{error}") from error


def metrics_of(settings: Settings) -> tuple[Metric, ...]:
    """Return the metrics, checked. Raises InvalidSettings."""
    sessions = sessions_of(settings)
    try:
        metrics = tuple(metric_of(section, sessions) for section in settings.processing.metrics)
        by_identity(metrics)
    except (ValueError, InvalidExpression) as error:
        raise InvalidSettings(f"processing.metrics: {error}") from error
    return metrics


def metric_of(section: MetricSection, sessions: SessionWindows | None = None) -> Metric:
    """Return a metric, checked. Raises ValueError, InvalidExpression.

    A session counts once it is closed, so a window of sessions takes them for that much longer.
    """
    if section.of == "sessions" and sessions is None:
        raise ValueError(f"{section.name}.of is sessions: processing.sessions must be there")
    open_ms = sessions.closes_ms(0) if sessions is not None and section.of == "sessions" else 0
    kinds = [kind for kind in KINDS if getattr(section, kind) is not None]
    if len(kinds) != 1:
        given = ", ".join(kinds) or "none"
        raise ValueError(f"{section.name}: must have exactly one of {', '.join(KINDS)}; it has {given}")
    kind, window = kinds[0], section.window
    return Metric(
        name=section.name,
        kind=kind,
        of=section.of,
        value="" if kind == "count" else getattr(section, kind),
        where=section.where,
        by=section.by,
        size_ms=int(window.size_ms),  # the identity is made of plain integers
        advance_ms=None if window.advance_ms is None else int(window.advance_ms),
        grace_ms=int(window.grace_ms) + open_ms,
        retention_ms=int(window.retention_ms),
        topic=section.topic,
        emit=section.emit,
        max_keys=section.keys.max,
    )
