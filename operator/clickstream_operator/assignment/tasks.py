"""The names of a pipeline's tasks, as docs/reference/protocol.md has them."""

from collections.abc import Iterable

CLICKS = "clicks"
STAGES = (CLICKS,)  # of every pipeline, in the order in which they process


def task_names(partitions: int, stages: Iterable[str] = STAGES) -> tuple[str, ...]:
    """Return the name of each task, in order: stage by stage."""
    return tuple(f"{stage}-{partition}" for stage in stages for partition in range(partitions))


def partition_of(task: str) -> str:
    """Return the part of a task's name that the tasks of all stages share which belong together."""
    return task.rpartition("-")[2]
