"""The stage `clicks`: each click joined with its user's profile, filtered, sent on and counted."""

from collections.abc import Sequence

from clickstream_processor.kafka.partitioner import partition_of
from clickstream_processor.settings import Settings
from clickstream_processor.stages.programs import Programs
from clickstream_processor.stages.stage import Stage, StageOutputs
from clickstream_processor.state.changelog_applier import ChangelogApplier
from clickstream_processor.state.overlay import TaskState
from clickstream_processor.state.store import TaskStore
from clickstream_processor.task_id import CLICKS
from clickstream_processor.topology.interfaces import RefusedRow
from clickstream_processor.topology.pipeline import Pipeline
from clickstream_processor.topology.plan import Plan
from clickstream_processor.topology.records import Counters


class ClicksLine:
    """The topology's Pipeline as a line: its own bound methods, so that nothing stands between."""

    __slots__ = (
        "_pipeline",
        "counters",
        "flush",
        "limit_outputs",
        "records",
        "set_aside",
        "state",
        "table",
        "tick",
    )

    def __init__(self, pipeline: Pipeline, state: TaskState) -> None:
        self._pipeline = pipeline
        self.state = state
        self.counters: Counters = pipeline.counters
        self.records, self.table = pipeline.clicks, pipeline.profiles
        self.set_aside, self.tick, self.flush = pipeline.set_aside, pipeline.tick, pipeline.flush
        self.limit_outputs = pipeline.limit_outputs

    @property
    def refused(self) -> Sequence[RefusedRow]:
        """Return the rows of the last call of `table` that were not applied."""
        return self._pipeline.refused


def clicks_stage(settings: Settings, plan: Plan, programs: Programs) -> Stage:
    """Return the stage of a pipeline."""
    topics = settings.topics

    def line(store: TaskStore, partition: int, outputs: StageOutputs, cached_users: int) -> ClicksLine:
        state = TaskState(store, plan, cached_users)
        pipeline = Pipeline(
            plan,
            state,
            partition,
            outputs,
            keep=programs.keep,
            transform=programs.transform,
            partition_of=partition_of,
        )
        return ClicksLine(pipeline, state)

    return Stage(
        name=CLICKS,
        input=topics.clicks,
        line=line,
        applier=lambda store, partition: ChangelogApplier(store, plan, partition, partition_of),
        changelog=settings.changelog_topic,
        state_ms=plan.size_ms + plan.grace_ms + plan.retention_ms,
        table=topics.profiles,
        table_name="profiles",
        waits_for_snapshot=settings.processing.join.wait_for_snapshot,
        outputs=(topics.enriched, topics.metrics, topics.dead_letters),
        grace_ms=plan.grace_ms,
    )
