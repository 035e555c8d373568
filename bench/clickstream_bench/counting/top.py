"""The largest 20 of 10,000 keys in a window of five panes, asked of two pods at 5,000 clicks a second.

Each pod's answer to one question serves for a second. So two loads: questions that no pod was asked within
the second before (`made`), and one question over and over (`shared`), as many open pages ask it.
"""

import itertools
import time
from collections.abc import Iterator
from typing import Any

import msgspec
from clickstream_local.parts.kafka import Kafka
from confluent_kafka import Producer, murmur2

from clickstream_bench.counting.ends import entries
from clickstream_bench.counting.sizes import ADVANCE_MS, PAGE_VIEWS, SIZE_MS, TOP_KEYS, TOP_RATE, Sizes
from clickstream_bench.ground import Ground, say, when
from clickstream_bench.latency import USERS, WARM_UP_S, SteadyClicks
from clickstream_bench.systems import Ours, Topics, Usage
from clickstream_bench.throughput import Progress, QueryLoad
from clickstream_bench.traffic import PARTITIONS, Traffic, names

PAGES = [f"/products/{number}" for number in range(TOP_KEYS)]
LOADS = {"made": 5.0, "shared": 50.0}  # questions a second
PROGRAM = "metric_load.py"
PODS = 2


class PageClicks(SteadyClicks):
    """Steady clicks of all pages in turn."""

    pages: Iterator[str]

    def told(self, now_ns: int, partition: int) -> dict[str, str]:  # noqa: ARG002
        """Return the next page."""
        return {"page_url": next(self.pages), "action": "view"}


def top(here: Ground, sizes: Sizes) -> dict[str, Any]:
    """Return the latencies of each load, at rest and at steady clicks, and what lies between the stages."""
    topics, run = here.topics(here.input(Traffic(0, USERS, here.start_ms)))
    system = Ours(here.kafka, topics, here.folder / run, run, pods=PODS, metrics=(PAGE_VIEWS,))
    urls = ",".join(pod.url for pod in system.pods.pods)
    clicks = PageClicks(here.kafka.bootstrap, topics.clicks, TOP_RATE)
    clicks.pages = itertools.cycle(PAGES)
    found: dict[str, Any] = {}
    sent = _fill(here.kafka, topics)
    progress = Progress(here.kafka, topics.enriched)
    try:
        system.start()
        when(lambda: progress.records() >= sent, "the panes are not full")
        before = _partials(here.kafka, run)
        clicks.start()
        time.sleep(WARM_UP_S)
        usage = Usage(system.pids())
        for load, pace in LOADS.items():
            kinds = here.users(load, [load])
            asked = QueryLoad(urls, pace, kinds, PROGRAM)
            spent_s = usage.cpu_s()
            asked.start()
            time.sleep(sizes.top_s)
            found[load] = asked.stop()
            found[load]["pods_cpu_share"] = round((usage.cpu_s() - spent_s) / sizes.top_s, 3)
            say(f"top 20 of {TOP_KEYS:,}, {load}: {found[load]}")
        clicks.stop()
        when(lambda: progress.records() >= sent + clicks.sent, "not every click is enriched")
        found["partials_per_click"] = round((_partials(here.kafka, run) - before) / clicks.sent, 3)
    finally:
        clicks.stop()
        system.stop()
    return found


def _fill(kafka: Kafka, topics: Topics) -> int:
    """Send two clicks of each page in each pane of the last window, oldest first; return their number."""
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "linger.ms": 20})
    now_ms = int(time.time() * 1_000)
    users, sent = names(USERS), 0
    first_ms = now_ms // ADVANCE_MS * ADVANCE_MS - SIZE_MS + ADVANCE_MS
    for pane_ms in range(first_ms, now_ms + 1, ADVANCE_MS):
        for page in PAGES + PAGES:
            user = users[sent % len(users)]
            click = {"user_id": user, "page_url": page, "action": "view", "timestamp": min(now_ms, pane_ms)}
            key = user.encode()
            while True:
                try:
                    producer.produce(topics.clicks, msgspec.json.encode(click), key, murmur2(key, PARTITIONS))
                    break
                except BufferError:
                    producer.poll(0.1)
            sent += 1
    producer.flush()
    return sent


def _partials(kafka: Kafka, run: str) -> int:
    return sum(1 for key, _ in entries(kafka.bootstrap, f"{run}-partials", PARTITIONS) if len(key) != 5)
