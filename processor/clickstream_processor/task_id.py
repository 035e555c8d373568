"""Which task: a stage of the pipeline, and the partition that it reads."""

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


CLICKS = "clicks"  # the one stage: profiles joined, clicks counted


def clicks_task(partition: int) -> TaskId:
    """Return the task of a partition of the clicks."""
    return TaskId(CLICKS, partition)
