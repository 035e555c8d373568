"""The names of a pipeline's tasks, as docs/reference/protocol.md has them."""

from collections.abc import Iterable, Mapping
from typing import Any

from clickstream_operator.spec.clickpipeline import ClickPipeline

ARRIVALS = "arrivals"
CLICKS = "clicks"
METRICS = "metrics"
STAGES = (CLICKS,)  # of every pipeline, in the order in which they process


def stages_of(*, arrivals: bool = False, metrics: bool = False) -> tuple[str, ...]:
    """Return the stages of a pipeline, in the order in which they process."""
    return (*((ARRIVALS,) if arrivals else ()), *STAGES, *((METRICS,) if metrics else ()))


def stages_in(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the stages that a settings document asks for."""
    return stages_of(arrivals=moves_clicks(settings), metrics=has_metrics(settings))


def has_metrics(settings: Mapping[str, Any]) -> bool:
    """Tell whether a settings document asks for metrics; one of an older version has no word on them."""
    return bool(settings.get("processing", {}).get("metrics"))


def moves_clicks(settings: Mapping[str, Any]) -> bool:
    """Tell whether a settings document takes any partitioner; one of an older version has no word on it."""
    return bool(settings.get("topics", {}).get("partitioner") == "any")


def task_names(partitions: int, stages: Iterable[str] = STAGES) -> tuple[str, ...]:
    """Return the name of each task, in order: stage by stage."""
    return tuple(f"{stage}-{partition}" for stage in stages for partition in range(partitions))


def tasks_of(pipeline: ClickPipeline) -> tuple[str, ...]:
    """Return the name of each task that a pipeline asks for."""
    spec = pipeline.spec
    stages = stages_of(arrivals=spec.topics.partitioner == "any", metrics=bool(spec.processing.metrics))
    return task_names(spec.topics.partitions, stages)


def partition_of(task: str) -> str:
    """Return the part of a task's name that the tasks of all stages share which belong together."""
    return task.rpartition("-")[2]
