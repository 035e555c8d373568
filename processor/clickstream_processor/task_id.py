"""Which task: a stage of the pipeline, and the partition that it reads."""

from collections.abc import Collection
from typing import NamedTuple


class TaskId(NamedTuple):
    """A task. Written `<stage>-<partition>`: in control records, positions, answers, metrics and on disk."""

    stage: str
    partition: int

    def __str__(self) -> str:
        return f"{self.stage}-{self.partition}"

    @classmethod
    def parse(cls, text: str) -> "TaskId":
        """Read it back. Raises ValueError."""
        stage, _, partition = text.rpartition("-")
        if not stage or not (partition.isascii() and partition.isdigit()):
            raise ValueError(f"{text!r} names no task: <stage>-<partition>, such as clicks-3")
        return cls(stage, int(partition))


ARRIVALS = "arrivals"  # clicks on their way to their user's partition; there where any partitioner may write
CLICKS = "clicks"  # the stage that is always there: profiles joined, clicks counted by user
METRICS = "metrics"  # partials merged to what metrics say; there where a pipeline has metrics
ALWAYS = frozenset({CLICKS})


def clicks_task(partition: int) -> TaskId:
    """Return the task that holds the counts of a partition's users."""
    return TaskId(CLICKS, partition)


def task_of(text: str, stages: Collection[str] = ALWAYS) -> TaskId:
    """Read the name of a task of one of these stages. Raises ValueError."""
    task = TaskId.parse(text)
    if task.stage not in stages:
        raise ValueError(f"{text!r} is of no stage that this program has: {', '.join(sorted(stages))}")
    return task
