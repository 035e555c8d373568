"""scripts/bench [--quick]: compare, check, print the table; the last line is one JSON object of figures."""

import argparse
import json
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from clickstream_local.kafka_streams import build

from clickstream_bench import baseline, plot, report
from clickstream_bench.comparison import Comparison
from clickstream_bench.ground import ground
from clickstream_bench.systems import machine, quix_python, use_compiled_processor, versions

SYSTEMS = ("clickstream", "kafka-streams", "plain-copy", "quix-streams")
RESULTS = Path(__file__).resolve().parents[1] / "results"


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # clean up, as at Ctrl-C
    result = {"machine": machine(), "versions": versions(), "options": vars(options)}
    use_compiled_processor()
    with tempfile.TemporaryDirectory(prefix="clickstream-bench-") as folder:
        figures = _compare(options, Path(folder), result)
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


def _file(kind: str) -> Path:
    return RESULTS / f"{kind}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}.json"


def _write(file: Path, result: dict[str, Any], figures: dict[str, Any]) -> None:
    RESULTS.mkdir(exist_ok=True)
    file.write_text(json.dumps(result | {"figures": figures}, indent=1, default=str) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    both = parser.add_argument_group("both")
    both.add_argument("--quick", action="store_true", help="smaller and shorter: some 6 minutes")
    both.add_argument("--rounds", type=int, help="of each full ingest: 3; quick: 2")
    both.add_argument("--clicks", type=int, help="2,000,000; quick: 600,000")
    both.add_argument("--users", type=int, default=20_000, help="20,000")
    compared = parser.add_argument_group("beside other systems")
    compared.add_argument("--save-baseline", action="store_true", help="later quick runs compare with this")
    compared.add_argument("--restore-users", type=int, help="1,000,000; quick: 200,000")
    compared.add_argument(
        "--systems", default=list(SYSTEMS), type=_list, help=f"of {','.join(SYSTEMS)}; all of them"
    )
    return parser.parse_args()


def _list(text: str) -> list[str]:
    return text.split(",")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("stopped")
