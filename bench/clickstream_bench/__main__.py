"""scripts/bench [--quick] [--scaling]: measure, check, print; the last line is one JSON object of figures.

Without --scaling: the processor beside Kafka Streams, Quix Streams and a plain copy. With it: how the
processor's own cost goes with pods, users, partitions and time, what a pod answers, what PostgreSQL pays.
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

from clickstream_bench import baseline, plot, report
from clickstream_bench.comparison import Comparison
from clickstream_bench.ground import ground
from clickstream_bench.scaling import report as scaling_report
from clickstream_bench.scaling import suite
from clickstream_bench.scaling.sizes import Sizes
from clickstream_bench.systems import machine, quix_python, use_compiled_processor, versions

PARTS = """parts of --scaling, each on a broker of its own:
  pods        full ingest by 1, 2 and 4 pods of 12 partitions: events/s, CPU an event over all pods
  users       full ingest with more and more users, clicks evenly theirs: CPU an event, peak RSS, state
  partitions  full ingest by one pod of 4, 16 and 64 partitions: CPU an event, threads, RSS, commits
  soak        one pod at 5,000 clicks a second: RSS each 10 s, its slope and peak, whether it is flat
  queries     one pod at 200 queries a second: at rest, at 5,000 clicks a second, at full ingest;
              and how many a second it answers over 4 connections
  postgres    CPU and statements of PostgreSQL: with a writer of 20 changes a second alone, with the
              pipeline's source and a pod beside it, and with 5,000 clicks a second as well
"""
SYSTEMS = ("clickstream", "kafka-streams", "plain-copy", "quix-streams")
RESULTS = Path(__file__).resolve().parents[1] / "results"


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # clean up, as at Ctrl-C
    result = {"machine": machine(), "versions": versions(), "options": vars(options)}
    use_compiled_processor()
    with tempfile.TemporaryDirectory(prefix="clickstream-bench-") as folder:
        figures = (_scale if options.scaling else _compare)(options, Path(folder), result)
    print(json.dumps(figures))
    return 0


def _compare(options: argparse.Namespace, folder: Path, result: dict[str, Any]) -> dict[str, Any]:
    options.rounds = options.rounds or (2 if options.quick else 3)
    options.clicks = options.clicks or (600_000 if options.quick else 2_000_000)
    options.restore_users = options.restore_users or (200_000 if options.quick else 1_000_000)
    build()
    if "quix-streams" in options.systems:
        quix_python()
    with ground(folder) as here:
        result |= Comparison(options, here).run()
    figures = report.figures(result)
    file = _file("quick" if options.quick else "full")
    _write(file, result, figures)
    file.with_suffix(".svg").write_text(plot.bars(result["rounds"]))
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
    both = parser.add_argument_group("both")
    both.add_argument("--quick", action="store_true", help="smaller and shorter: some 5 minutes")
    both.add_argument("--rounds", type=int, help="of each full ingest: 3; quick: 2, with --scaling 1")
    both.add_argument(
        "--clicks", type=int, help="2,000,000; quick: 600,000, with --scaling 150,000 (about the fewest)"
    )
    both.add_argument("--users", type=int, default=20_000, help="20,000, but for the cases of users")
    compared = parser.add_argument_group("beside other systems")
    compared.add_argument("--save-baseline", action="store_true", help="later quick runs compare with this")
    compared.add_argument(
        "--restore-users",
        type=int,
        help="users before the restarts and the restore: 1,000,000; quick: 200,000",
    )
    compared.add_argument(
        "--systems", default=list(SYSTEMS), type=_list, help=f"of {','.join(SYSTEMS)}; all of them"
    )
    scaled = parser.add_argument_group("scaling")
    scaled.add_argument("--scaling", action="store_true", help="how the processor's own cost goes with size")
    scaled.add_argument(
        "--only", default=list(suite.PARTS), type=_parts, help=f"of {','.join(suite.PARTS)}; all of them"
    )
    scaled.add_argument("--user-counts", type=_numbers, help="1000,20000,300000,3000000; quick: to 100000")
    scaled.add_argument(
        "--memory-mib", type=int, default=320, help="limit of a pod in the cases of users: 320"
    )
    scaled.add_argument(
        "--visit", type=int, default=1, help="clicks of a user in a row in the cases of users: 1, the hardest"
    )
    scaled.add_argument("--soak-minutes", type=float, help="10; quick: 0.5")
    return parser.parse_args()


def _list(text: str) -> list[str]:
    return text.split(",")


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, _list(text)))


def _parts(text: str) -> list[str]:
    if unknown := set(_list(text)) - set(suite.PARTS):
        raise argparse.ArgumentTypeError(f"there is no part {', '.join(sorted(unknown))}")
    return _list(text)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("stopped")
