"""The systems beside each other on one broker: throughput, latency, routed queries, restart and restore."""

import argparse
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from clickstream_local.parts.kafka import Kafka
from confluent_kafka import murmur2

from clickstream_bench.comparing.crowd import Crowd
from clickstream_bench.comparing.inputs import traffic
from clickstream_bench.comparing.restart import restart
from clickstream_bench.comparing.restore import restore
from clickstream_bench.ground import Ground, Input, say
from clickstream_bench.latency import USERS, end_to_end
from clickstream_bench.peers import c_copy, flink_sql, plain_copy, quix, streams, tuned_streams
from clickstream_bench.systems import Ours, System, Topics
from clickstream_bench.throughput import QUERIES_S, QueryLoad, Rate, TooFewCommits, measure
from clickstream_bench.traffic import PARTITIONS, Traffic, names

SYSTEMS: dict[str, Callable[[Kafka, Topics, Path, str], System]] = {
    "clickstream": Ours,
    "kafka-streams": streams,
    "kafka-streams-tuned": tuned_streams,
    "flink-sql": flink_sql,
    "quix-streams": quix,
    "plain-copy": plain_copy,
    "c-copy": c_copy,
}
PARTS = ("throughput", "latency", "routed", "starts")
COPIES = ("plain-copy", "c-copy")


class Comparison:
    """One comparison: the input, and everything that is measured on it."""

    def __init__(self, options: argparse.Namespace, here: Ground) -> None:
        self.options = options
        self.here = here
        self.kafka = here.kafka

    def run(self) -> dict[str, Any]:
        """Measure everything; return what was found by its name."""
        found: dict[str, Any] = {"throughput": {}}
        if "throughput" in self.options.only:
            found["throughput"] = self._throughput()
        if "latency" in self.options.only:
            found["end_to_end"] = self._latency()
        if "routed" in self.options.only:
            found["routed"] = self._routed_queries()
        return found | (self._starts() if "starts" in self.options.only else {})

    def _throughput(self) -> dict[str, list[dict[str, Any]]]:
        """Return, for each input, its rounds. In each round each input is taken once by every system."""
        given = {name: self._inputs(name) for name in self.options.input}
        found: dict[str, list[dict[str, Any]]] = {name: [] for name in given}
        for number in range(self.options.rounds):
            for name, inputs in given.items():
                found[name].append(self._round(f"round {number + 1} {name}", inputs))
        return found

    def _inputs(self, name: str) -> tuple[Input, Input]:
        """Send an input; return it, and a tenth of it for who is slower by an order of magnitude."""
        options = self.options
        full = traffic(name, options.clicks, options.users, options.many_users, self.here.start_ms)
        here = self.here
        if "quix-streams" not in options.systems:
            return (one := here.input(full)), one
        return here.input(full), here.input(replace(full, clicks=options.clicks // 10))

    def _round(self, told: str, inputs: tuple[Input, Input]) -> dict[str, dict[str, Any]]:
        here = self.here
        users = here.users("users", names(inputs[0].traffic.users))
        rates: dict[str, dict[str, Any]] = {}
        for name in self.options.systems:
            given = inputs[name == "quix-streams"]
            topics, run = here.topics(given)
            system = self._system(name, topics, run)
            load = QueryLoad(system.pods.pods[0].url, QUERIES_S, users) if isinstance(system, Ours) else None
            clicks = given.traffic.clicks
            records = clicks if name in COPIES else given.expected.enriched
            rate: Rate | TooFewCommits
            try:
                rate = measure(self.kafka, system, topics, records, clicks, load)
            except TooFewCommits as error:  # the others' figures of a long run are not lost with it
                rate = error
            here.check(name, topics, given.expected, copies=name in COPIES)
            if isinstance(rate, Rate):
                _say_rate(told, rate)
                rates[name] = rate.document()
            else:
                say(f"{told} {rate}")
            shutil.rmtree(here.folder / run, ignore_errors=True)
            here.drop(run)
        return rates

    def _system(self, name: str, topics: Topics, run: str) -> System:
        folder = self.here.folder / run
        return SYSTEMS[name](self.kafka, topics, folder, run)

    def _latency(self) -> dict[str, dict[str, Any]]:
        rates = [1_000] if self.options.quick else [1_000, 20_000]
        found: dict[str, dict[str, Any]] = {}
        for rate in rates:
            for name in ("clickstream", "kafka-streams", "kafka-streams-tuned"):
                topics, run = self.here.topics(self._no_clicks(USERS))
                figures = end_to_end(
                    self.kafka,
                    self._system(name, topics, run),
                    topics,
                    rate,
                    10 if self.options.quick else 30,
                )
                found.setdefault(name, {})[str(rate)] = figures
                say(f"end to end at {rate:,}/s, {name}: {figures}")
        return found

    def _routed_queries(self) -> list[dict[str, Any]]:
        """Two pods at full ingest; the queries go to one of them, all users are the other's."""
        here, options = self.here, self.options
        given = here.input(Traffic(options.clicks // 2, options.users, here.start_ms))
        remote = here.users("remote-users", _users_of_pod(1, options.users))
        rates: list[dict[str, Any]] = []
        for _ in range(options.rounds):
            topics, run = here.topics(given)
            system = Ours(self.kafka, topics, here.folder / run, run, pods=2)
            load = QueryLoad(system.pods.pods[0].url, QUERIES_S, remote)
            rate = measure(self.kafka, system, topics, given.expected.enriched, given.traffic.clicks, load)
            say(f"two pods, routed queries at full ingest: {rate.queries}")
            rates.append(rate.document())
        return rates

    def _starts(self) -> dict[str, Any]:
        """Start again with the state folder in place; then ours without it."""
        here, users = self.here, self.options.restore_users
        found: dict[str, Any] = {"restart": {}}
        for name in ("clickstream", "kafka-streams"):
            topics, run = here.topics(self._no_clicks(0))
            system = self._system(name, topics, run)
            crowd = Crowd(self.kafka, topics, users, here.start_ms)
            found["restart"][name] = restart(self.kafka, system, topics, crowd)
            say(f"restart with {users:,} users, {name}: {found['restart'][name]}")
            if isinstance(system, Ours):
                found["restore"] = restore(system, here.folder / run, users)
                say(f"restore: {found['restore']}")
            shutil.rmtree(here.folder / run, ignore_errors=True)
        return found

    def _no_clicks(self, users: int) -> Input:
        return self.here.input(Traffic(0, users, self.here.start_ms))


def _users_of_pod(pod: int, users: int) -> list[str]:
    return [name for name in names(users) if murmur2(name.encode(), PARTITIONS) % 2 == pod]


def _say_rate(told: str, rate: Rate) -> None:
    queries = f", queries {rate.queries}" if rate.queries else ""
    say(
        f"{told} {rate.system}: {rate.events_s:,.0f} events/s, "
        f"{rate.events_cpu_s:,.0f} per CPU second, "
        f"peak RSS {rate.peak_rss_bytes / 2**20:,.0f} MiB{queries}"
    )
