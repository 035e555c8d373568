"""A measurement of the collector, on one broker: singles, batches, half of the load, the count."""

import os
import statistics
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from clickstream_bench.collecting.arrived import arrived, counted
from clickstream_bench.collecting.forms import OWN, SEGMENT, Form, form
from clickstream_bench.collecting.servers import Server, bare, collector, load, now_iso, topics
from clickstream_bench.collecting.sizes import Sizes
from clickstream_bench.ground import ground, say

BATCH = 50
Found = Callable[[str, Any], None]


class _Measured:
    """One server's loads; keeps the ids that were answered."""

    def __init__(self) -> None:
        self.answered: list[str] = []
        self._runs = 0

    def load(
        self, server: Server, what: Form, connections: int, s: float, rate: float | None = None
    ) -> dict[str, Any]:
        self._runs += 1
        rates, ids = load(server, what, connections, s, f"r{self._runs}", rate)
        if server.name == "collector":
            self.answered += ids
        return asdict(rates)


def run(sizes: Sizes, folder: Path, found: Found) -> None:
    """Run all parts; `found` is told what each found, and the load of the machine as it began."""
    with ground(folder) as here:
        topics(here)
        measured, ours, theirs = _Measured(), collector(here), bare(here)
        try:
            found("load_average", os.getloadavg())
            rounds = _singles(sizes, measured, ours, theirs)
            found("singles", rounds)
            batches = _batches(sizes, measured, ours)
            found("batches", batches)
            found("half", _half(sizes, measured, ours, rounds, batches))
        finally:
            ours.process.stop()
            theirs.process.stop()
        found(
            "count",
            counted(measured.answered, arrived(here.kafka.bootstrap)) | {"answered": len(measured.answered)},
        )


def _singles(sizes: Sizes, measured: _Measured, ours: Server, theirs: Server) -> list[dict[str, Any]]:
    """Requests of one event: both servers in turn, to and fro."""
    for server in (ours, theirs):
        measured.load(server, form(OWN, 1, now_iso()), sizes.single_connections, sizes.warm_s)
    rounds = []
    for number in range(sizes.rounds):
        one = {}
        for server in (ours, theirs)[:: -1 if number % 2 else 1]:
            one[server.name] = measured.load(
                server, form(OWN, 1, now_iso()), sizes.single_connections, sizes.single_s
            )
            say(f"round {number + 1}, one event, {server.name}: {one[server.name]}")
        rounds.append(one)
    return rounds


def _batches(sizes: Sizes, measured: _Measured, ours: Server) -> list[dict[str, Any]]:
    """Batches of 50, in our own form and in Segment's."""
    rounds = []
    for number in range(sizes.rounds):
        one = {}
        for kind in (OWN, SEGMENT)[:: -1 if number % 2 else 1]:
            one[kind] = measured.load(
                ours, form(kind, BATCH, now_iso()), sizes.batch_connections, sizes.batch_s
            )
            say(f"round {number + 1}, {BATCH} events, {kind}: {one[kind]}")
        rounds.append(one)
    return rounds


def _half(
    sizes: Sizes,
    measured: _Measured,
    ours: Server,
    singles: list[dict[str, Any]],
    batches: list[dict[str, Any]],
) -> dict[str, Any]:
    """Half of the requests a second that were answered at full load: of one event, and of 50."""
    single = statistics.median(one["collector"]["requests_s"] for one in singles) / 2
    batch = statistics.median(one[SEGMENT]["requests_s"] for one in batches) / 2
    parts = {
        "one": measured.load(ours, form(OWN, 1, now_iso()), sizes.single_connections, sizes.half_s, single),
        "batch": measured.load(
            ours, form(SEGMENT, BATCH, now_iso()), sizes.batch_connections, sizes.half_s, batch
        ),
    }
    for name, figures in parts.items():
        say(f"half load, {name}: {figures}")
    return parts
