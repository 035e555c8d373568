"""The bounded proof: known clicks through all real parts, then every output against an independent count.

1. start everything on free ports, in an empty folder;
2. clicks at an even rate until they get no quicker, for a broker that has just started commits slowly; then
   clicks, some of them through the collector, that are timed on their way while both pods are asked;
3. drain; change, insert and delete profiles; wait until both pods tell so; clicks of those users;
4. a burst, for the processor time of an event;
5. clicks, some through the collector, while one pod is killed and started again;
6. drain; wait for the index; read all topics and the index; compare.
"""

import json
import shutil
import time
from dataclasses import dataclass, field
from math import inf

from clickstream_operator.manifests.sinks import search_of
from rich.table import Table

from clickstream_local.load.producer import ClickProducer
from clickstream_local.load.profiles import make_profiles
from clickstream_local.load.traffic import Traffic, record_of
from clickstream_local.load.visitors import NO_FLAWS, Visitors
from clickstream_local.pipeline.live_line import quantile
from clickstream_local.pipeline.options import Options
from clickstream_local.pipeline.progress import Progress
from clickstream_local.pipeline.stack import Stack
from clickstream_local.smoke.changes import EACH, ProfileHistory, change_profiles
from clickstream_local.smoke.checks import Check, compare
from clickstream_local.smoke.collected import check_collected
from clickstream_local.smoke.drain import wait_until_drained, wait_until_indexed
from clickstream_local.smoke.evidence import gather, read_clicks
from clickstream_local.smoke.model import Expected, Rules, expect
from clickstream_local.smoke.queries import check_queries, check_shape
from clickstream_local.smoke.stopwatch import Asking, Timing
from clickstream_local.smoke.warm_up import is_warm

EVEN_S = 12.0
BURST_CLICKS = 200_000
RATE_WITH_KILL = 2_000.0
WITH_KILL_S = 6.0
CLICKS_AFTER_CHANGE = 5
VISITORS_PER_S = 50.0  # clicks through the collector
TICK_S = 0.02


@dataclass(slots=True)
class Findings:
    """What the phases measured."""

    checks: list[Check] = field(default_factory=list)
    warm_up_s: int = 0  # of clicks that were sent before those that are timed
    end_to_end_p99_ms: float = 0.0
    end_to_end_p50_ms: float = 0.0
    query_p99_ms: float = 0.0
    events_per_cpu_s: float = 0.0
    collected: int = 0  # enriched clicks that came through the collector


class Smoke:
    """One proof on one running stack."""

    def __init__(self, stack: Stack, options: Options, progress: Progress) -> None:
        self._stack = stack
        self._options = options
        self._progress = progress
        spec = stack.pipeline.spec
        self._topics = spec.topics
        profiles = make_profiles(options.profiles, options.seed)
        self._history = ProfileHistory(profiles)
        self._users = [profile.user_id for profile in profiles]
        self._timing = Timing(stack.kafka.bootstrap, spec.topics.enriched, spec.topics.clicks)
        self._producer = ClickProducer(stack.kafka.bootstrap, spec.topics.clicks, self._timing.written)
        self._traffic = Traffic(self._users, spec.topics.partitions, seed=options.seed)
        # Users whose profiles do not change: phase 3 knows by offset which clicks met which version.
        theirs = Traffic(
            self._users[2 * EACH : 100], spec.topics.partitions, seed=options.seed, flaws=NO_FLAWS
        )
        self.visitors = Visitors(stack.collector.url, stack.collector.key, theirs, VISITORS_PER_S)
        self._findings = Findings()

    def run(self) -> Findings:
        """Do the phases in order and return what was found."""
        self._timing.start()
        with self._progress.step(f"clicks at {self._options.rate:.0f}/s until they get no quicker"):
            self._warm_up()
        with self._progress.step(
            f"{EVEN_S:.0f} s of clicks at {self._options.rate:.0f}/s, timed, and queries"
        ):
            self._even()
        with self._progress.step("profiles inserted, changed, deleted; clicks of those users"):
            self._changed_profiles()
        with self._progress.step(f"a burst of {BURST_CLICKS:,} clicks"):
            self._burst()
        with self._progress.step(f"kill -9 of pod {self._options.pods - 1} under load"):
            self._kill()
        with self._progress.step("everything counted again and compared"):
            self._compare()
        return self._findings

    def _warm_up(self) -> None:
        """Phase 2, its beginning."""
        medians_ms: list[float] = []
        while not is_warm(medians_ms):
            since = time.monotonic()
            self._send(self._options.rate, 1.0)
            self._producer.flush()
            wait_until_drained(self._stack)
            median_ms = quantile(self._timing.times_ms(since), 0.5)
            medians_ms.append(inf if median_ms is None else median_ms)
        self._findings.warm_up_s = len(medians_ms)

    def _even(self) -> None:
        """Phase 2."""
        asking = Asking(self._stack.pods, self._users)
        since = time.monotonic()
        asking.start()
        self.visitors.start()
        self._send(self._options.rate, EVEN_S)
        self.visitors.stop()
        self._producer.flush()
        wait_until_drained(self._stack)
        asking.stop()
        self._timing.stop()
        times_ms = self._timing.times_ms(since)
        self._findings.end_to_end_p99_ms = quantile(times_ms, 0.99) or 0.0
        self._findings.end_to_end_p50_ms = quantile(times_ms, 0.5) or 0.0
        self._findings.query_p99_ms = quantile(asking.times_ms, 0.99) or 0.0
        fine = asking.failed == 0 and len(asking.times_ms) > 100
        text = f"{len(asking.times_ms):,} answered" + (
            f", {asking.failed} not: {asking.first_failure}" if asking.failed else ""
        )
        self._findings.checks.append(Check("queries while clicks flow, both pods", text, fine))

    def _send(self, rate: float, seconds: float) -> None:
        began, sent = time.monotonic(), 0
        while (elapsed := time.monotonic() - began) < seconds:
            while sent < elapsed * rate:
                self._producer.send(self._traffic.click(int(time.time() * 1000)))
                sent += 1
            self._producer.poll()
            time.sleep(TICK_S)

    def _changed_profiles(self) -> None:
        """Phase 3: no click is on its way while the profiles change, so each click's profile is known."""
        changed, check = change_profiles(self._stack, self._history)
        self._findings.checks.append(check)
        for number in range(CLICKS_AFTER_CHANGE):
            for user in changed:
                now_ms = int(time.time() * 1000)
                click = {
                    "user_id": user,
                    "page_url": f"/after/{number}",
                    "action": "view",
                    "timestamp": now_ms,
                }
                self._producer.send(record_of(click))
        self._producer.flush()

    def _burst(self) -> None:
        """Phase 4. The clicks are made beforehand: the generator shares the machine's cores."""
        now_ms = int(time.time() * 1000)
        records = [self._traffic.click(now_ms) for _ in range(BURST_CLICKS)]
        wait_until_drained(self._stack)
        before = self._stack.pods.cpu_s()
        for record in records:
            self._producer.send(record)
        self._producer.flush()
        wait_until_drained(self._stack)
        self._findings.events_per_cpu_s = BURST_CLICKS / max(self._stack.pods.cpu_s() - before, 0.01)

    def _kill(self) -> None:
        """Phase 5."""
        victim = self._options.pods - 1
        self.visitors.start()
        self._send(RATE_WITH_KILL, WITH_KILL_S / 3)
        self._stack.pods.kill(victim)
        self._send(RATE_WITH_KILL, WITH_KILL_S / 3)
        self._stack.pods.restart(victim)
        self._send(RATE_WITH_KILL, WITH_KILL_S / 3)
        self.visitors.stop()
        self._producer.flush()
        wait_until_drained(self._stack)

    def _compare(self) -> None:
        """Phase 6."""
        stack, checks = self._stack, self._findings.checks
        clicks = read_clicks(stack.kafka.bootstrap, self._topics.clicks)
        self.expected: Expected = expect(clicks, self._history.profile_at, Rules.of(stack.pipeline))
        wait_until_indexed(stack, len(self.expected.enriched))
        self.evidence = gather(stack.kafka.bootstrap, stack.pipeline, stack.search)
        found, self.totals = compare(self.expected, self.evidence, search_of(stack.pipeline).index)
        checks += found
        checks.append(check_queries(stack, self.expected, self._history, int(time.time() * 1000)))
        checks.append(check_shape(stack))
        check, self._findings.collected = check_collected(self.visitors.answered, clicks, self.evidence)
        checks.append(check)
        sent = self._producer.sent + len(self.visitors.answered)
        checks.append(
            Check("clicks sent are in the topic", f"{len(clicks):,} of {sent:,}", len(clicks) == sent)
        )


def run_smoke(options: Options, progress: Progress) -> bool:
    """Prove the path and print the table and the last line; True when all held."""
    for old in options.data.iterdir():
        if old.name != "lock":
            shutil.rmtree(old) if old.is_dir() else old.unlink()
    stack = Stack(options, progress, whole=True)
    try:
        stack.start()
        smoke = Smoke(stack, options, progress)
        findings = smoke.run()
    finally:
        stack.stop()
    return _tell(smoke, findings, progress)


def _tell(smoke: Smoke, findings: Findings, progress: Progress) -> bool:
    table = Table("check", "found", "held")
    for check in findings.checks:
        table.add_row(check.what, check.found, "[green]yes[/]" if check.held else "[red]NO[/]")
    progress.console.print(table)
    ok = all(check.held for check in findings.checks)
    figures = {
        "ok": ok,
        "clicks": smoke.expected.clicks,
        "enriched": len(smoke.evidence.enriched),
        "indexed": len(smoke.evidence.indexed),
        "duplicates": smoke.totals.duplicates,
        "missing": smoke.totals.missing,
        "collector_answered": len(smoke.visitors.answered),
        "collector_enriched": findings.collected,
        "dead_lettered": len(smoke.evidence.dead),
        "query_p99_ms": round(findings.query_p99_ms, 1),
        "warm_up_s": findings.warm_up_s,
        "end_to_end_p99_ms": round(findings.end_to_end_p99_ms, 1),
        "end_to_end_p50_ms": round(findings.end_to_end_p50_ms, 1),
        "events_per_cpu_second": round(findings.events_per_cpu_s),
    }
    print(json.dumps(figures), flush=True)
    return ok
