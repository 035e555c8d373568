"""The stage `clicks`: each click joined with its user's profile, filtered, sent on and counted."""

from collections.abc import Callable, Mapping, Sequence

from clickstream_processor.aggregation.gathering.gathering import Gathering
from clickstream_processor.aggregation.metric import MetricCounters
from clickstream_processor.deduplication.deduplication import Deduplication
from clickstream_processor.kafka.partitioner import partition_of
from clickstream_processor.settings import Settings
from clickstream_processor.stages.programs import Programs
from clickstream_processor.stages.sessions import Sessions
from clickstream_processor.stages.stage import Stage, StageOutputs
from clickstream_processor.state.changelog_applier import ChangelogApplier
from clickstream_processor.state.overlay import TaskState
from clickstream_processor.state.store import Change, TaskStore
from clickstream_processor.task_id import CLICKS
from clickstream_processor.topology import keys
from clickstream_processor.topology.arrived import PLACE, Arrivals
from clickstream_processor.topology.interfaces import Message, RefusedRow
from clickstream_processor.topology.pipeline import Pipeline
from clickstream_processor.topology.plan import Plan
from clickstream_processor.topology.records import Counters, Reason

CACHED_BYTES = 256  # of ids, for each user that a task may have in memory
CLICK = "click."  # before a field of the click, as in an expression
NO_PLACE = f"the record has no valid header `{PLACE}`: the stage arrivals did not write it"


class ClicksLine:
    """The topology's Pipeline as a line: its own bound methods, so that nothing stands between.

    What is gathered for metrics goes out with each commit, and so do sessions and ids of clicks. Where clicks
    come by way of the stage `arrivals`, the pipeline gets them under the places where they first arrived.
    """

    __slots__ = (
        "_arrivals",
        "_duplicates",
        "_gathering",
        "_idle",
        "_outputs",
        "_partials",
        "_pipeline",
        "_sessions",
        "counters",
        "flush",
        "limit_outputs",
        "metric_counters",
        "records",
        "set_aside",
        "state",
        "table",
        "tick",
    )

    def __init__(
        self,
        pipeline: Pipeline,
        state: TaskState,
        gathering: Gathering | None,
        outputs: StageOutputs,
        partials: str,
        arrivals: Arrivals | None,
        sessions: Sessions | None = None,
        duplicates: Deduplication | None = None,
    ) -> None:
        """`partials`: the topic of what is gathered. `arrivals`: None where clicks come straight."""
        self._pipeline = pipeline
        self._gathering, self._outputs, self._partials = gathering, outputs, partials
        self._sessions, self._duplicates = sessions, duplicates
        self._idle = False  # it has come to the end of its input, and there never was a click
        self.metric_counters: Mapping[str, MetricCounters] = gathering.counters if gathering else {}
        self.state = state
        self.counters: Counters = pipeline.counters
        self._arrivals = arrivals
        self.records: Callable[[Sequence[Message]], None] = (
            pipeline.clicks if arrivals is None else self._arrived
        )
        self.table = pipeline.profiles
        self.set_aside: Callable[[Message, Reason, str], None] = (
            pipeline.set_aside if arrivals is None else self._set_aside
        )
        timed = gathering is not None or sessions is not None
        self.tick = self._tick if timed else pipeline.tick
        plain = not timed and duplicates is None
        self.flush: Callable[[], Sequence[Change]] = pipeline.flush if plain else self._flush
        self.limit_outputs = pipeline.limit_outputs

    @property
    def refused(self) -> Sequence[RefusedRow]:
        """Return the rows of the last call of `table` that were not applied."""
        return self._pipeline.refused

    def _arrived(self, messages: Sequence[Message], /) -> None:
        """Take clicks of the stage `arrivals`, in order."""
        if self._arrivals is None:
            return
        for clicks, strays in self._arrivals.runs(messages):
            if clicks:
                self._pipeline.arrived_in(clicks[0].place.partition)
                self._pipeline.clicks(clicks)
            for stray in strays:
                self._pipeline.set_aside(stray, Reason.UNKNOWN_PLACE, NO_PLACE)

    def _set_aside(self, message: Message, reason: Reason, detail: str, /) -> None:
        """Send one click's dead letter, which names where the click first arrived.

        The client ends the process over a header whose name is not UTF-8: a bare letter names the record.
        """
        if self._arrivals is not None and not self._outputs.bare:
            message = self._arrivals.arrived(message)
        self._pipeline.set_aside(message, reason, detail)

    def _tick(self, now_ms: int) -> bool:
        """Let wall-clock time close windows, panes and sessions."""
        gathering = self._gathering
        if gathering is not None and self.state.stream_ms < 0:
            self._idle = gathering.idle_is_due()
        due = self._sessions is not None and self._sessions.tick(now_ms)
        return self._pipeline.tick(now_ms) or due or self._idle

    def _flush(self) -> Sequence[Change]:
        """Send counts, sessions and partials; return the changelog's records."""
        changes: Sequence[Change] = self._pipeline.flush()
        beside: list[Change] = []
        if self._sessions is not None:
            beside += self._sessions.flush()
        if self._duplicates is not None:
            beside += self._duplicates.flush()
            self.state.expired = self._duplicates.expired()
        self.state.beside_chunks = beside
        if self._gathering is not None:
            send, topic = self._outputs.send, self._partials
            state = self.state
            records = self._gathering.flush(state.metrics_ms, stream_ms=state.stream_ms, idle=self._idle)
            for partition, key, value, _ in records:
                send(topic, value, key, partition)  # by its own time Kafka would drop what is of old clicks
            self._idle = False
        return [*changes, *beside]


def clicks_stage(settings: Settings, plan: Plan, programs: Programs) -> Stage:
    """Return the stage of a pipeline."""
    topics = settings.topics
    partials = (settings.partials_topic,) if programs.metrics else ()
    sessions_topic = settings.processing.sessions.topic if settings.processing.sessions else ""
    open_ms = programs.sessions.closes_ms(0) if programs.sessions else 0
    dedup = settings.processing.dedup
    within_ms = 0 if dedup is None else int(dedup.within_ms)
    told = (sessions_topic,) if sessions_topic else ()
    straight = topics.partitioner == "murmur2"
    arrivals = None if straight else Arrivals(topics.clicks, topics.partitions)

    def line(store: TaskStore, partition: int, outputs: StageOutputs, cached_users: int) -> ClicksLine:
        state = TaskState(store, plan, cached_users)
        gathering = None
        if programs.metrics:
            gathering = Gathering(programs.metrics, partition, topics.partitions, partition_of)
        counted, sessions, duplicates = Counters(), None, None
        if dedup is None:
            state.expired = [keys.SEEN_RANGE]  # of a dedup there was
        else:
            field = dedup.key.removeprefix(CLICK)
            duplicates = Deduplication(field, within_ms, store, CACHED_BYTES * cached_users)
        if programs.sessions is not None:
            sessions = Sessions(
                programs.sessions, store, state, partition, outputs, sessions_topic, gathering, counted
            )
        pipeline = Pipeline(
            plan,
            state,
            partition,
            outputs,
            keep=programs.keep,
            transform=programs.transform,
            gatherer=sessions or gathering,
            duplicates=duplicates,
            counters=counted,
            partition_of=partition_of,
        )
        partials_topic = settings.partials_topic
        return ClicksLine(pipeline, state, gathering, outputs, partials_topic, arrivals, sessions, duplicates)

    return Stage(
        name=CLICKS,
        input=topics.clicks if straight else settings.arrivals_topic,
        line=line,
        applier=lambda store, partition: ChangelogApplier(store, plan, partition, partition_of, within_ms),
        changelog=settings.changelog_topic,
        state_ms=max(plan.size_ms + plan.grace_ms + plan.retention_ms, open_ms, 3 * within_ms),
        table=topics.profiles,
        table_name="profiles",
        waits_for_snapshot=settings.processing.join.wait_for_snapshot,
        outputs=(topics.enriched, topics.metrics, topics.dead_letters, *partials, *told),
        spread=frozenset(partials),
        grace_ms=plan.grace_ms,
    )
