"""Queries of one pod, for its own users: at rest, at steady clicks, at full ingest, and how many it can."""

import time
from pathlib import Path
from typing import Any

from clickstream_bench.ground import Ground, Input, say, when
from clickstream_bench.latency import WARM_UP_S, SteadyClicks
from clickstream_bench.scaling.sizes import STEADY_S, Sizes
from clickstream_bench.systems import Ours, Usage
from clickstream_bench.throughput import QUERIES_S, Progress, QueryLoad, measure
from clickstream_bench.traffic import Traffic, names

CONNECTIONS = 4
ANSWERED = "clickstream_query_requests_total"  # as the pod counts them


def queries(here: Ground, sizes: Sizes) -> dict[str, Any]:
    """Return the latencies of each phase. Open loop at 200 a second, but for `closed`: a few connections."""
    given = here.input(Traffic(sizes.clicks, sizes.users, here.start_ms))
    users = here.users("users", names(sizes.users))
    found = {"full": _full(here, given, users)}
    topics, run = here.topics(given)
    system = Ours(here.kafka, topics, here.folder / run, run)
    progress = Progress(here.kafka, topics.enriched)
    clicks = SteadyClicks(here.kafka.bootstrap, topics.clicks, STEADY_S, names(sizes.users))
    url = system.pods.pods[0].url
    try:
        system.start()
        when(lambda: progress.records() >= given.expected.enriched, "the input is not processed")
        here.check("the pod that is asked", topics, given.expected)
        found["rest"] = _ask(system, QueryLoad(url, QUERIES_S, users), sizes.query_s)
        closed = QueryLoad(url, CONNECTIONS, users, "closed_queries.py")
        found["closed"] = _ask(system, closed, sizes.query_s)
        clicks.start()
        time.sleep(WARM_UP_S)
        found["steady"] = _ask(system, QueryLoad(url, QUERIES_S, users), sizes.query_s)
    finally:
        clicks.stop()
        system.stop()
    for name, figures in found.items():
        say(f"queries, {name}: {figures}")
    return found


def _full(here: Ground, given: Input, users: Path) -> dict[str, Any]:
    """Ask during full ingest."""
    topics, run = here.topics(given)
    system = Ours(here.kafka, topics, here.folder / run, run)
    load = QueryLoad(system.pods.pods[0].url, QUERIES_S, users)
    rate = measure(here.kafka, system, topics, given.expected.enriched, given.traffic.clicks, load)
    here.check("the pod that is asked at full ingest", topics, given.expected)
    return {**(rate.queries or {}), "events_s": round(rate.events_s)}


def _ask(system: Ours, load: QueryLoad, seconds: float) -> dict[str, Any]:
    """Let a load ask for so long; return its figures, and the pod's processor time meanwhile."""
    usage = Usage(system.pids())
    spent_s, answered = usage.cpu_s(), system.pods.metric(ANSWERED, code="200")
    load.start()
    try:
        time.sleep(seconds)
    finally:
        figures = load.stop() or {}
    answered = system.pods.metric(ANSWERED, code="200") - answered
    return {**figures, "answered": int(answered), "pod_cpu_s": round(usage.cpu_s() - spent_s, 2)}
