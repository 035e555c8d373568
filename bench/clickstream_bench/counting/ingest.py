"""Full ingest with metrics: what they cost the pod, and what they cost Kafka Streams.

Counted from a tenth of the enriched clicks to the last commit of anything: so a second stage that lags
behind its first is not left out. Its clicks are nine tenths of all.
"""

import shutil
import time
from dataclasses import asdict, dataclass
from typing import Any

from clickstream_local.parts.kafka import Kafka

from clickstream_bench.counting.ends import Ends
from clickstream_bench.counting.expected import Expected
from clickstream_bench.counting.sizes import Sizes
from clickstream_bench.counting.systems import (
    METRICS,
    PLAIN,
    STREAMS,
    Case,
    Make,
    kafka_streams,
    partials_of,
    plain,
    with_metrics,
)
from clickstream_bench.ground import Ground, say
from clickstream_bench.systems import Topics, Usage
from clickstream_bench.throughput import POLL_S, STANDSTILL_S, Progress, at
from clickstream_bench.traffic import Traffic

SYSTEMS: dict[str, Make] = {PLAIN: plain, METRICS: with_metrics, STREAMS: kafka_streams}
FROM = 0.1  # the share of the enriched clicks that is start-up
Sample = tuple[float, int, float]  # clock, records, processor time


@dataclass(frozen=True, slots=True)
class Whole:
    """One run of one system, to its last commit."""

    events_s: float
    events_cpu_s: float
    steady_events_cpu_s: float  # between 10 % and 90 % of the enriched clicks, as throughput.py has it
    behind_s: float  # from the last enriched click to the last commit
    peak_rss_bytes: int


def ingest(here: Ground, sizes: Sizes) -> list[dict[str, Any]]:
    """Return the rounds; in each, every system has its turn, and its metrics are compared with the input."""
    traffic = Traffic(sizes.clicks, sizes.users, here.start_ms)
    given, expected = here.input(traffic), Expected.of(traffic)
    rounds: list[dict[str, Any]] = []
    for number in range(sizes.rounds):
        rates: dict[str, Any] = {}
        # To and fro: the two of ours always come one after the other, on a machine that is alike for both.
        for name in list(SYSTEMS)[:: -1 if number % 2 else 1]:
            topics, run = here.topics(given)
            case = SYSTEMS[name](here.kafka, topics, here.folder / run, run)
            whole = measure(here.kafka, case, topics, given.expected.enriched, sizes.clicks, expected)
            here.check(name, topics, given.expected)
            between = partials_of(here.kafka, case, topics.partitions) / sizes.clicks
            rates[name] = asdict(whole) | {"between_per_click": round(between, 4)}
            say(f"round {number + 1} {name}: {rates[name]}")
            shutil.rmtree(here.folder / run, ignore_errors=True)
        rounds.append(rates)
    return rounds


def measure(kafka: Kafka, case: Case, topics: Topics, records: int, clicks: int, expected: Expected) -> Whole:
    """Start the system and stop it after its last commit. The input is complete. Checks its metrics."""
    progress = Progress(kafka, topics.enriched, topics.partitions)
    ends = Ends(kafka.bootstrap, (topics.enriched, topics.metrics, *case.topics), topics.partitions)
    case.system.start()
    try:
        usage = Usage(case.system.pids())
        samples = _samples(progress, usage, records, case.system.name)
        end_s, end_cpu_s = ends.quiet(usage.cpu_s)
        peak = usage.peak_rss_bytes()
        wrong = expected.differences(*case.read(expected)) if case.read else []
    finally:
        case.system.stop()
    if wrong:
        raise SystemExit(f"{case.system.name} counted something else: {'; '.join(wrong)}")
    return whole(samples, (end_s, end_cpu_s), records, clicks, peak)


def whole(samples: list[Sample], end: tuple[float, float], records: int, clicks: int, peak: int) -> Whole:
    """Return the rates of samples of (clock, records, processor time) and the (clock, time) at the end."""
    low, high = at(samples, FROM * records), at(samples, (1 - FROM) * records)
    last_s = at(samples, records)[0]
    events, steady = (1 - FROM) * clicks, (1 - 2 * FROM) * clicks
    if end[1] <= low[1] or high[1] <= low[1]:
        raise ValueError("too few commits to measure; send more clicks")
    return Whole(
        events / (max(end[0], last_s) - low[0]),
        events / (end[1] - low[1]),
        steady / (high[1] - low[1]),
        round(max(0.0, end[0] - last_s), 2),
        peak,
    )


def _samples(progress: Progress, usage: Usage, records: int, name: str) -> list[Sample]:
    """Look until all records are committed."""
    samples: list[Sample] = []
    grown_s, before = time.perf_counter(), -1
    while True:
        now_s, done = time.perf_counter(), progress.records()
        samples.append((now_s, done, usage.cpu_s()))
        if done > before:
            grown_s, before = now_s, done
        if done >= records:
            return samples
        if now_s - grown_s > STANDSTILL_S:
            raise TimeoutError(f"{name} stands still at {done} of {records} records")
        time.sleep(POLL_S)
