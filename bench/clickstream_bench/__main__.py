"""scripts/bench [--quick] [--scaling | --metrics | --collector]: the last line is JSON, the figures.

Without an option: the processor beside Kafka Streams, Flink SQL, Quix Streams and plain copies.
--scaling: how the processor's own cost goes with pods, users, partitions and time, what a pod answers, what
PostgreSQL pays.
--metrics: what two metrics of the pipeline cost, beside Kafka Streams, how fresh they are, how fast answered.
--collector: the collector beside a handler that only reads the body, in batches, and at half of its load.
"""

import argparse
import json
import signal
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from clickstream_local.parts.kafka_streams import build

from clickstream_bench.collecting import report as collecting_report
from clickstream_bench.collecting import suite as collecting_suite
from clickstream_bench.collecting.sizes import Sizes as CollectingSizes
from clickstream_bench.comparing import baseline, plot, report
from clickstream_bench.comparing.inputs import HEAVY, INPUTS, figure
from clickstream_bench.comparing.suite import PARTS as PARTS_COMPARED
from clickstream_bench.comparing.suite import SYSTEMS, Comparison
from clickstream_bench.counting import report as counting_report
from clickstream_bench.counting import suite as counting_suite
from clickstream_bench.counting.sizes import Sizes as CountingSizes
from clickstream_bench.ground import ground
from clickstream_bench.peers import c_copy_program, flink_program, quix_python
from clickstream_bench.scaling import report as scaling_report
from clickstream_bench.scaling import suite
from clickstream_bench.scaling.sizes import Sizes
from clickstream_bench.systems import MEMORY_MIB, machine, use_compiled_processor, versions

PARTS = """parts beside other systems:
  throughput  full ingest of each input by each system: events/s and per CPU second; outputs are compared
  latency     from the producer's call to the enriched click, at a steady rate
  routed      queries of one of two pods at full ingest, all of the other's users
  starts      restart with the state in place; restore of a lost volume

parts of --scaling, each on a broker of its own:
  pods        full ingest by 1, 2 and 4 pods of 12 partitions: events/s, CPU an event over all pods
  users       full ingest with more and more users, clicks evenly theirs: CPU an event, peak RSS, state
  partitions  full ingest by one pod of 4, 16 and 64 partitions: CPU an event, threads, RSS, commits
  soak        one pod at 5,000 clicks a second: RSS each 10 s, its slope and peak, whether it is flat
  queries     one pod at 200 queries a second: at rest, at 5,000 clicks a second, at full ingest;
              and how many a second it answers over 4 connections
  postgres    CPU and statements of PostgreSQL: with a writer of 20 changes a second alone, with the
              pipeline's source and a pod beside it, and with 5,000 clicks a second as well

parts of --metrics:
  ingest      full ingest by one pod without metrics, with page views and active users, and by Kafka
              Streams with the same two: events/s and per CPU second; every metric's value is checked
  freshness   at 1,000 clicks a second: from the producer's call to the record of the metric's topic
  top         the largest 20 of 10,000 pages, asked of two pods at 5,000 clicks a second
"""
BUILT = {"flink-sql": flink_program, "quix-streams": quix_python, "c-copy": c_copy_program}
LONG = ("flink-sql", "c-copy")  # a quick run is over before they are warm, or before they can be measured
RESULTS = Path(__file__).resolve().parents[1] / "results"


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # clean up, as at Ctrl-C
    result = {"machine": machine(), "versions": versions(), "options": vars(options)}
    if not options.collector:
        use_compiled_processor()
    with tempfile.TemporaryDirectory(prefix="clickstream-bench-") as folder:
        measure = _compare
        if options.scaling or options.metrics or options.collector:
            measure = _scale if options.scaling else _count if options.metrics else _collect
        figures = measure(options, Path(folder), result)
    print(json.dumps(figures))
    return 0


def _compare(options: argparse.Namespace, folder: Path, result: dict[str, Any]) -> dict[str, Any]:
    options.rounds = options.rounds or (2 if options.quick else 3)
    options.clicks = options.clicks or (600_000 if options.quick else 2_000_000)
    options.restore_users = options.restore_users or (200_000 if options.quick else 1_000_000)
    options.systems = options.systems or [one for one in SYSTEMS if not options.quick or one not in LONG]
    options.input = options.input or ([HEAVY] if options.quick else list(INPUTS))
    build()
    for name, ready in BUILT.items():  # not within a measurement
        if name in options.systems:
            ready()
    result["memory_limit_mib"] = MEMORY_MIB
    with ground(folder) as here:
        result |= Comparison(options, here).run()
    figures = report.figures(result)
    file = _file("quick" if options.quick else "full")
    _write(file, result, figures)
    for name, rounds in result["throughput"].items():
        if any(rounds):
            file.with_name(figure(file.stem, name)).with_suffix(".svg").write_text(plot.bars(rounds))
    print(report.table(result))
    if options.save_baseline:
        baseline.save(figures)
    for line in baseline.worse(figures) if options.quick else []:
        print(line)
    return figures


def _scale(options: argparse.Namespace, folder: Path, result: dict[str, Any]) -> dict[str, Any]:
    file = _file("scaling")

    def found(part: str, figures: dict[str, Any]) -> None:
        result[part] = figures
        _write(file, result, scaling_report.figures(result))  # an hour is not lost with the last part

    sizes = Sizes.of(options)
    result["sizes"] = asdict(sizes)
    suite.run(options.only, sizes, folder, found)
    print(scaling_report.tables(result))
    return scaling_report.figures(result)


def _count(options: argparse.Namespace, folder: Path, result: dict[str, Any]) -> dict[str, Any]:
    build()
    file = _file("metrics-quick" if options.quick else "metrics")

    def found(part: str, figures: Any) -> None:
        result[part] = figures
        _write(file, result, counting_report.figures(result))

    sizes = CountingSizes.of(options)
    result["sizes"] = asdict(sizes)
    counting_suite.run(options.only, sizes, folder, found)
    print(counting_report.tables(result))
    return counting_report.figures(result)


def _collect(options: argparse.Namespace, folder: Path, result: dict[str, Any]) -> dict[str, Any]:
    file = _file("collector-quick" if options.quick else "collector")

    def found(part: str, figures: Any) -> None:
        result[part] = figures
        _write(file, result, collecting_report.figures(result))

    sizes = CollectingSizes.of(options.quick, options.rounds)
    result["sizes"] = asdict(sizes)
    collecting_suite.run(sizes, folder / "collector", found)
    print(collecting_report.tables(result))
    return collecting_report.figures(result)


def _file(kind: str) -> Path:
    return RESULTS / f"{kind}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}.json"


def _write(file: Path, result: dict[str, Any], figures: dict[str, Any]) -> None:
    RESULTS.mkdir(exist_ok=True)
    file.write_text(json.dumps(result | {"figures": figures}, indent=1, default=str) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description=__doc__,
        epilog=PARTS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    both = parser.add_argument_group("all")
    both.add_argument("--quick", action="store_true", help="smaller and shorter: some 5 minutes")
    both.add_argument(
        "--rounds", type=int, help="of each full ingest: 3, with --metrics 5; quick: 2, with --scaling 1"
    )
    both.add_argument(
        "--clicks", type=int, help="2,000,000; quick: 600,000, with --scaling 150,000 (about the fewest)"
    )
    both.add_argument(
        "--users", type=int, default=20_000, help="20,000, but for the cases of users; of the input heavy"
    )
    compared = parser.add_argument_group("beside other systems")
    compared.add_argument("--save-baseline", action="store_true", help="later quick runs compare with this")
    compared.add_argument(
        "--restore-users",
        type=int,
        help="users before the restarts and the restore: 1,000,000; quick: 200,000",
    )
    compared.add_argument(
        "--systems",
        type=_list,
        help=f"of {','.join(SYSTEMS)}; all of them, quick: without {','.join(LONG)}",
    )
    compared.add_argument(
        "--input",
        type=_list,
        help=f"of {','.join(INPUTS)}: users that are heavy-tailed, ten clicks a visit, each click of any; "
        f"all of them, quick: {HEAVY}",
    )
    compared.add_argument(
        "--many-users", type=int, default=1_000_000, help="users of the inputs visits and wide: 1,000,000"
    )
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--scaling", action="store_true", help="how the processor's own cost goes with size")
    either.add_argument("--metrics", action="store_true", help="what metrics of the pipeline cost")
    either.add_argument("--collector", action="store_true", help="how fast the collector is: some 3 minutes")
    parser.add_argument("--only", type=_list, help="parts, see below; all of them")
    scaled = parser.add_argument_group("scaling")
    scaled.add_argument("--user-counts", type=_numbers, help="1000,20000,300000,3000000; quick: to 100000")
    scaled.add_argument(
        "--memory-mib", type=int, default=320, help="limit of a pod in the cases of users: 320"
    )
    scaled.add_argument(
        "--visit", type=int, default=1, help="clicks of a user in a row in the cases of users: 1, the hardest"
    )
    scaled.add_argument("--soak-minutes", type=float, help="10; quick: 0.5")
    options = parser.parse_args()
    parts = counting_suite.PARTS if options.metrics else suite.PARTS if options.scaling else PARTS_COMPARED
    options.only = options.only or list(parts)
    if unknown := set(options.only) - set(parts):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(parts)}")
    for unknown, known in (
        (set(options.input or ()) - set(INPUTS), INPUTS),
        (set(options.systems or ()) - set(SYSTEMS), SYSTEMS),
    ):
        if unknown:
            parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    return options


def _list(text: str) -> list[str]:
    return text.split(",")


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, _list(text)))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("stopped")
