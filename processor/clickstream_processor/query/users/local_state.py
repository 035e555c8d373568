"""A user's metrics from this pod's committed state: the one place where a query touches the store.

Only a running owner with a fresh view of control topic and brokers answers without a staleness mark.
Every other readable state (a standby, a task that restores, an owner cut off from Kafka) is a true state
of a moment in the past, and the answer says how long ago that was. A state of no known moment is not
answered from: a staleness is measured or not told.
"""

from typing import Any

import msgspec

from clickstream_processor.aggregation.sessions.session import Session
from clickstream_processor.directory import Directory, Phase, Role, TaskView
from clickstream_processor.errors import (
    StateCorrupted,
    StateTooNew,
    StateUnavailable,
    StoreClosed,
)
from clickstream_processor.query.http.problems import Problem, task_stopped, unknown_user
from clickstream_processor.query.users.answer import Answer, staleness_of, window_name
from clickstream_processor.query.users.question import Question
from clickstream_processor.query.users.readable import is_running_owner, note, stale_ms
from clickstream_processor.query.users.turns import TurnLimits, Turns
from clickstream_processor.state.reads import (
    Span,
    Steps,
    UserMetrics,
    WindowPage,
    open_sessions,
    user_metrics,
    window_page,
)
from clickstream_processor.state.store import TaskStore
from clickstream_processor.task_id import TaskId, clicks_task
from clickstream_processor.topology.plan import Plan
from clickstream_processor.topology.records.partitioning import murmur2_partition

_encode = msgspec.json.encode


class LocalState:
    """Answers from this pod's stores; None where it cannot."""

    def __init__(
        self,
        directory: Directory,
        plan: Plan,
        fresh_ms: int,
        turns: TurnLimits,
        *,
        with_sessions: bool = False,
    ) -> None:
        """`with_sessions`: the pipeline keeps sessions, and answers with `detail` have them."""
        self._with_sessions = with_sessions
        self._directory = directory
        self._plan = plan
        self._fresh_ms = fresh_ms
        self._turns = Turns(turns)
        self._size_name = window_name(plan.size_ms)
        self._count_name = f"clicks_last_{self._size_name}"

    def question(self, user: str, at_ms: int | None, windows: Span | None) -> Question:
        """Return the question with the task that holds the user's state."""
        partition = murmur2_partition(user.encode(), self._plan.partitions)
        return Question(user, clicks_task(partition), at_ms, windows)

    async def as_owner(self, question: Question, now_ms: int) -> Answer | None:
        """Answer as the running owner; None when this pod is not that, or cannot read its state.

        Raises Problem 503 while too many long reads are under way, as `as_any` does.
        """
        view = self._directory.tasks.get(question.task)
        if view is None or not is_running_owner(view):
            return None
        return await self._read(question, view, now_ms)

    async def as_any(self, question: Question, now_ms: int) -> Answer | None:
        """Answer from whatever state this pod holds of the task, with its age; None when there is none."""
        view = self._directory.tasks.get(question.task)
        return None if view is None else await self._read(question, view, now_ms)

    def stopped(self, task: TaskId) -> Problem | None:
        """Return why this pod, the task's owner, has stopped it; None when it has not."""
        view = self._directory.tasks.get(task)
        if view is None or view.role is not Role.OWNER or view.phase is not Phase.STOPPED:
            return None
        return task_stopped(task, self._directory.ordinal, view.detail)

    async def _read(self, question: Question, view: TaskView, now_ms: int) -> Answer | None:
        age_ms = stale_ms(self._directory, view, now_ms, self._fresh_ms)
        if view.store is None or age_ms is None:
            return None
        at_ms = now_ms if question.at_ms is None else question.at_ms
        staleness = staleness_of(age_ms)
        try:
            found, page = await self._turns.read(_both(view.store, self._plan, question, at_ms))
            sessions = open_sessions(view.store, question.user) if self._with_sessions and page else []
        except StoreClosed:  # the task was given away a moment ago
            return None
        except (StateCorrupted, StateTooNew, StateUnavailable) as error:
            note(error, question.task, view.store)
            return None
        if question.at_ms is not None and (gone := self._expired(at_ms, view)) is not None:
            return Answer(gone.status, gone.body(), staleness)
        if found is None and not _known_by(page, question.windows):
            return Answer(404, unknown_user(question.user, self._looked_at(page)).body(), staleness)
        document = self._document(found or UserMetrics(question.user, None, 0))
        if page is not None:
            document["windows"] = [
                {"window_start": w.start_ms, "window_end": w.end_ms, "clicks": w.clicks} for w in page.windows
            ]
            document["windows_from"] = page.from_ms
            document["next"] = page.next_to_ms
            if self._with_sessions:
                document["sessions"] = [_session(each) for each in sessions]
            document["as_of"] = now_ms - age_ms
            document["staleness"] = age_ms / 1000
        return Answer(200, _encode(document), staleness)

    def _looked_at(self, page: WindowPage | None) -> str:
        """Return the time in which no click was found, in words."""
        return f"in the last {self._size_name}" if page is None else f"since {page.from_ms}"

    def _document(self, found: UserMetrics) -> dict[str, Any]:
        profile = found.profile
        return {
            "user_id": found.user_id,
            "user_name": profile.name if profile else None,
            self._count_name: found.rolling,
            "country": profile.country if profile else None,
            "plan_tier": profile.plan_tier if profile else None,
        }

    def _expired(self, at_ms: int, view: TaskView) -> Problem | None:
        """Return the problem of a time whose clicks are no longer kept: a count would be too small."""
        dropped_before_ms = view.store.checkpoint.dropped_before_ms if view.store is not None else 0
        earliest_ms = dropped_before_ms + self._plan.size_ms
        if at_ms >= earliest_ms or not dropped_before_ms:
            return None
        return Problem(
            400,
            "expired-time",
            f"Clicks around at={at_ms} are no longer kept; the earliest time to ask for is {earliest_ms}.",
            parameter="at",
            earliest_ms=earliest_ms,
        )


def _session(session: Session) -> dict[str, Any]:
    return {
        "session_start": session.start_ms,
        "session_end": session.end_ms,
        "clicks": session.clicks,
        "entry_page": session.entry_page,
        "exit_page": session.exit_page,
        "open": True,
    }


def _both(
    store: TaskStore, plan: Plan, question: Question, at_ms: int
) -> Steps[tuple[UserMetrics | None, WindowPage | None]]:
    """Read what is asked for."""
    found = yield from user_metrics(store, plan, question.user, at_ms)
    if question.windows is None:
        return found, None
    return found, (yield from window_page(store, plan, question.user, at_ms, question.windows))


def _known_by(page: WindowPage | None, asked: Span | None) -> bool:
    """Tell whether a user without profile and recent click is known: by a window, or nobody can say yet."""
    if page is None or asked is None:
        return False
    return bool(page.windows) or page.next_to_ms is not None or asked.to_ms is not None
