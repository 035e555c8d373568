"""The controller: the planner's shell on Kafka. One per pipeline; it alone writes the assignment.

Each turn: read both control topics to their end, ask silent pods by HTTP, judge the pods' health, plan,
publish. It keeps no truth of its own: after any doubt it makes a new producer and reads on (R15).
Pods go on without it; only fail-over, hand-over and scaling wait for it.
"""

import logging
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from clickstream_operator.assignment.health import PodWatch
from clickstream_operator.assignment.log import ControlReader, ControlWriter, Superseded, Unreachable
from clickstream_operator.assignment.options import ControllerOptions
from clickstream_operator.assignment.planner import Health, Observation, holds, plan, undrained
from clickstream_operator.assignment.records import Assignment, Claim, Heartbeat

log = logging.getLogger(__name__)

TURN_S = 0.1
CONTACT_EVERY_S = 1.0
CONTACT_TIMEOUT_S = 2.0
SETTLE_S = 10.0  # how long pods that were never seen are waited for before the others get their tasks
BACK_OFF_S = 1.0
PROBE_EVERY_S = 1.0
PROBE_TIMEOUT_S = 1.0
SUPERSEDED_WAIT_S = 5.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the controller knows, for status and conditions; replaced whole after each turn."""

    term: int = 0
    generation: int = 0
    health: dict[int, Health] = field(default_factory=dict)
    assignments: dict[str, Assignment] = field(default_factory=dict)
    beats: dict[int, Heartbeat] = field(default_factory=dict)
    held: bool = False  # more than half of the pods look dead: nothing is published
    undrained: frozenset[int] = frozenset()  # pods beyond `replicas` that must not be removed yet
    kafka: str = ""  # why Kafka cannot be used at the moment; empty when it can


class PipelineMismatch(Exception):
    """The id belongs to another pipeline. End; the message says what to do."""


class Controller:
    """Runs in the thread that calls `run`; `update` and `snapshot` may be used from others."""

    def __init__(self, options: ControllerOptions, adopt: bool = False) -> None:
        """`adopt`: take the topics over from a pipeline of another name with the same id."""
        self.snapshot = Snapshot()
        self._options = options
        self._adopt = adopt
        self._id = str(uuid.uuid4())
        self._reader = ControlReader(options.kafka, options.id)
        self._writer: ControlWriter | None = None
        self._claimed = 0  # the term of this controller; 0 before its claim
        self._watch = PodWatch(options.failover_after_s, time.monotonic())
        self._began_s = time.monotonic()
        self._contact_s = float("-inf")
        self._probes = _Probes(lambda ordinal: self._options.health_url(ordinal))

    def update(self, options: ControllerOptions) -> None:
        """Take new settings of the same pipeline: replicas, standbys, failoverAfter."""
        self._options = options
        self._watch.failover_after_s = options.failover_after_s

    def run(self, stop: threading.Event) -> None:
        """Work until `stop`, then close. Raises Superseded, PipelineMismatch or ProtocolTooNew."""
        try:
            while not stop.is_set():
                try:
                    self._turn()
                except Unreachable as error:
                    self._lost(error)
                    stop.wait(BACK_OFF_S)
        finally:
            self._probes.close()
            self._reader.close()

    def _turn(self) -> None:
        if self._writer is None or self._writer.doubtful:
            self._take_office()
        for beat in self._reader.poll(TURN_S):
            self._watch.hear(beat, time.monotonic())
        self._keep_contact()
        if self._reader.term > self._claimed:
            raise Superseded(f"another controller has claimed term {self._reader.term}")
        now_s = time.monotonic()
        for ordinal in self._probes.ask(self._watch.to_probe(now_s), now_s):
            self._watch.answer(ordinal, now_s)
        self._plan_and_publish()

    def _take_office(self) -> None:
        """Make a writer, read to the end, and claim the next term unless one is held already (R15)."""
        self._writer = None
        writer = ControlWriter(self._options.kafka, self._options.id)
        self._reader.read_to_end(30)
        if self._claimed == 0:
            claim = self._reader.claim
            if claim and claim.pipeline not in ("", self._options.pipeline) and not self._adopt:
                raise PipelineMismatch(
                    f"the id {self._options.id!r} belongs to pipeline {claim.pipeline} on this Kafka: "
                    "two pipelines must not share one. Give this one an id of its own, "
                    "or pass --adopt if that one is gone"
                )
            term = self._reader.term + 1
            now_ms = time.time_ns() // 1_000_000
            self._publish(writer, (Claim(term, self._id, now_ms, self._options.pipeline),))
            self._reader.read_to_end(30)
            self._claimed = term
            self._expect_pods()
            log.info("controller %s of %s begins term %d", self._id, self._options.id, term)
        self._writer = writer
        self._regain()

    def _expect_pods(self) -> None:
        """Let pods that own something, or gave heartbeats once, count as silent from now on."""
        now_s = time.monotonic()
        owners = {a.owner for a in self._reader.assignments.values() if a.owner is not None}
        for ordinal in owners | self._reader.beats.keys():
            self._watch.expect(ordinal, now_s)

    def _keep_contact(self) -> None:
        """Read the topics to their end once a second: unless that works, silence proves nothing (R16)."""
        now_s = time.monotonic()
        if now_s - self._contact_s < CONTACT_EVERY_S:
            return
        interrupted = (
            now_s - self._contact_s > CONTACT_EVERY_S + CONTACT_TIMEOUT_S
        )  # this process was stopped
        for beat in self._reader.read_to_end(CONTACT_TIMEOUT_S):
            self._watch.hear(beat, time.monotonic())
        if interrupted:
            self._regain()
        self._contact_s = time.monotonic()

    def _regain(self) -> None:
        now_s = time.monotonic()
        self._watch.regained(now_s)
        self._contact_s = now_s

    def _lost(self, error: Unreachable) -> None:
        if not self.snapshot.kafka:
            log.warning("Kafka cannot be used, the pods go on by themselves: %s", error)
        self._writer = None
        self.snapshot = Snapshot(kafka=str(error))

    def _plan_and_publish(self) -> None:
        options, reader = self._options, self._reader
        seen, policy = self._observe(), options.policy
        changes = plan(reader.assignments, seen, policy, self._claimed)
        if changes and self._writer is not None:
            self._publish(self._writer, changes)
            reader.read_to_end(30)
            for a in changes:
                log.info(
                    "generation %d: %s owner %s, epoch %d, fence %s, standbys %s",
                    *(a.generation, a.task, a.owner, a.epoch, list(a.fence), list(a.standbys)),
                )
        held = holds(seen, policy)
        if held and not self.snapshot.held:
            log.warning("more than half of the pods look dead: nothing is moved until some come back")
        self.snapshot = Snapshot(
            term=self._claimed,
            generation=max((a.generation for a in reader.assignments.values()), default=0),
            health=dict(seen.health),
            assignments=dict(reader.assignments),
            beats=dict(reader.beats),
            held=held,
            undrained=frozenset(undrained(reader.assignments.values(), policy.replicas)),
        )

    def _publish(self, writer: ControlWriter, records: tuple[Claim | Assignment, ...]) -> None:
        """Publish; a refused write means another controller, unless none has claimed a term within 5 s."""
        try:
            writer.publish(records)
        except Superseded as error:
            self._writer = None
            term, deadline_s = self._claimed or self._reader.term, time.monotonic() + SUPERSEDED_WAIT_S
            while time.monotonic() < deadline_s:
                self._reader.poll(TURN_S)
                if self._reader.term > term:
                    raise
            raise Unreachable(
                f"the write was refused, and nobody else has claimed a term: {error}"
            ) from error

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


class _Probes:
    """Asks pods' admin ports whether anybody is there, each at most once a second, without waiting."""

    def __init__(self, url: Callable[[int], str]) -> None:
        self._url = url
        self._pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix="probe")
        self._asked_s: dict[int, float] = {}
        self._running: dict[int, Future[bool]] = {}

    def ask(self, ordinals: list[int], now_s: float) -> list[int]:
        """Begin to ask these pods; return those that have answered since the last call."""
        for ordinal in ordinals:
            if (
                ordinal not in self._running
                and now_s - self._asked_s.get(ordinal, -PROBE_EVERY_S) >= PROBE_EVERY_S
            ):
                self._asked_s[ordinal] = now_s
                self._running[ordinal] = self._pool.submit(_answers, self._url(ordinal))
        done = {ordinal: future for ordinal, future in self._running.items() if future.done()}
        for ordinal in done:
            del self._running[ordinal]
        return [ordinal for ordinal, future in done.items() if future.result()]

    def close(self) -> None:
        """End without waiting for answers."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _answers(url: str) -> bool:
    """Tell whether anything answers HTTP there; any status will do."""
    try:
        with urllib.request.urlopen(url, timeout=PROBE_TIMEOUT_S):  # noqa: S310  # built from settings, http only
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
