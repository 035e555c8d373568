"""The stage `clicks`: each click joined with its user's profile, filtered, sent on and counted."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby

from clickstream_processor.aggregation.gathering.gathering import Gathering
from clickstream_processor.aggregation.metric import MetricCounters
from clickstream_processor.deduplication.deduplication import Deduplication
from clickstream_processor.kafka.headers import headers_in
from clickstream_processor.kafka.partitioner import partition_of
from clickstream_processor.settings.settings import Settings
from clickstream_processor.stages.programs import Programs
from clickstream_processor.stages.sessions import Sessions
from clickstream_processor.stages.stage import Stage, StageOutputs
from clickstream_processor.state.changelog_applier import ChangelogApplier
from clickstream_processor.state.changes import Change
from clickstream_processor.state.overlay import TaskState
from clickstream_processor.state.store import TaskStore
from clickstream_processor.task_id import CLICKS
from clickstream_processor.topology import keys
from clickstream_processor.topology.arrived import PLACE, Arrivals, Replays, runs_of
from clickstream_processor.topology.erasing import Erasure, erasure_in, keys_in
from clickstream_processor.topology.interfaces import Message, RefusedRow
from clickstream_processor.topology.pipeline import Pipeline
from clickstream_processor.topology.plan import Plan
from clickstream_processor.topology.records.records import Counters, Reason

CACHED_BYTES = 256  # of ids, for each user that a task may have in memory
CLICK = "click."  # before a field of the click, as in an expression
NO_PLACE = f"the record has no valid header `{PLACE}`: the stage arrivals did not write it"


class ClicksLine:
    """The topology's Pipeline as a line: its own bound methods, so that nothing stands between.

    What is gathered for metrics goes out with each commit, and so do sessions and ids of clicks. Where clicks
    come by way of the stage `arrivals`, the pipeline gets them under the places where they first arrived.
    Where they come straight, it gets those so that a replay has sent.
    """

    __slots__ = (
        "_arrivals",
        "_duplicates",
        "_erasures_for",
        "_gathering",
        "_idle",
        "_outputs",
        "_partials",
        "_partition",
        "_pipeline",
        "_replays",
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
        replays: Replays | None = None,
        partition: int = 0,
        pipeline_id: str = "",
    ) -> None:
        """`partials`: the topic of what is gathered. `arrivals`: None where clicks come straight.

        `replays`: None where they do not. `partition`: of the task. `pipeline_id`: whose erasures to heed.
        """
        self._pipeline = pipeline
        self._gathering, self._outputs, self._partials = gathering, outputs, partials
        self._sessions, self._duplicates = sessions, duplicates
        self._idle = False  # it has come to the end of its input, and there never was a click
        self.metric_counters: Mapping[str, MetricCounters] = gathering.counters if gathering else {}
        self.state = state
        self.counters: Counters = pipeline.counters
        self._arrivals = arrivals
        self._replays, self._partition = replays, partition
        self._erasures_for = pipeline_id
        self.records: Callable[[Sequence[Message]], None] = (
            self._arrived if arrivals is not None else pipeline.clicks if replays is None else self._straight
        )
        self.table = pipeline.profiles
        self.set_aside: Callable[[Message, Reason, str], None] = (
            pipeline.set_aside if arrivals is None and replays is None else self._set_aside
        )
        timed = gathering is not None or sessions is not None
        self.tick = self._tick if timed else pipeline.tick
        self.flush: Callable[[], Sequence[Change]] = self._flush
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
            for erases, run in groupby(strays, _is_erasure):
                if erases:
                    self._erase(run)
                else:
                    for stray in run:
                        self._pipeline.set_aside(stray, Reason.UNKNOWN_PLACE, NO_PLACE)

    def _straight(self, messages: Sequence[Message], /) -> None:
        """Take clicks of the clicks topic, in order."""
        replays, pipeline = self._replays, self._pipeline
        said = headers_in(messages)
        if not said or replays is None:
            pipeline.clicks(messages)
            return
        again = replays.among(messages, said)
        erasures = {
            index: Erasure(messages[index], pipeline_id)
            for index, pairs in said.items()
            if (pipeline_id := erasure_in(pairs)) is not None
        }
        if not again and not erasures:
            pipeline.clicks(messages)
            return
        found = ((again.get(at), erasures.get(at, each)) for at, each in enumerate(messages))
        for clicks, others in runs_of(found):
            if clicks:
                pipeline.arrived_in(clicks[0].place.partition)
                pipeline.clicks(clicks)
                pipeline.arrived_in(self._partition)
            for erases, run in groupby(others, _is_erasure):
                if erases:
                    self._erase(run)
                else:
                    pipeline.clicks(list(run))

    def _erase(self, erasures: Iterable[Message]) -> None:
        """Forget the users of erasures; pass over those of another pipeline."""
        users: dict[bytes, list[bytes]] = {}
        for erasure in erasures:
            key = erasure.key()
            if isinstance(erasure, Erasure) and key is not None and erasure.pipeline_id == self._erasures_for:
                users.setdefault(key, []).extend(keys_in(erasure.value()))
        if not users:
            return
        for key in users:
            if self._sessions is not None:
                self._sessions.erase(key)
            if self._duplicates is not None:
                self._duplicates.erase(key)
        self.state.erase(users)

    def _set_aside(self, message: Message, reason: Reason, detail: str, /) -> None:
        """Send one click's dead letter, which names where the click first arrived.

        The client ends the process over a header whose name is not UTF-8: a bare letter names the record.
        """
        finder = self._arrivals or self._replays
        if finder is not None and not self._outputs.bare:
            message = finder.arrived(message)
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
        erased = self.state.committed.erased
        if not beside and not erased:
            return changes
        # A key that came again in the same commit is written behind its tombstone.
        return [*dict.fromkeys(erased).items(), *changes, *beside]


def _is_erasure(message: Message) -> bool:
    return isinstance(message, Erasure)


def clicks_stage(settings: Settings, plan: Plan, programs: Programs) -> Stage:
    """Return the stage of a pipeline."""
    topics, join = settings.topics, settings.processing.join
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
        replays = Replays(topics.clicks, topics.partitions, partition, headers_in) if straight else None
        if dedup is None:
            state.expired = [keys.SEEN_RANGE]  # of a dedup there was
        else:
            field = dedup.key.removeprefix(CLICK)
            duplicates = Deduplication(field, within_ms, state.committed, CACHED_BYTES * cached_users)
        if programs.sessions is not None:
            sessions = Sessions(
                programs.sessions, state, partition, outputs, sessions_topic, gathering, counted
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
        return ClicksLine(
            pipeline,
            state,
            gathering,
            outputs,
            partials_topic,
            arrivals,
            sessions,
            duplicates,
            replays,
            partition,
            settings.id,
        )

    return Stage(
        name=CLICKS,
        input=topics.clicks if straight else settings.arrivals_topic,
        line=line,
        applier=lambda store, partition: ChangelogApplier(store, plan, partition, partition_of, within_ms),
        changelog=settings.changelog_topic,
        state_ms=max(plan.size_ms + plan.grace_ms + plan.retention_ms, open_ms, 3 * within_ms),
        table=None if join.type == "none" else topics.profiles,
        table_name="profiles",
        waits_for_snapshot=join.type != "none" and (join.wait_for_snapshot or join.at_least > 0),
        outputs=(topics.enriched, topics.metrics, topics.dead_letters, *partials, *told),
        spread=frozenset(partials),
        grace_ms=plan.grace_ms,
    )
