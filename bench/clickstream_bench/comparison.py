"""The systems beside each other on one broker: throughput, latency, routed queries, restart and restore."""

import argparse
import shutil
from dataclasses import replace
from typing import Any

from confluent_kafka import murmur2

from clickstream_bench.crowd import Crowd
from clickstream_bench.ground import Ground, Input, say
from clickstream_bench.latency import USERS, end_to_end
from clickstream_bench.restart import restart
from clickstream_bench.restore import restore
from clickstream_bench.systems import Ours, Program, System, Topics, plain_copy, quix, streams
from clickstream_bench.throughput import QUERIES_S, QueryLoad, Rate, measure
from clickstream_bench.traffic import PARTITIONS, Traffic, names


class Comparison:
    """One comparison: the input, and everything that is measured on it."""

    def __init__(self, options: argparse.Namespace, here: Ground) -> None:
        self.options = options
        self.here = here
        self.kafka = here.kafka

    def run(self) -> dict[str, Any]:
        """Measure everything; return what was found by its name."""
        return {
            "rounds": self._throughput(),
            "end_to_end": self._latency(),
            "routed": self._routed_queries(),
            **self._starts(),
        }

    def _throughput(self) -> list[dict[str, Any]]:
        options, here = self.options, self.here
        traffic = Traffic(options.clicks, options.users, here.start_ms)
        full = here.input(traffic)
        small = here.input(  # for Quix Streams, which is slower by an order of magnitude
            replace(traffic, clicks=options.clicks // 10)
        )
        users = here.users("users", names(options.users))
        rounds: list[dict[str, Any]] = []
        for number in range(options.rounds):
            rates: dict[str, dict[str, Any]] = {}
            for name in options.systems:
                given = small if name == "quix-streams" else full
                topics, run = here.topics(given)
                system = self._system(name, topics, run)
                load = (
                    QueryLoad(system.pods.pods[0].url, QUERIES_S, users) if isinstance(system, Ours) else None
                )
                clicks = given.traffic.clicks
                records = clicks if name == "plain-copy" else given.expected.enriched
                rate = measure(self.kafka, system, topics, records, clicks, load)
                if name != "plain-copy":
                    here.check(name, topics, given.expected)
                _say_rate(number, rate)
                rates[name] = rate.document()
                shutil.rmtree(here.folder / run, ignore_errors=True)
            rounds.append(rates)
        return rounds

    def _system(self, name: str, topics: Topics, run: str) -> System:
        folder = self.here.folder / run
        if name == "clickstream":
            return Ours(self.kafka, topics, folder, run)
        make = {"kafka-streams": streams, "quix-streams": quix, "plain-copy": plain_copy}[name]
        program: Program = make(self.kafka, topics, folder, run)
        return program

    def _latency(self) -> dict[str, dict[str, Any]]:
        rates = [1_000] if self.options.quick else [1_000, 20_000]
        found: dict[str, dict[str, Any]] = {}
        for rate in rates:
            for name in ("clickstream", "kafka-streams"):
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


def _say_rate(number: int, rate: Rate) -> None:
    queries = f", queries {rate.queries}" if rate.queries else ""
    say(
        f"round {number + 1} {rate.system}: {rate.events_s:,.0f} events/s, "
        f"{rate.events_cpu_s:,.0f} per CPU second, "
        f"peak RSS {rate.peak_rss_bytes / 2**20:,.0f} MiB{queries}"
    )
