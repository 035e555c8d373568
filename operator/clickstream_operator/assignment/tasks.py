"""The names of a pipeline's tasks, as docs/reference/protocol.md has them."""

from collections.abc import Iterable, Mapping
from typing import Any

from clickstream_operator.spec.clickpipeline import ClickPipeline

CLICKS = "clicks"
METRICS = "metrics"
STAGES = (CLICKS,)  # of every pipeline, in the order in which they process


def stages_of(has_metrics: bool) -> tuple[str, ...]:
    """Return the stages of a pipeline, in the order in which they process."""
    return (*STAGES, METRICS) if has_metrics else STAGES


def has_metrics(settings: Mapping[str, Any]) -> bool:
    """Tell whether a settings document asks for metrics; one of an older version has no word on them."""
    return bool(settings.get("processing", {}).get("metrics"))


def task_names(partitions: int, stages: Iterable[str] = STAGES) -> tuple[str, ...]:
    """Return the name of each task, in order: stage by stage."""
    return tuple(f"{stage}-{partition}" for stage in stages for partition in range(partitions))


def tasks_of(pipeline: ClickPipeline) -> tuple[str, ...]:
    """Return the name of each task that a pipeline asks for."""
    return task_names(pipeline.spec.topics.partitions, stages_of(bool(pipeline.spec.processing.metrics)))


def partition_of(task: str) -> str:
    """Return the part of a task's name that the tasks of all stages share which belong together."""
    return task.rpartition("-")[2]
