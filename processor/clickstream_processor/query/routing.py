"""Who answers a question: this pod, the owner over one hop, or a standby that says how old its state is.

1. The owner by this pod's routes. A peer that is not the owner says 421 with the generation it knows;
   then this pod looks again, once its own view is as new, and asks once more. Never a third time.
2. No owner, or it is silent, suspect or not running: this pod's own state of the task, then each standby.
3. The owner once more, for whatever state it has (it restores, or was suspect only).
4. Nobody: 503.
"""

import asyncio
import logging
import time

import msgspec

from clickstream_processor.directory import Directory
from clickstream_processor.metrics import QUERY_NOT_OWNER, QUERY_ROUTED
from clickstream_processor.query.answer import Answer, LocalState, Question
from clickstream_processor.query.peers import PeerAnswer, PeerClient, PeerSilent
from clickstream_processor.query.problems import Problem, nobody_can_answer

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
    generation: int = -1


_decode_refusal = msgspec.json.Decoder(_Refusal).decode


class Router:
    """Answers any user's question, wherever the state lies."""

    def __init__(self, directory: Directory, local: LocalState, peers: PeerClient) -> None:
        self._directory = directory
        self._local = local
        self._peers = peers

    async def answer(self, question: Question) -> Answer:
        """Return the answer; raises Problem 503 when nobody can give one."""
        if self._directory.routes.owners[question.partition] == self._directory.ordinal:
            answer = self._local.as_owner(question, _now_ms())
            if answer is not None:
                _LOCAL.inc()
                return answer
        try:
            async with asyncio.timeout(_WHOLE_S):
                return await self._elsewhere(question)
        except TimeoutError as error:
            raise nobody_can_answer(question.partition) from error

    def answer_peer(self, question: Question, *, as_owner: bool) -> Answer:
        """Answer a peer from this pod alone; raises Problem 421 (not the owner) or 503 (no state)."""
        if not as_owner:
            answer = self._local.as_any(question, _now_ms())
        elif self._directory.routes.owners[question.partition] == self._directory.ordinal:
            answer = self._local.as_owner(question, _now_ms())
        else:
            QUERY_NOT_OWNER.inc()
            raise Problem(
                421,
                "not-the-owner",
                f"Pod {self._directory.ordinal} does not own task clicks-{question.partition}.",
                generation=self._directory.routes.generation,
            )
        if answer is None:
            raise nobody_can_answer(question.partition)
        return answer

    async def _elsewhere(self, question: Question) -> Answer:
        answer, spared = await self._ask_owner(question)
        if answer is not None:
            _REMOTE.inc()
            return answer
        answer = self._local.as_any(question, _now_ms())
        if answer is None:
            answer = await self._ask_standbys(question, spared)
        if answer is None:
            raise nobody_can_answer(question.partition)
        _STANDBY.inc()
        return answer

    async def _ask_owner(self, question: Question) -> tuple[Answer | None, int | None]:
        """Return the owner's answer; or None and the owner if it may still give an old one."""
        for _ in range(2):
            owner = self._directory.routes.owners[question.partition]
            if owner is None or owner == self._directory.ordinal:
                answer = self._local.as_owner(question, _now_ms()) if owner is not None else None
                return answer, None
            if self._peers.is_suspect(owner):
                return None, owner
            try:
                said = await self._peers.get(owner, PATH, _parameters(question, "owner"))
            except PeerSilent as silence:
                log.info("the owner of task clicks-%d is silent: %s", question.partition, silence)
                return None, None
            if said.status in _FINAL:
                return _relay(said), None
            if said.status != 421:
                _note_refusal(owner, said)
                return None, owner
            await self._catch_up(said)
        return None, None

    async def _catch_up(self, said: PeerAnswer) -> None:
        """Wait until this pod's routes are as new as the peer's; a peer that is behind gets a moment too."""
        try:
            generation = _decode_refusal(said.body).generation
        except msgspec.DecodeError:
            generation = -1
        if generation <= self._directory.routes.generation:
            await asyncio.sleep(_LOOK_S * 5)
            return
        deadline = time.monotonic() + _NEWER_ROUTES_S
        while self._directory.routes.generation < generation and time.monotonic() < deadline:
            await asyncio.sleep(_LOOK_S)

    async def _ask_standbys(self, question: Question, spared: int | None) -> Answer | None:
        """Return the first answer of a standby, or of the owner that was spared before."""
        standbys = [*self._directory.routes.standbys[question.partition]]
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
            _note_refusal(ordinal, said)
        return None


def _parameters(question: Question, role: str) -> dict[str, str]:
    parameters = {"user": question.user, "role": role}
    if question.at_ms is not None:
        parameters["at"] = str(question.at_ms)
    if question.detail:
        parameters["detail"] = "1"
    return parameters


def _relay(said: PeerAnswer) -> Answer:
    return Answer(said.status, said.body, said.staleness)


def _note_refusal(ordinal: int, said: PeerAnswer) -> None:
    if said.status == 401:
        log.warning("pod %d does not accept this pod's peer key", ordinal)
    elif said.status != 503:
        log.warning("pod %d answered %d to a peer's question", ordinal, said.status)


def _now_ms() -> int:
    return int(time.time() * 1000)
