"""Full ingest in different sizes: what an event costs with more pods, more users, more partitions.

Within a round each case has its turn, so a slow minute of the machine does not hit one of them alone.
"""

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from clickstream_processor.state.memory import MemoryShares

from clickstream_bench.ground import Ground, say
from clickstream_bench.scaling.sizes import PARTITIONS, PODS, PODS_PARTITIONS, Sizes
from clickstream_bench.scaling.watched import Watched
from clickstream_bench.throughput import Progress, measure
from clickstream_bench.traffic import Traffic

Rounds = dict[str, list[dict[str, Any]]]  # by the case's size


@dataclass(frozen=True, slots=True)
class Case:
    """One size."""

    size: int
    traffic: Traffic
    pods: int = 1
    memory: str = "1Gi"


def pods(here: Ground, sizes: Sizes) -> Rounds:
    """More pods on the same input."""
    traffic = Traffic(sizes.clicks, sizes.users, here.start_ms, partitions=PODS_PARTITIONS)
    return _ingest(here, [Case(count, traffic, pods=count) for count in PODS], sizes.rounds)


def users(here: Ground, sizes: Sizes) -> Rounds:
    """More users under the same limit of memory; in the largest case the state is many times the cache."""
    memory = f"{sizes.memory_mib}Mi"
    cases = [
        Case(count, Traffic(max(sizes.clicks, count), count, here.start_ms, visit=sizes.visit), memory=memory)
        for count in sizes.user_counts
    ]
    shares = MemoryShares.of_limit(sizes.memory_mib << 20)
    say(f"a pod's limit is {memory}: its block cache {shares.block_cache_bytes / 2**20:.0f} MiB")
    rounds = _ingest(here, cases, sizes.rounds)
    for one in (one for several in rounds.values() for one in several):
        one["limit_bytes"], one["caches"] = sizes.memory_mib << 20, asdict(shares)
    return rounds


def partitions(here: Ground, sizes: Sizes) -> Rounds:
    """More partitions on one pod."""
    cases = [
        Case(count, Traffic(sizes.clicks, sizes.users, here.start_ms, partitions=count))
        for count in PARTITIONS
    ]
    return _ingest(here, cases, sizes.rounds)


def _ingest(here: Ground, cases: Sequence[Case], rounds: int) -> Rounds:
    inputs = {traffic: here.input(traffic) for traffic in dict.fromkeys(case.traffic for case in cases)}
    found: Rounds = {str(case.size): [] for case in cases}
    for number in range(rounds):
        for case in cases:
            given = inputs[case.traffic]
            topics, run = here.topics(given)
            system = Watched(here.kafka, topics, here.folder / run, run, pods=case.pods, memory=case.memory)
            rate = measure(here.kafka, system, topics, given.expected.enriched, case.traffic.clicks)
            here.check(f"the case of {case.size:,}", topics, given.expected)
            changes = Progress(here.kafka, topics.metrics, topics.partitions).records()
            one = rate.document() | system.seen
            one["changes_per_click"] = changes / case.traffic.clicks
            one["reads_per_click"] = one["state_reads"] / case.traffic.clicks
            say(f"round {number + 1}, {case.size:,}: {_line(one)}")
            found[str(case.size)].append(one)
            shutil.rmtree(here.folder / run)
    return found


def _line(one: dict[str, Any]) -> str:
    return (
        f"{one['events_s']:,.0f} events/s, {1e6 / one['events_cpu_s']:.2f} us of CPU an event, "
        f"peak RSS {one['peak_rss_bytes'] / 2**20:,.0f} MiB, {one['threads']} threads, "
        f"commits of {one['commits']['mean_ms']} ms"
    )
