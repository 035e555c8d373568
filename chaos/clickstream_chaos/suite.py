"""One run: a pipeline under load, faults one after the other, and the checker after each and at the end."""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clickstream_local.parts.kafka import Kafka

from clickstream_chaos.checking.auditor import Auditor
from clickstream_chaos.checking.checker import ARRIVALS, READ, Checker, Verdict
from clickstream_chaos.checking.states import compare_states
from clickstream_chaos.eraser import Eraser
from clickstream_chaos.load.load import USERS, Load, user
from clickstream_chaos.load.pool import POOL
from clickstream_chaos.monitor import Monitor
from clickstream_chaos.pipeline import ADDED, GRACE_MS, WINDOW_MS, Pipeline, Shape
from clickstream_chaos.proxy.proxy import Proxy
from clickstream_chaos.waiting import NotInTime, eventually

Say = Callable[[str], None]
DRAIN_S = 300.0


@dataclass(slots=True)
class Figures:
    """The result of a run; `line` is the last line of `make chaos`."""

    faults: int = 0
    lost: int = 0
    doubled: int = 0
    contradictions: int = 0
    failover_s: list[float] = field(default_factory=list)
    handover_pause_ms: list[float] = field(default_factory=list)
    restart_s: list[float] = field(default_factory=list)
    stall_s: list[float] = field(default_factory=list)
    clicks: int = 0
    answers: int = 0  # of the query API, not marked stale
    states: int = 0  # databases of owners and standbys that were compared with the model
    erasures: int = 0  # that are done
    damaged: int = 0  # databases with a damaged block that nobody has read

    def line(self) -> dict[str, Any]:
        """Return the figures as they are printed; null where nothing was measured."""
        return {
            "faults": self.faults,
            "lost": self.lost,
            "doubled": self.doubled,
            "contradictions": self.contradictions,
            "failover_s_max": _round(max(self.failover_s, default=None)),
            "handover_pause_ms_p99": _round(quantile(self.handover_pause_ms, 0.99)),
            "restart_s_p99": _round(quantile(self.restart_s, 0.99)),
            "lso_stall_s_max": _round(max(self.stall_s, default=None)),
            "clicks": self.clicks,
            "answers": self.answers,
            "states": self.states,
            "damaged": self.damaged,
            "erasures": self.erasures,
        }


def quantile(values: list[float], share: float) -> float | None:
    """Return the value that `share` of all do not exceed; None of nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else None


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


class Suite:
    """Everything a fault may touch."""

    def __init__(
        self,
        folder: Path,
        kafka: Kafka,
        seed: int,
        say: Say,
        shape: Shape | None = None,
        rate: float = 300,
        proxies: Mapping[int, Proxy] | None = None,
        *,
        erases: bool = False,
    ) -> None:
        """`proxies`: pod -> its way to the broker. `erases`: erase users meanwhile."""
        self.chance = random.Random(seed)  # noqa: S311 (test data)
        self.say, self.kafka = say, kafka
        self.proxies = dict(proxies or {})
        via = {ordinal: proxy.bootstrap for ordinal, proxy in self.proxies.items()}
        self.pipeline = Pipeline(folder, kafka.bootstrap, f"run{seed}", shape or Shape(), pod_bootstraps=via)
        self.figures = Figures()
        topic = self.pipeline.topic
        self.load = Load(kafka.bootstrap, topic("clicks"), topic("profiles"), rate, seed)
        if self.pipeline.shape.partitioner == "any":
            self.load.partitions = self.pipeline.shape.partitions
        self.load.answers_lost = self.pipeline.shape.answers_lost
        self.damages = 0  # databases that a fault has damaged
        self.eraser = Eraser(self.pipeline, self.load, seed, say) if erases else None
        self.auditor = Auditor(self.pipeline.query_port, self.pipeline.running, seed)
        self.monitor: Monitor
        self.checker: Checker

    def start(self) -> None:
        """Start the pipeline with every profile in place, then the load."""
        pipeline = self.pipeline
        pipeline.create_topics()
        self.load.send_profiles()
        pipeline.controller().start()
        for ordinal in range(pipeline.shape.pods):
            pipeline.pod(ordinal).start()
        self.begin()

    def begin(self) -> None:
        """Wait until every task runs, and let clicks flow."""
        pipeline, kafka = self.pipeline, self.kafka
        pipeline.wait_until_running(300)
        partitions = pipeline.shape.partitions
        self.monitor = Monitor(kafka.bootstrap, pipeline.topic("enriched"), partitions)
        any_key = pipeline.shape.partitioner == "any"
        topics = {name: pipeline.topic(name) for name in (*READ, *([ARRIVALS] if any_key else []))}
        self.checker = Checker(
            kafka.bootstrap,
            topics,
            partitions,
            PROFILES,
            WINDOW_MS,
            GRACE_MS,
            added=ADDED,
            dedup=pipeline.shape.answers_lost,
        )
        self.monitor.start()
        self.auditor.start()
        self.load.start()
        if self.eraser is not None:
            self.eraser.start()
        self.wait_for_output()

    def wait_for_output(self, timeout_s: float = 300) -> None:
        """Wait until every partition gives committed output again."""
        began_s = time.monotonic()
        eventually(
            "each partition gives committed output",
            lambda: min(self.monitor.last_seen_s().values()) > began_s,
            timeout_s,
        )

    def inject(self, name: str, fault: Callable[["Suite"], None], *, stalls: bool = True) -> bool:
        """Carry out one fault, wait until all is well again, check; return False when something is wrong.

        `stalls`: how long readers of committed data had to wait counts, for Kafka itself was well.
        """
        began_s = time.monotonic()
        self.say(f"fault {self.figures.faults + 1}: {name}")
        try:
            fault(self)
            self.heal()
        except NotInTime as error:
            self.say(f"  STUCK: {error}")
            self.figures.lost += 1
            return False
        self.figures.faults += 1
        stall_s = max(self.monitor.pauses_since(began_s).values())
        if stalls:
            self.figures.stall_s.append(stall_s)
        self.say(f"  all runs again after {time.monotonic() - began_s:.1f} s; longest pause {stall_s:.1f} s")
        verdict = self.checker.check()
        for text in self.auditor.contradictions:
            verdict.note("contradictions", f"answer of {text}")
        self.figures.doubled, self.figures.contradictions = verdict.doubled, verdict.contradictions
        for example in verdict.examples if verdict.wrong() else []:
            self.say(f"  WRONG: {example}")
        return not verdict.wrong()

    def heal(self, timeout_s: float = 120) -> None:
        """Start whatever ended, and wait until every task runs and gives output."""
        pipeline = self.pipeline
        if not any(pipeline.controller(number).is_running() for number in pipeline.controllers()):
            pipeline.controller().start()
        for ordinal in range(pipeline.shape.pods):
            if not pipeline.pod(ordinal).is_running():
                pipeline.restart_pod(ordinal)
        pipeline.wait_until_running(timeout_s)
        self.wait_for_output(timeout_s)

    def owns(self, ordinal: int) -> bool:
        """Tell whether a pod owns tasks that run."""
        return ordinal in self.pipeline.owners().values()

    def finish(self, drain_s: float = DRAIN_S) -> Verdict:
        """Stop the load, wait until everything has come out, and return the last verdict."""
        self.load.stop()
        not_erased = self._end_erasures()
        deadline_s = time.monotonic() + drain_s
        while not (verdict := self.checker.check()).complete():
            if verdict.wrong() or time.monotonic() > deadline_s:
                break
            time.sleep(0.5)
        self.auditor.stop()
        if not_erased:
            verdict.note("missing", not_erased)
        if verdict.complete():
            for text in self.auditor.compare(self.checker.counts(), self.checker.erased()):
                verdict.note("contradictions", f"answer of {text}")
            self._compare_states(verdict)
        self.figures.answers = self.auditor.answers
        self.figures.lost += verdict.missing
        self.figures.doubled, self.figures.contradictions = verdict.doubled, verdict.contradictions
        self.figures.clicks = verdict.clicks
        for example in verdict.examples:
            self.say(f"  WRONG: {example}")
        return verdict

    def _end_erasures(self) -> str:
        """Wait for the last erasure; return what keeps it from its end."""
        if self.eraser is None:
            return ""
        try:
            self.eraser.finish()
        except NotInTime as error:
            return str(error)
        finally:
            self.figures.erasures = self.eraser.done
        return ""

    def _compare_states(self, verdict: Verdict) -> None:
        """Stop all pods where they are, and compare what owners and standbys have with the model."""
        found = compare_states(self.pipeline, self.checker, self.damages)
        for text in found.wrong:
            verdict.note("contradictions", text)
        self.figures.states, self.figures.damaged = found.states, found.damaged

    def stop(self) -> None:
        """Stop everything that was started."""
        self.auditor.stop()
        if self.eraser is not None:
            self.eraser.stop()
        if hasattr(self, "monitor"):
            self.monitor.stop()
        self.pipeline.stop()


PROFILES = {
    name: {
        "name": f"Name {number}",
        "country": ("US", "FR", "JP")[number % 3],
        "plan_tier": ("free", "premium")[number % 2],
    }
    for number, name in enumerate([*map(user, range(USERS)), *POOL])
}
