"""The controller: the planner's shell on Kafka. One per pipeline; it alone writes the assignment.

Each turn: take in what the control topics have brought, ask silent pods by HTTP, judge the pods' health,
plan, publish. It keeps no truth of its own: after any doubt it makes a new writer and reads on (R15).
Pods go on without it; only fail-over, hand-over and scaling wait for it. Threads and Kafka clients are
those of `clients.Clients`, which many controllers share.
"""

import logging
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from clickstream_operator.assignment.control_topics.log import ControlReader
from clickstream_operator.assignment.control_topics.topic_reader import (
    CONTACT_EVERY_S,
    CONTACT_TIMEOUT_S,
    ControlTopicReader,
)
from clickstream_operator.assignment.control_topics.writer import ControlWriter
from clickstream_operator.assignment.control_topics.writer_cache import WriterCache
from clickstream_operator.assignment.errors import PipelineMismatch, Superseded, Unreachable
from clickstream_operator.assignment.health import PodWatch
from clickstream_operator.assignment.options import ControllerOptions
from clickstream_operator.assignment.planner import Observation, PodHealth, Policy, holds, plan, undrained
from clickstream_operator.assignment.probes import Probes
from clickstream_operator.assignment.records import Assignment, Claim, Heartbeat
from clickstream_operator.assignment.worker_pool import WorkerPool

log = logging.getLogger(__name__)

TURN_S = 0.5  # without news; how exactly a pod's silence is timed
BACK_OFF_S = 1.0
FRESH_S = 2.0  # silence is judged only if all that was written until so long ago has been read
LOST_S = CONTACT_EVERY_S + CONTACT_TIMEOUT_S + 1.0
READ_S = 30.0
SETTLE_S = 10.0  # how long pods that were never seen are waited for before the others get their tasks
SUPERSEDED_WAIT_S = 5.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the controller knows, for status and conditions; replaced whole after each turn."""

    term: int = 0
    generation: int = 0
    health: dict[int, PodHealth] = field(default_factory=dict)
    assignments: dict[str, Assignment] = field(default_factory=dict)
    beats: dict[int, Heartbeat] = field(default_factory=dict)
    held: bool = False  # more than half of the pods look dead: nothing is published
    replicas: int = 0  # how many pods it last planned for
    undrained: frozenset[int] = frozenset()  # pods beyond them that must not be removed yet
    kafka: str = ""  # why Kafka cannot be used at the moment; empty when it can


@dataclass(frozen=True, slots=True)
class SharedClients:
    """What a controller shares with others."""

    topic_reader: ControlTopicReader
    writers: WriterCache
    probing: WorkerPool[bool]


class Controller:
    """One thread at a time calls `turn`; `update` and `snapshot` may be used from others."""

    def __init__(
        self,
        options: ControllerOptions,
        shared: SharedClients,
        wake: Callable[[], None] = lambda: None,
        adopt: bool = False,
    ) -> None:
        """`wake` is called when there is news. `adopt`: take over from a pipeline of another name."""
        self.snapshot = Snapshot()
        self._options = options
        self._shared = shared
        self._adopt = adopt
        self._id = str(uuid.uuid4())
        self._reader = ControlReader(shared.topic_reader, options.id, wake)
        self._claimed = 0  # the term of this controller; 0 before its claim
        self._watch = PodWatch(options.failover_after_s, time.monotonic())
        self._began_s = time.monotonic()
        self._contact_s = float("-inf")
        self._planned: tuple[Observation, Policy, int] | None = None  # that it had nothing to publish for
        self._probes = Probes(lambda ordinal: self._options.health_url(ordinal), shared.probing)

    def update(self, options: ControllerOptions) -> None:
        """Take new settings of the same pipeline: replicas, standbys, failoverAfter."""
        self._options = options
        self._watch.failover_after_s = options.failover_after_s

    def turn(self) -> float:
        """Do what there is to do; return after how many seconds to come again without news.

        Raises Superseded, PipelineMismatch or ProtocolTooNew: then the controller is at its end.
        """
        try:
            self._turn()
        except Unreachable as error:
            self._lost(error)
            return BACK_OFF_S
        return TURN_S

    def close(self) -> None:
        """Let go of what is shared."""
        self._shared.writers.drop(self._id)
        self._reader.close()

    def _turn(self) -> None:
        if self._claimed == 0:
            self._take_office()
        self._hear(self._reader.poll(0))
        if self._reader.term > self._claimed:
            raise Superseded(f"another controller has claimed term {self._reader.term}")
        if not self._is_in_contact():
            return
        now_s = time.monotonic()
        for ordinal in self._probes.ask(self._watch.to_probe(now_s), now_s):
            self._watch.answer(ordinal, now_s)
        self._plan_and_publish()

    def _take_office(self) -> None:
        """Make a writer, read to the end, and claim the next term (R15)."""
        if self._reader.problem:  # without the topics or the rights to them a writer is of no use
            raise Unreachable(self._reader.problem)
        writer = self._open_writer()
        claim = self._reader.claim
        if claim and claim.pipeline not in ("", self._options.pipeline) and not self._adopt:
            raise PipelineMismatch(
                f"the id {self._options.id!r} belongs to pipeline {claim.pipeline} on this Kafka: "
                "two pipelines must not share one. Give this one an id of its own, "
                "or pass --adopt if that one is gone"
            )
        term = self._reader.term + 1
        now_ms = time.time_ns() // 1_000_000
        self._publish((Claim(term, self._id, now_ms, self._options.pipeline),), writer)
        self._claimed = term
        self._expect_pods()
        self._regain()
        log.info("controller %s of %s begins term %d", self._id, self._options.id, term)

    def _open_writer(self) -> ControlWriter:
        """Shut every other writer out, then read what they had written: later they can write nothing."""
        try:
            writer = ControlWriter(self._options.kafka, self._options.id)
        except Unreachable as error:
            said = self._shared.topic_reader.last_error
            raise Unreachable(f"{error}: {said}" if said else str(error)) from error
        self._hear(self._reader.read_to_end(READ_S))
        if self._claimed and self._reader.term > self._claimed:
            raise Superseded(f"another controller has claimed term {self._reader.term}")
        return writer

    def _expect_pods(self) -> None:
        """Let pods that own something, or gave heartbeats once, count as silent from now on."""
        now_s = time.monotonic()
        owners = {a.owner for a in self._reader.assignments.values() if a.owner is not None}
        for ordinal in owners | self._reader.beats.keys():
            self._watch.expect(ordinal, now_s)

    def _hear(self, beats: list[Heartbeat]) -> None:
        for beat in beats:
            self._watch.hear(beat, time.monotonic())

    def _is_in_contact(self) -> bool:
        """Tell whether what was written up to now has been read: else silence proves nothing (R16).

        Raises Unreachable when that has not been so for too long.
        """
        reached_s = self._reader.contact_s()
        if reached_s - self._contact_s > CONTACT_EVERY_S + CONTACT_TIMEOUT_S:
            self._regain()  # Kafka was away, or this process was stopped
        self._contact_s = max(self._contact_s, reached_s)
        behind_s = time.monotonic() - self._contact_s
        if behind_s > LOST_S:
            reason = self._reader.problem or f"the control topics could not be read for {behind_s:.0f} s"
            raise Unreachable(reason)
        return behind_s <= FRESH_S

    def _regain(self) -> None:
        now_s = time.monotonic()
        self._watch.regained(now_s)
        self._contact_s = now_s

    def _lost(self, error: Unreachable) -> None:
        if not self.snapshot.kafka:
            log.warning("%s: Kafka cannot be used, the pods go on by themselves: %s", self._options.id, error)
        self.snapshot = Snapshot(kafka=str(error))

    def _plan_and_publish(self) -> None:
        options, reader = self._options, self._reader
        seen, policy = self._observe(), options.policy
        if self._planned != (seen, policy, reader.changes):
            changes = plan(reader.assignments, seen, policy, self._claimed)
            if changes:
                self._publish(changes)
                for a in changes:
                    log.info(
                        "%s, generation %d: %s owner %s, epoch %d, fence %s, standbys %s",
                        *(options.id, a.generation, a.task, a.owner, a.epoch, list(a.fence)),
                        list(a.standbys),
                    )
            else:
                self._planned = (seen, policy, reader.changes)
        held = holds(seen, policy)
        if held and not self.snapshot.held:
            log.warning(
                "%s: more than half of the pods look dead: nothing is moved until some come back", options.id
            )
        self.snapshot = Snapshot(
            term=self._claimed,
            generation=max((a.generation for a in reader.assignments.values()), default=0),
            health=dict(seen.health),
            assignments=dict(reader.assignments),
            beats=dict(reader.beats),
            held=held,
            replicas=policy.replicas,
            undrained=frozenset(undrained(reader.assignments, policy)),
        )

    def _publish(self, records: tuple[Claim | Assignment, ...], writer: ControlWriter | None = None) -> None:
        """Publish and read back; a refused write means another controller, unless none has claimed a term."""
        writer = writer or self._shared.writers.take(self._id) or self._open_writer()
        try:
            writer.publish(records)
        except Superseded as error:
            term, deadline_s = self._claimed or self._reader.term, time.monotonic() + SUPERSEDED_WAIT_S
            while time.monotonic() < deadline_s:
                self._hear(self._reader.poll(0.1))
                if self._reader.term > term:
                    raise
            raise Unreachable(
                f"the write was refused, and nobody else has claimed a term: {error}"
            ) from error
        self._hear(self._reader.read_to_end(READ_S))
        if not writer.doubtful:
            self._shared.writers.put(self._id, writer)

    def _observe(self) -> Observation:
        now_s = time.monotonic()
        policy = self._options.policy
        health = self._watch.judge(now_s)
        lag: dict[tuple[str, int], int] = {}
        for ordinal, beat in self._reader.beats.items():
            for task, report in beat.tasks.items():
                if report.role == "standby" and report.phase in ("restoring", "running"):
                    behind = 0 if report.phase == "running" else policy.handover_lag + 1
                    lag[task, ordinal] = max(report.lag_records, behind)
        settled = now_s - self._began_s >= SETTLE_S
        return Observation(health, lag, dict(self._reader.acquired), settled)
