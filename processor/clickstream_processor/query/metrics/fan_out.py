"""Who answers for which tasks: each owner once for all of its tasks, then standbys for what is missing.

A task is answered for by one pod only: each question names the partitions, and a pod leaves out those that it
cannot answer for. In each round a missing partition goes to the next one who may have it: the owner by the
newest routes, this pod's own copy, the standbys, at last the owner for whatever state it has. A pod that was
silent is not asked again.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from clickstream_processor.directory import Directory
from clickstream_processor.query.http.peers import PeerAnswer, PeerClient, PeerSilent
from clickstream_processor.query.http.problems import TYPE_PREFIX
from clickstream_processor.query.metrics.partition_list import spelled
from clickstream_processor.query.metrics.pod_answer import PodTasks
from clickstream_processor.query.metrics.refusals import answer_too_large, too_much_to_read
from clickstream_processor.query.users.turns import too_many_reads
from clickstream_processor.task_id import METRICS

log = logging.getLogger(__name__)

OWNER, ANY = "owner", "any"
_NEWER_ROUTES_S = 0.25  # how long a pod waits for its own view to catch up with a peer's
_LOOK_S = 0.01
_REFUSALS = {
    "too-many-reads": too_many_reads,
    "too-much-to-read": too_much_to_read,
    "answer-too-large": answer_too_large,
}

A = TypeVar("A")
Asked = tuple[int, str]  # ordinal and role


@dataclass(frozen=True, slots=True)
class PodsQuestion(Generic[A]):
    """What each pod is asked, and how one of their answers is made and read."""

    path: str
    parameters: dict[str, str]
    local: Callable[[Sequence[int], bool], Awaitable[A]]  # of partitions, and whether as their owner
    decode: Callable[[bytes], A]  # raises msgspec.DecodeError
    tasks_of: Callable[[A], PodTasks]
    hop_s: float  # time for one pod to answer


class _Refusal(msgspec.Struct, frozen=True):
    """What a refusal says."""

    type: str = ""


class FanOut(Generic[A]):
    """Asks the pods one question."""

    def __init__(self, directory: Directory, peers: PeerClient, question: PodsQuestion[A]) -> None:
        self._directory = directory
        self._peers = peers
        self._question = question

    async def ask(self, partitions: Sequence[int]) -> tuple[list[A], list[int]]:
        """Return the pods' answers, and the partitions for which nobody answered.

        Raises Problem 400, 503 where a pod has too much to do: asking another one would not be right.
        """
        tasks_of = self._question.tasks_of
        answers: list[A] = []
        missing = set(partitions)
        asked: dict[int, set[Asked]] = {partition: set() for partition in partitions}
        silent: set[int] = set()
        until_s = time.monotonic() + 2 * self._question.hop_s
        while missing and time.monotonic() < until_s:
            groups: dict[Asked, list[int]] = {}
            for partition in sorted(missing):
                whom = self._next(partition, asked[partition], silent)
                if whom is not None:
                    asked[partition].add(whom)
                    groups.setdefault(whom, []).append(partition)
            if not groups:
                break
            asks = [self._ask_one(whom, group) for whom, group in groups.items()]
            found = await asyncio.gather(*asks)
            for (ordinal, _), answer in zip(groups, found, strict=True):
                if answer is None:
                    silent.add(ordinal)
                    continue
                answers.append(answer)
                missing.difference_update(tasks_of(answer).partitions)
            if missing:
                await self._catch_up([tasks_of(answer).generation for answer in answers])
        return answers, sorted(missing)

    def _next(self, partition: int, asked: set[Asked], silent: set[int]) -> Asked | None:
        """Return whom to ask next for a partition."""
        routes, own = self._directory.routes_of(METRICS), self._directory.ordinal
        owner = routes.owners[partition]
        order: list[Asked] = []
        if owner is not None and (owner == own or not self._peers.is_suspect(owner)):
            order.append((owner, OWNER))
        if owner != own:
            order.append((own, ANY))
        order += [(standby, ANY) for standby in routes.standbys[partition]]
        if owner is not None:
            order.append((owner, ANY))
        return next((whom for whom in order if whom not in asked and whom[0] not in silent), None)

    async def _ask_one(self, whom: Asked, partitions: list[int]) -> A | None:
        """Return a pod's answer; None: it gave none that can be used."""
        question, (ordinal, role) = self._question, whom
        if ordinal == self._directory.ordinal:
            return await question.local(partitions, role == OWNER)
        parameters = {**question.parameters, "partitions": spelled(partitions), "role": role}
        try:
            said = await self._peers.get(ordinal, question.path, parameters, question.hop_s)
        except PeerSilent as silence:
            log.info("no metrics from a silent pod: %s", silence)
            return None
        if said.status != 200:
            _refuse(ordinal, said)
            return None
        try:
            answer = question.decode(said.body)
        except msgspec.DecodeError:
            log.warning("pod %d sent metrics that cannot be read", ordinal)
            return None
        if not set(question.tasks_of(answer).partitions) <= set(partitions):
            log.warning("pod %d answered for tasks it was not asked for", ordinal)
            return None
        return answer

    async def _catch_up(self, generations: list[int]) -> None:
        """Wait until this pod's routes are as new as those of the pods that were asked; not for long."""
        newest, deadline = max(generations, default=0), time.monotonic() + _NEWER_ROUTES_S
        while self._directory.routes_of(METRICS).generation < newest and time.monotonic() < deadline:
            await asyncio.sleep(_LOOK_S)


def _refuse(ordinal: int, said: PeerAnswer) -> None:
    """Note a refusal; raises Problem where the pod has too much to do."""
    try:
        kind = msgspec.json.decode(said.body, type=_Refusal).type.removeprefix(TYPE_PREFIX)
    except msgspec.DecodeError:
        kind = ""
    if kind in _REFUSALS:
        raise _REFUSALS[kind]()
    log.warning("pod %d answered %d to a question for metrics", ordinal, said.status)
