"""`python -m clickstream_chaos.collecting`: faults against a collector; the last line is JSON of figures."""

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from clickstream_chaos.collecting.suite import line, run


def main() -> int:
    """Run; return 0 only if nothing that was answered is lost, and nothing is invented or doubled."""
    flags = _parse()
    seed = flags.seed if flags.seed is not None else random.SystemRandom().randrange(1_000_000)
    folder = Path(tempfile.mkdtemp(prefix="clickstream-chaos-collector-"))
    print(f"seed {seed} (CHAOS_SEED), {flags.minutes:g} minutes, logs in {folder}", flush=True)
    found, done = run(folder, flags.brokers, flags.minutes, seed, _say)
    for each in found.examples:
        print(each)
    if found.is_well():
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print(f"something is wrong: the logs stay in {folder}; again with CHAOS_SEED={seed}")
    print(line(found, done))
    return 0 if found.is_well() else 1


def _parse() -> argparse.Namespace:
    minutes, seed, brokers = (
        os.environ.get(f"CHAOS_{name}") or None for name in ("MINUTES", "SEED", "BROKERS")
    )
    parser = argparse.ArgumentParser(
        prog="python -m clickstream_chaos.collecting",
        description="A real collector, real Kafka, faults, and a checker that shares no code with either.",
    )
    parser.add_argument("--minutes", type=float, default=float(minutes or 10), help="CHAOS_MINUTES; 10")
    parser.add_argument("--seed", type=int, default=seed, help="CHAOS_SEED; a random one")
    parser.add_argument(
        "--brokers", type=int, choices=(1, 3), default=brokers or "1", help="CHAOS_BROKERS; 1"
    )
    return parser.parse_args()


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
