"""What the clicks stage does with joined clicks where sessions are kept: sessions, and metrics of both.

A session is closed by the partition's time, or by the clock where clicks have ended, as late as the last
click was. A closed one counts in the metrics of sessions, in the transaction that tells it.
"""

from collections.abc import Sequence

from clickstream_expressions.errors import EvaluationFailed

from clickstream_processor.aggregation.gathering.gathering import Gathering
from clickstream_processor.aggregation.gathering.loop import Row
from clickstream_processor.aggregation.metric import MetricCounters
from clickstream_processor.aggregation.sessions.line import SessionsLine
from clickstream_processor.aggregation.sessions.session import ClosedSession, Session, SessionWindows
from clickstream_processor.errors import MalformedRecord
from clickstream_processor.stages.stage import StageOutputs
from clickstream_processor.state.changes import Change
from clickstream_processor.state.overlay import TaskState
from clickstream_processor.topology.interfaces import Evaluable, JoinedClick
from clickstream_processor.topology.records.records import Counters
from clickstream_processor.topology.users.users import columns_of


class Sessions:
    """The sessions of one clicks task, before the metrics that it gathers for. A Gatherer, SessionOutputs."""

    def __init__(
        self,
        windows: SessionWindows,
        state: TaskState,
        partition: int,
        outputs: StageOutputs,
        topic: str,
        gathering: Gathering | None,
        counted: Counters,
    ) -> None:
        """`topic`: where sessions are told. `counted`: those of the task's line."""
        self._counted = counted
        self._state, self._gathering = state, gathering
        self._partition, self._outputs, self._topic = partition, outputs, topic
        self._line = SessionsLine(state.committed, windows, self)
        self._told_ms = state.metrics_ms  # the time at the last commit
        self.reads_fields = bool(gathering and gathering.reads_fields)
        self.reads_columns = bool(gathering and gathering.reads_columns)
        of_sessions = [each for each in (gathering.metrics if gathering else ()) if each.of == "sessions"]
        self._counters: list[MetricCounters] = (
            [gathering.counters[metric.name] for metric in of_sessions] if gathering else []
        )
        self._reads_columns = any(each.reads_columns for metric in of_sessions for each in metric.expressions)

    @property
    def expressions(self) -> Sequence[Evaluable]:
        """Return all that is evaluated."""
        return self._gathering.expressions if self._gathering else ()

    def add(self, rows: Sequence[JoinedClick], clock_ms: int, /) -> None:
        """Add a batch of joined clicks, in order."""
        self._line.add(rows, max(clock_ms, self._state.sessions_ms))
        if self._gathering is not None:
            self._gathering.add(rows, clock_ms)

    def mark_is_due(self, time_ms: int, /) -> bool:
        """Tell whether metrics wait for this time."""
        return self._gathering is not None and self._gathering.mark_is_due(time_ms)

    def tick(self, now_ms: int) -> bool:
        """Let wall-clock time close sessions; call it where the position is at the end of the input."""
        state = self._state
        time_ms = now_ms - state.lag_ms
        if state.stream_ms < 0 or time_ms <= self._time_ms() or not self._line.is_due(time_ms):
            return False
        state.sessions_ms = time_ms
        return True

    def flush(self) -> list[Change]:
        """Tell sessions, count those that have closed; return the changelog's records."""
        changes = self._line.flush(max(0, self._time_ms()))
        self._line.settle()  # a line is thrown away if the commit fails (R4)
        self._counted.sessions += len(self._line.closed)
        self._counted.sessions_late = self._line.late
        if self._counters and self._gathering is not None:
            rows = [self._row(user_id, session) for user_id, session in self._line.closed]
            self._gathering.add_sessions([row for row in rows if row is not None], self._told_ms)
        self._told_ms = self._state.metrics_ms
        return changes

    def erase(self, user_key: bytes) -> None:
        """Forget a user's sessions, and take back what was told; before the state forgets the user."""
        self._line.erase(user_key)

    def session(self, value: bytes | None, key: bytes, timestamp_ms: int, /) -> None:
        """Send a session to the task's partition."""
        self._outputs.send(self._topic, value, key, self._partition, None, None, timestamp_ms)

    def _time_ms(self) -> int:
        return max(self._state.metrics_ms, self._state.sessions_ms)

    def _row(self, user_id: str, session: Session) -> Row | None:
        """Return a closed session as metrics take it, None where its user's profile cannot be read."""
        closed = ClosedSession(
            user_id, session.entry_page, session.exit_page, session.clicks, session.start_ms, session.end_ms
        )
        try:
            user = self._state.users[user_id.encode()]
            columns = columns_of(user) if self._reads_columns else None
        except (MalformedRecord, EvaluationFailed) as error:
            for counters in self._counters:
                counters.fail(error)
            return None
        return closed, user.profile, None, columns, self._told_ms
