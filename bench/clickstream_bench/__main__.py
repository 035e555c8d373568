"""scripts/bench [--quick]: compare, check, print the table; the last line is one JSON object of figures."""

import argparse
import json
import shutil
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from clickstream_local.kafka_streams import build
from clickstream_local.parts.kafka import Kafka
from confluent_kafka import murmur2

from clickstream_bench import baseline, plot, report
from clickstream_bench.latency import USERS, end_to_end
from clickstream_bench.restore import restore
from clickstream_bench.systems import (
    Ours,
    Program,
    System,
    Topics,
    create,
    machine,
    plain_copy,
    quix,
    quix_python,
    streams,
    use_compiled_processor,
    versions,
)
from clickstream_bench.throughput import QueryLoad, Rate, measure
from clickstream_bench.traffic import PARTITIONS, Expected, Traffic, differences

RESULTS = Path(__file__).resolve().parents[1] / "results"
QUERIES_S = 200.0


class Bench:
    """One comparison: a broker, the input, and everything that is measured on it."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options = options
        self.folder = folder
        self.kafka = Kafka(folder / "kafka", heap_mb=1_024)
        self.start_ms = (int(time.time() * 1_000) - 3_600_000) // 300_000 * 300_000
        self.numbers = iter(range(10**6))
        self.result: dict[str, Any] = {
            "machine": machine(),
            "versions": versions(),
            "options": vars(options),
            "rounds": [],
        }

    def run(self) -> None:
        self.kafka.start()
        try:
            self._throughput()
            self._latency()
            self._routed_queries()
            self._restore()
        finally:
            self.kafka.stop()

    def _topics(self, clicks: str, profiles: str) -> tuple[Topics, str]:
        """Return a run's topics on an input, created, and the run's name."""
        run = f"run-{next(self.numbers)}"
        topics = Topics(clicks, profiles, f"{run}-enriched", f"{run}-metrics")
        create(self.kafka, topics.enriched, topics.metrics)
        return topics, run

    def _input(self, name: str, traffic: Traffic) -> tuple[str, str, Expected]:
        clicks, profiles = f"{name}-clicks", f"{name}-profiles"
        create(self.kafka, clicks)
        create(self.kafka, profiles, cleanup_policy="compact")
        self.say(f"sending {traffic.clicks:,} clicks of {traffic.users:,} users")
        return clicks, profiles, traffic.send(self.kafka.bootstrap, clicks, profiles)

    def _throughput(self) -> None:
        options = self.options
        traffic = Traffic(options.clicks, options.users, self.start_ms)
        full = self._input("full", traffic)
        small_traffic = replace(traffic, clicks=options.clicks // 10)
        small = self._input(
            "small", small_traffic
        )  # for Quix Streams, which is slower by an order of magnitude
        users = self.folder / "users"
        users.write_text("\n".join(f"user-{number}" for number in range(options.users)))
        for number in range(options.rounds):
            rates: dict[str, dict[str, Any]] = {}
            for name in options.systems:
                clicks, profiles, expected = small if name == "quix-streams" else full
                count = small_traffic.clicks if name == "quix-streams" else traffic.clicks
                topics, run = self._topics(clicks, profiles)
                system = self._system(name, topics, run)
                load = (
                    QueryLoad(system.pods.pods[0].url, QUERIES_S, users) if isinstance(system, Ours) else None
                )
                records = count if name == "plain-copy" else expected.enriched
                rate = measure(self.kafka, system, topics.enriched, records, count, load)
                if name != "plain-copy":
                    self._check(name, topics, expected)
                self._say_rate(number, rate)
                rates[name] = rate.document()
                shutil.rmtree(self.folder / run, ignore_errors=True)
            self.result["rounds"].append(rates)

    def _check(self, name: str, topics: Topics, expected: Expected) -> None:
        """Compare a system's whole output with what must come out, before any figure of it is printed."""
        wrong = differences(self.kafka.bootstrap, topics.enriched, topics.metrics, expected)
        if wrong:
            raise SystemExit(f"{name} wrote something else: {'; '.join(wrong)}")

    def _system(self, name: str, topics: Topics, run: str) -> System:
        folder = self.folder / run
        if name == "clickstream":
            return Ours(self.kafka, topics, folder, run)
        make = {"kafka-streams": streams, "quix-streams": quix, "plain-copy": plain_copy}[name]
        program: Program = make(self.kafka, topics, folder, run)
        return program

    def _latency(self) -> None:
        rates = [1_000] if self.options.quick else [1_000, 20_000]
        found: dict[str, dict[str, Any]] = {}
        for rate in rates:
            for name in ("clickstream", "kafka-streams"):
                clicks, profiles, _ = self._input(
                    f"steady-{next(self.numbers)}", Traffic(0, USERS, self.start_ms)
                )
                topics, run = self._topics(clicks, profiles)
                figures = end_to_end(
                    self.kafka,
                    self._system(name, topics, run),
                    topics,
                    rate,
                    10 if self.options.quick else 30,
                )
                found.setdefault(name, {})[str(rate)] = figures
                self.say(f"end to end at {rate:,}/s, {name}: {figures}")
        self.result["end_to_end"] = found

    def _routed_queries(self) -> None:
        """Two pods at full ingest; the queries go to one of them, half of the users are the other's."""
        traffic = Traffic(self.options.clicks // 2, self.options.users, self.start_ms)
        clicks, profiles, expected = self._input("routed", traffic)
        topics, run = self._topics(clicks, profiles)
        system = Ours(self.kafka, topics, self.folder / run, run, pods=2)
        remote = self.folder / "remote-users"
        remote.write_text("\n".join(_users_of_pod(1, self.options.users)))
        load = QueryLoad(system.pods.pods[0].url, QUERIES_S, remote)
        rate = measure(self.kafka, system, topics.enriched, expected.enriched, traffic.clicks, load)
        self.result["routed"] = rate.document()
        self.say(f"two pods, routed queries at full ingest: {rate.queries}")

    def _restore(self) -> None:
        users = self.options.restore_users
        create(self.kafka, "restore-clicks")
        create(self.kafka, "restore-profiles", cleanup_policy="compact")
        topics, run = self._topics("restore-clicks", "restore-profiles")
        figures = restore(self.kafka, topics, self.folder / run, run, users, self.start_ms)
        self.result["restore"] = figures
        self.say(f"restore: {figures}")

    def _say_rate(self, number: int, rate: Rate) -> None:
        queries = f", queries {rate.queries}" if rate.queries else ""
        self.say(
            f"round {number + 1} {rate.system}: {rate.events_s:,.0f} events/s, "
            f"{rate.events_cpu_s:,.0f} per CPU second, "
            f"peak RSS {rate.peak_rss_bytes / 2**20:,.0f} MiB{queries}"
        )

    def say(self, text: str) -> None:
        print(text, flush=True)


def _users_of_pod(pod: int, users: int) -> list[str]:
    names = (f"user-{number}" for number in range(users))
    return [name for name in names if murmur2(name.encode(), PARTITIONS) % 2 == pod]


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller and shorter: under 6 minutes")
    parser.add_argument("--rounds", type=int, help="3; quick: 2")
    parser.add_argument("--clicks", type=int, help="2,000,000; quick: 600,000")
    parser.add_argument("--users", type=int, default=20_000)
    parser.add_argument("--save-baseline", action="store_true", help="later quick runs compare with this one")
    parser.add_argument("--restore-users", type=int, help="1,000,000; quick: 200,000")
    parser.add_argument("--systems", default="clickstream,kafka-streams,plain-copy,quix-streams",
                        type=lambda text: text.split(","))  # fmt: skip
    options = parser.parse_args()
    options.rounds = options.rounds or (2 if options.quick else 3)
    options.clicks = options.clicks or (600_000 if options.quick else 2_000_000)
    options.restore_users = options.restore_users or (200_000 if options.quick else 1_000_000)
    build()
    use_compiled_processor()
    if "quix-streams" in options.systems:
        quix_python()
    with tempfile.TemporaryDirectory(prefix="clickstream-bench-") as folder:
        bench = Bench(options, Path(folder))
        bench.run()
    figures = report.figures(bench.result)
    bench.result["figures"] = figures
    RESULTS.mkdir(exist_ok=True)
    file = (
        RESULTS
        / f"{'quick' if options.quick else 'full'}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}.json"
    )
    file.write_text(json.dumps(bench.result, indent=1, default=str) + "\n")
    file.with_suffix(".svg").write_text(plot.bars(bench.result["rounds"]))
    print(report.table(bench.result))
    if options.save_baseline:
        baseline.save(figures)
    for line in baseline.worse(figures) if options.quick else []:
        print(line)
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
