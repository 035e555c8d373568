"""Says that a task goes on without records that its input has lost (Stage.skips_lost_input)."""

import logging

from clickstream_processor import metrics
from clickstream_processor.task_id import TaskId

log = logging.getLogger(__name__)


def tell_skipped(task: TaskId, position: int, first: int) -> None:
    """Count and log what is lost: the records from the task's position to the first that the log has."""
    metrics.RECORDS_DROPPED.labels("expired-partial").inc(max(0, first - position))
    log.error(
        "task %s goes on at offset %d, as its position %d is not in the log: what was between is lost",
        task,
        first,
        position,
    )
