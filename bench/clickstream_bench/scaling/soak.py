"""One pod at a steady rate for a long time: whether its memory stays where it is."""

import statistics
import time
from typing import Any

import psutil

from clickstream_bench.arrived import Arrived
from clickstream_bench.ground import Ground, say, when
from clickstream_bench.latency import WARM_UP_S, SteadyClicks
from clickstream_bench.scaling.sizes import STEADY_S, Sizes
from clickstream_bench.scaling.watched import Watched
from clickstream_bench.systems import Usage
from clickstream_bench.traffic import Traffic, names

LOOK_S = 10.0
SAMPLES = 12  # at least: a soak too short for that is looked at more often
TOLERANCE = 0.05  # by so much the 4th quarter's median may be above the 2nd's
CLICKS = "clickstream_records_consumed_total"


def soak(here: Ground, sizes: Sizes) -> dict[str, Any]:
    """Return the samples of resident memory, and what they say; every click must come out once."""
    topics, run = here.topics(here.input(Traffic(0, sizes.users, here.start_ms)))
    system = Watched(here.kafka, topics, here.folder / run, run)
    clicks = SteadyClicks(here.kafka.bootstrap, topics.clicks, STEADY_S, names(sizes.users))
    pods = system.pods

    def processed() -> float:
        return pods.metric(CLICKS, input="clicks")

    try:
        system.start()
        clicks.start()
        when(lambda: processed() > 0, "no click is processed")
        time.sleep(WARM_UP_S)  # what was sent before the first was processed is no part of the rate
        usage, done, began_s = Usage(system.pids()), processed(), time.perf_counter()
        spent_s = usage.cpu_s()
        samples = _sample(pods.pods[0].process.pid, sizes.soak_s)
        spent_s, done = usage.cpu_s() - spent_s, processed() - done
        seconds = time.perf_counter() - began_s
        clicks.stop()
        when(lambda: processed() >= clicks.sent, "not every click is processed")
    finally:
        clicks.stop()
        system.stop()
    arrived = Arrived.of(here.kafka.bootstrap, topics.enriched, topics.metrics, topics.partitions)
    if wrong := arrived.differences(clicks.sent):
        raise SystemExit(f"the soak wrote something else: {'; '.join(wrong)}")
    return {
        "events_s": round(done / seconds),
        "cpu_us_event": round(1e6 * spent_s / done, 2),
        "clicks": clicks.sent,
        **trend(samples),
        **system.seen,
        "samples": samples,
    }


def trend(samples: list[tuple[float, int]]) -> dict[str, Any]:
    """Return what samples of (s, bytes) say: peak, slope over the second half, and whether it is flat."""
    quarter = len(samples) // 4
    second, fourth = (
        statistics.median(size for _, size in samples[first * quarter : (first + 1) * quarter])
        for first in (1, 3)
    )
    late = samples[len(samples) // 2 :]
    slope, _ = statistics.linear_regression([at_s for at_s, _ in late], [size for _, size in late])
    return {
        "peak_rss_bytes": max(size for _, size in samples),
        "slope_mib_h": round(slope * 3_600 / 2**20, 1),
        "second_quarter_bytes": second,
        "fourth_quarter_bytes": fourth,
        "flat": fourth <= second * (1 + TOLERANCE),
    }


def _sample(pid: int, seconds: float) -> list[tuple[float, int]]:
    """Return (s, bytes) of a process, looked at evenly for so long."""
    process = psutil.Process(pid)
    count = max(SAMPLES, round(seconds / LOOK_S))
    began_s = time.perf_counter()
    samples: list[tuple[float, int]] = []
    for number in range(count):
        time.sleep(max(0.0, began_s + (number + 1) * seconds / count - time.perf_counter()))
        at_s, size = time.perf_counter() - began_s, process.memory_info().rss
        samples.append((round(at_s, 1), size))
        if (number + 1) % max(1, count // 10) == 0:
            say(f"soak, {at_s:,.0f} s: RSS {size / 2**20:,.1f} MiB")
    return samples
