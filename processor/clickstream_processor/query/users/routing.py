"""Who answers a question: this pod, the owner over one hop, or a standby that says how old its state is.

1. The owner by this pod's routes. A peer that is not the owner says 421 with the generation it knows;
   then this pod looks again, once its own view is as new, and asks once more. Never a third time.
2. No owner, or it is silent, suspect or not running: this pod's own state of the task, then each standby.
3. The owner once more, for whatever state it has (it restores, or was suspect only).
4. Nobody: 503, with the reason if the owner has stopped the task.
"""

import asyncio
import logging
import time

import msgspec

from clickstream_processor.directory import Directory
from clickstream_processor.metrics import QUERY_NOT_OWNER, QUERY_ROUTED
from clickstream_processor.query.http.peers import PeerAnswer, PeerClient, PeerSilent
from clickstream_processor.query.http.problems import TYPE_PREFIX, Problem, nobody_can_answer, task_stopped
from clickstream_processor.query.users.answer import Answer
from clickstream_processor.query.users.local_state import LocalState
from clickstream_processor.query.users.question import Question
from clickstream_processor.query.users.turns import too_many_reads
from clickstream_processor.task_id import TaskId

log = logging.getLogger(__name__)

PATH = "/peer/metrics"

_FINAL = frozenset({200, 400, 404})  # statuses of a peer that are the answer itself
_NEWER_ROUTES_S = 0.25  # how long a pod waits for its own view to catch up with a peer's
_LOOK_S = 0.01
_WHOLE_S = 3.0  # all hops of one question together

_LOCAL = QUERY_ROUTED.labels("local")
_REMOTE = QUERY_ROUTED.labels("remote")
_STANDBY = QUERY_ROUTED.labels("standby")


class _Refusal(msgspec.Struct, frozen=True):
    """What a peer's problem says beside its status."""

    type: str = ""
    generation: int = -1
    pod: int = -1
    reason: str = ""


_decode_refusal = msgspec.json.Decoder(_Refusal).decode


class Router:
    """Answers any user's question, wherever the state lies."""

    def __init__(self, directory: Directory, local: LocalState, peers: PeerClient) -> None:
        self._directory = directory
        self._local = local
        self._peers = peers

    async def answer(self, question: Question) -> Answer:
        """Return the answer; raises Problem 503 when nobody can give one."""
        if self._directory.routes.owners[question.task.partition] == self._directory.ordinal:
            answer = await self._local.as_owner(question, _now_ms())
            if answer is not None:
                _LOCAL.inc()
                return answer
        try:
            async with asyncio.timeout(_WHOLE_S):
                return await self._elsewhere(question)
        except TimeoutError as error:
            raise nobody_can_answer(question.task) from error

    async def answer_peer(self, question: Question, *, as_owner: bool) -> Answer:
        """Answer a peer from this pod alone; raises Problem 421 (not the owner) or 503 (no state)."""
        if not as_owner:
            answer = await self._local.as_any(question, _now_ms())
        elif self._directory.routes.owners[question.task.partition] == self._directory.ordinal:
            answer = await self._local.as_owner(question, _now_ms())
        else:
            QUERY_NOT_OWNER.inc()
            raise Problem(
                421,
                "not-the-owner",
                f"Pod {self._directory.ordinal} does not own task {question.task}.",
                generation=self._directory.routes.generation,
            )
        if answer is None:
            raise self._local.stopped(question.task) or nobody_can_answer(question.task)
        return answer

    async def _elsewhere(self, question: Question) -> Answer:
        reasons = _Reasons(question.task)
        answer, spared = await self._ask_owner(question, reasons)
        if answer is not None:
            _REMOTE.inc()
            return answer
        answer = await self._local.as_any(question, _now_ms())
        if answer is None:
            answer = await self._ask_standbys(question, spared, reasons)
        if answer is None:
            raise self._local.stopped(question.task) or reasons.problem()
        _STANDBY.inc()
        return answer

    async def _ask_owner(self, question: Question, reasons: "_Reasons") -> tuple[Answer | None, int | None]:
        """Return the owner's answer; or None and the owner if it may still give an old one."""
        for _ in range(2):
            owner = self._directory.routes.owners[question.task.partition]
            if owner is None or owner == self._directory.ordinal:
                if owner is None:
                    return None, None
                return await self._local.as_owner(question, _now_ms()), None
            if self._peers.is_suspect(owner):
                return None, owner
            try:
                said = await self._peers.get(owner, PATH, _parameters(question, "owner"))
            except PeerSilent as silence:
                log.info("the owner of task %s is silent: %s", question.task, silence)
                return None, None
            if said.status in _FINAL:
                return _relay(said), None
            if said.status != 421:
                reasons.note(owner, said)
                return None, owner
            await self._catch_up(said)
        return None, None

    async def _catch_up(self, said: PeerAnswer) -> None:
        """Wait until this pod's routes are as new as the peer's; a peer that is behind gets a moment too."""
        generation = _refusal(said).generation
        if generation <= self._directory.routes.generation:
            await asyncio.sleep(_LOOK_S * 5)
            return
        deadline = time.monotonic() + _NEWER_ROUTES_S
        while self._directory.routes.generation < generation and time.monotonic() < deadline:
            await asyncio.sleep(_LOOK_S)

    async def _ask_standbys(
        self, question: Question, spared: int | None, reasons: "_Reasons"
    ) -> Answer | None:
        """Return the first answer of a standby, or of the owner that was spared before."""
        standbys = [*self._directory.routes.standbys[question.task.partition]]
        if spared is not None:
            standbys.append(spared)
        for ordinal in standbys:
            if ordinal == self._directory.ordinal:
                continue
            try:
                said = await self._peers.get(ordinal, PATH, _parameters(question, "any"))
            except PeerSilent:
                continue
            if said.status in _FINAL:
                return _relay(said)
            reasons.note(ordinal, said)
        return None


class _Reasons:
    """Why the pods that were asked did not answer."""

    def __init__(self, task: TaskId) -> None:
        self._task = task
        self._stopped: tuple[int, str] | None = None  # the owner's ordinal, and why

    def note(self, ordinal: int, said: PeerAnswer) -> None:
        """Take a refusal; raises Problem 503 where asking another pod would not be right."""
        refusal = _refusal(said)
        kind = refusal.type.removeprefix(TYPE_PREFIX)
        if said.status == 401:
            log.warning("pod %d does not accept this pod's peer key", ordinal)
        elif said.status != 503:
            log.warning("pod %d answered %d to a peer's question", ordinal, said.status)
        elif kind == "task-stopped":
            self._stopped = refusal.pod, refusal.reason
        elif kind == "too-many-reads":
            raise too_many_reads()

    def problem(self) -> Problem:
        """Return the 503 that says what is known."""
        if self._stopped is None:
            return nobody_can_answer(self._task)
        return task_stopped(self._task, *self._stopped)


def _parameters(question: Question, role: str) -> dict[str, str]:
    parameters = {"user": question.user, "role": role}
    if question.at_ms is not None:
        parameters["at"] = str(question.at_ms)
    if question.windows is not None:
        parameters |= {"detail": "1", "limit": str(question.windows.limit)}
        for name, value in (("from", question.windows.from_ms), ("to", question.windows.to_ms)):
            if value is not None:
                parameters[name] = str(value)
    return parameters


def _relay(said: PeerAnswer) -> Answer:
    return Answer(said.status, said.body, said.staleness)


def _refusal(said: PeerAnswer) -> _Refusal:
    try:
        return _decode_refusal(said.body)
    except msgspec.DecodeError:
        return _Refusal()


def _now_ms() -> int:
    return int(time.time() * 1000)
