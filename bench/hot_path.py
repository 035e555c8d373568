"""Prints what a click costs in the processor's own code, by stage: no Kafka, no network, one core.

    python bench/hot_path.py [--clicks N] [--users N] [--rate PER_SECOND] [--commit CLICKS] [--filter CEL]
        [--even] [--metrics] [--dedup]

Drives the real Pipeline and TaskState over a real RocksDB with records made beforehand: heavy-tailed users,
events nearly in order, timed by the processor time of the thread, every user seen before. Outputs are thrown
away, so producing is not in the figures. The last line is one JSON object.
"""

import argparse
import json
import random
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from clickstream_expressions.expression import compile_filter
from clickstream_processor.aggregation.gathering.gathering import Gathering
from clickstream_processor.aggregation.metric import Metric
from clickstream_processor.deduplication.deduplication import Deduplication
from clickstream_processor.stages.clicks import CACHED_BYTES
from clickstream_processor.state.changelog_applier import ChangelogApplier
from clickstream_processor.state.checkpoint import Position
from clickstream_processor.state.memory import MemoryShares, StateMemory
from clickstream_processor.state.overlay import TaskState
from clickstream_processor.state.store import TaskStore
from clickstream_processor.topology.interfaces import Message
from clickstream_processor.topology.pipeline import Pipeline
from clickstream_processor.topology.plan import Plan
from clickstream_processor.topology.records.codec import decode_click
from confluent_kafka import Message as KafkaMessage
from confluent_kafka import murmur2

START_MS = 1_700_000_000_000
CHUNK = 1_000  # records a poll
PAGES = 2_000
ACTIONS = ("view", "click", "add_to_cart", "purchase", "heartbeat")
PLAN = Plan("user-clicks", partitions=1)
MINUTE_MS = 60_000
HOUR_MS = 3_600_000
METRICS = (  # those of the reference pipeline
    Metric(
        "page-views",
        where='click.action == "view"',
        by={"page": "click.page_url"},
        size_ms=5 * MINUTE_MS,
        advance_ms=MINUTE_MS,
    ),
    Metric(
        "active-users",
        "distinct",
        "click.user_id",
        by={"country": "profile.country"},
        size_ms=5 * MINUTE_MS,
        advance_ms=MINUTE_MS,
    ),
)


def record(key: bytes, value: bytes | None, offset: int, timestamp_ms: int) -> Message:
    """Return a consumed record: the client's own class, whose methods are part of the cost."""
    made = KafkaMessage(
        topic="t", partition=0, offset=offset, key=key, value=value, timestamp=(1, timestamp_ms)
    )
    return cast(Message, made)  # no error: all of it is there


class Discard:
    """Outputs that go nowhere."""

    def enriched(self, value: str | bytes, key: bytes, timestamp_ms: int, /) -> None:
        pass

    def metrics(self, value: str, key: bytes, timestamp_ms: int, /) -> None:
        pass

    def dead_letter(self, message: Any, reason: str, detail: str, /) -> None:
        pass


def main() -> None:
    """Run all stages and print them."""
    options = _options()
    source = random.Random(options.seed)  # noqa: S311 - not for secrets
    weights = [1.0 if options.even else 1 / (rank + 10) for rank in range(options.users)]
    names = [b"user-%07d" % n for n in range(options.users)]
    source.shuffle(names)
    folder = Path(tempfile.mkdtemp(prefix="hot-path-"))
    figures: dict[str, float] = {}
    try:
        store = TaskStore.open(folder / "store", StateMemory(MemoryShares.of_limit(options.memory << 20)))
        state = TaskState(store, PLAN, options.cached_users)
        keep = compile_filter(options.filter)
        gathering = Gathering(METRICS, 0, 1, murmur2) if options.metrics else None
        ids = None
        if options.dedup:
            ids = Deduplication("message_id", HOUR_MS, store, CACHED_BYTES * options.cached_users)
        line = Pipeline(
            PLAN,
            state,
            0,
            Discard(),
            keep=keep,
            gatherer=gathering,
            duplicates=ids,
            partition_of=murmur2,
        )
        figures["profile_ns"] = _profiles(line, state, names)
        warm = [[_click(name, b"/", b"view", START_MS, n)] for n, name in enumerate(names)]
        first = _run(line, state, gathering, ids, iter(warm), len(names) // 10)
        figures["first_click_ns"] = first["total_ns"]
        clicks = _clicks(source, names, weights, options)
        figures |= _run(line, state, gathering, ids, clicks, options.commit)
        figures["restore_records_s"] = _restore(store, folder)
        figures["sst_bytes"] = store.properties()["sst_bytes"]
        store.close()
    finally:
        shutil.rmtree(folder)
    figures["peak_rss_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    for name, value in figures.items():
        print(f"{name:24} {value:12,.0f}")
    print(json.dumps({name: round(value, 1) for name, value in figures.items()}))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=sys.modules[__name__].__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--clicks", type=int, default=500_000)
    parser.add_argument("--users", type=int, default=20_000)
    parser.add_argument("--rate", type=int, default=5_000, help="clicks per second of event time")
    parser.add_argument("--commit", type=int, default=25_000, help="clicks per commit")
    parser.add_argument("--cached-users", type=int, default=100_000)
    parser.add_argument("--memory", type=int, default=1024, help="MiB")
    parser.add_argument("--filter", default='click.action != "heartbeat"')
    parser.add_argument("--metrics", action="store_true", help="with page views and active users by country")
    parser.add_argument("--even", action="store_true", help="every user is as likely as another")
    parser.add_argument("--dedup", action="store_true", help="clicks have ids, and each is looked up")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def _profiles(line: Pipeline, state: TaskState, names: list[bytes]) -> float:
    row = b'{"user_id":"%s","name":"Some Name","email":"some@example.com","country":"USA","plan_tier":"free"}'
    started = time.thread_time_ns()
    for at in range(0, len(names), CHUNK):
        line.profiles(
            [record(name, row % name, at + i, START_MS) for i, name in enumerate(names[at : at + CHUNK])]
        )
        if at % 20_000 == 0:
            state.commit_profiles()
    state.commit_profiles()
    return (time.thread_time_ns() - started) / len(names)


def _clicks(
    source: random.Random, names: list[bytes], weights: list[float], options: argparse.Namespace
) -> Iterator[list[Message]]:
    """Yield polls of clicks, nearly in order."""
    actions = [action.encode() for action in ACTIONS]
    for at in range(0, options.clicks, CHUNK):
        users = source.choices(names, weights, k=CHUNK)
        poll = []
        for i, user in enumerate(users):
            now_ms = START_MS + (at + i) * 1000 // options.rate
            event_ms = now_ms - int(source.expovariate(1 / 50))
            page = b"/products/%d" % source.randrange(PAGES)
            poll.append(_click(user, page, source.choice(actions), event_ms, at + i))
        yield poll


def _click(user: bytes, page: bytes, action: bytes, event_ms: int, offset: int) -> Message:
    name = b"%032x" % (offset * 0x9E3779B97F4A7C15)
    text = b'{"user_id":"%s","page_url":"%s","action":"%s","timestamp":%d,"message_id":"%s"}'
    return record(user, text % (user, page, action, event_ms, name), offset, event_ms)


def _run(
    line: Pipeline,
    state: TaskState,
    gathering: Gathering | None,
    ids: Deduplication | None,
    clicks: Iterator[list[Message]],
    per_commit: int,
) -> dict[str, float]:
    clock = time.thread_time_ns
    stages: dict[str, list[int]] = {"decode_alone": [], "clicks": [], "flush": [], "commit": [], "total": []}
    spent = dict.fromkeys(stages, 0)
    records = value_bytes = offset = partials = 0
    for poll in clicks:
        started = clock()
        for message in poll:
            decode_click(message.value() or b"")
        spent["decode_alone"] += clock() - started
        started = clock()
        line.clicks(poll)
        spent["clicks"] += clock() - started
        offset += len(poll)
        if offset % per_commit == 0:
            started = clock()
            changes = line.flush()
            if gathering is not None:
                partials += len(gathering.flush(state.metrics_ms))
            if ids is not None:
                state.beside_chunks, state.expired = ids.flush(), ids.expired()
                records += len(state.beside_chunks)
                value_bytes += sum(len(key) + len(value or b"") for key, value in state.beside_chunks)
            spent["flush"] = clock() - started
            records += len(changes)
            value_bytes += sum(len(key) + len(value) for key, value in changes)
            started = clock()
            state.commit(Position(offset, state.stream_ms, state.closed_ms, START_MS, 0, 1), records)
            spent["commit"] = clock() - started
            spent["total"] = spent["clicks"] + spent["flush"] + spent["commit"]
            for stage, ns in spent.items():
                stages[stage].append(ns)
            spent = dict.fromkeys(stages, 0)
    # The lower quartile of the commits: other programs on the machine only ever add to a stage.
    figures = {f"{stage}_ns": sorted(ns)[len(ns) // 4] / per_commit for stage, ns in stages.items()}
    figures["partials_per_click"] = partials / max(1, offset)
    figures["changelog_per_click"] = records / max(1, offset) * 1000  # per thousand
    figures["bytes_per_change"] = value_bytes / max(1, records)
    figures["enriched"] = line.counters.enriched
    figures["counted"] = line.counters.counted
    return figures


def _restore(store: TaskStore, folder: Path) -> float:
    """Replay every chunk of the store into a new one, padded to a million records with other users."""
    rows = list(store.scan(b"c", b"d"))
    messages: list[Message] = []
    copy = 0
    while len(messages) < 1_000_000:
        messages += [record(key + b"%d" % copy, value, len(messages), START_MS) for key, value in rows]
        copy += 1
    restored = TaskStore.open(folder / "restored", StateMemory(MemoryShares.of_limit(1 << 30)))
    applier = ChangelogApplier(restored, PLAN, 0, murmur2)
    started = time.perf_counter()
    for at in range(0, len(messages), 5_000):
        applier.changelog(messages[at : at + 5_000])
    restored.flush()
    spent = time.perf_counter() - started
    restored.close()
    return len(messages) / spent


if __name__ == "__main__":
    main()
