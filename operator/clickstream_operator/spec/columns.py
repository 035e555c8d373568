"""Which columns of the profile table a pipeline reads, so that no other need be sent. Pure."""

from collections.abc import Iterable
from functools import lru_cache

from clickstream_expressions.environment import PROFILE_COLUMNS
from clickstream_expressions.expression import Expression

from clickstream_operator.spec.clickpipeline import ClickPipeline


def columns_read(expressions: Iterable[str]) -> frozenset[str] | None:
    """Return the columns that sound expressions name; None where one uses the profile as a whole."""
    found: frozenset[str] = frozenset()
    for expression in expressions:
        columns = _of(expression)
        if columns is None:
            return None
        found |= columns
    return found


def columns_taken(pipeline: ClickPipeline) -> tuple[str, ...] | None:
    """Return the columns that the source sends, the key first; None: all there are.

    Those that expressions read are always among them, and so is the key. The contract's other columns are,
    unless `source.postgres.columns` names what to take.
    """
    postgres, processing = pipeline.postgres, pipeline.spec.processing
    of_metrics = [expression for metric in processing.metrics for expression in metric.expressions()]
    read = columns_read([processing.filter, *processing.transform.set.values(), *of_metrics])
    if read is None:
        return None
    chosen = PROFILE_COLUMNS[1:] if postgres.columns is None else postgres.columns
    named = dict.fromkeys([postgres.key, *chosen, *sorted(read - {"user_id"})])
    return tuple(named)


@lru_cache(maxsize=1_000)
def _of(expression: str) -> frozenset[str] | None:
    return Expression("", expression, "either").profile_columns if expression.strip() else frozenset()
