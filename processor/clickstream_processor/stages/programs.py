"""The settings' processing section, compiled: the plan of windows and policies, and the expressions.

Made once per process, before anything starts: a wrong expression is found then, with its path.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from clickstream_expressions.errors import InvalidExpression
from clickstream_expressions.expression import compile_filter, compile_outputs

from clickstream_processor.errors import InvalidSettings
from clickstream_processor.settings import Settings
from clickstream_processor.topology.interfaces import Evaluable
from clickstream_processor.topology.plan import Plan
from clickstream_processor.topology.records import EARLIEST_MS


@dataclass(frozen=True, slots=True)
class Programs:
    """What a task's line evaluates per click; see topology.pipeline.Pipeline."""

    keep: Evaluable | None = None
    transform: Mapping[str, Evaluable] | None = None


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
            join=processing.join.type,
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
    return Programs(keep, outputs or None)
