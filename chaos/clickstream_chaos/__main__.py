"""`python -m clickstream_chaos`: faults against a running pipeline; the last line is JSON of figures."""

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from clickstream_chaos import faults
from clickstream_chaos.pipeline import Shape
from clickstream_chaos.proxy import Proxy, make_kafka
from clickstream_chaos.suite import Suite


def main() -> int:
    """Run; return 0 only if nothing was lost, doubled or contradicted, and nothing got stuck."""
    flags = _parse()
    seed = flags.seed if flags.seed is not None else random.SystemRandom().randrange(1_000_000)
    folder = Path(tempfile.mkdtemp(prefix="clickstream-chaos-"))
    print(
        f"seed {seed} (CHAOS_SEED), {flags.minutes:g} minutes (CHAOS_MINUTES), logs in {folder}", flush=True
    )
    proxy = Proxy() if flags.brokers == 1 else None
    kafka = make_kafka(folder / "kafka", flags.brokers, [proxy] if proxy else [])
    shape = Shape(replication=flags.brokers)
    suite = Suite(folder / "pipeline", kafka, seed, _say, shape, flags.rate, {0: proxy} if proxy else {})
    if flags.skip_rule:
        suite.pipeline.environment["CLICKSTREAM_UNSAFE_SKIP_RULE"] = flags.skip_rule
    well = False
    try:
        kafka.start()
        suite.start()
        well = _inject_until(suite, flags.names, time.monotonic() + flags.minutes * 60)
        well &= suite.finish().complete()
    finally:
        suite.stop()
        kafka.stop()
        if proxy:
            proxy.close()
    if well:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print(f"something is wrong: the logs stay in {folder}; again with CHAOS_SEED={seed}")
    print(json.dumps(suite.figures.line()))
    return 0 if well else 1


def _inject_until(suite: Suite, names: list[str], end_s: float) -> bool:
    while time.monotonic() < end_s:
        name, fault = faults.draw(suite.chance, names)
        if not suite.inject(name, fault):
            return False
    return True


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m clickstream_chaos",
        description="Real Kafka, real pods, random faults, a checker that shares no code with the product.",
        epilog="Faults: " + ", ".join(faults.ALL),
    )
    add = parser.add_argument
    minutes, seed, brokers = (
        os.environ.get(f"CHAOS_{name}") or None for name in ("MINUTES", "SEED", "BROKERS")
    )
    add("--minutes", type=float, default=float(minutes or 10), help="CHAOS_MINUTES; 10")
    add("--seed", type=int, default=seed, help="CHAOS_SEED; a random one")
    add("--brokers", type=int, choices=(1, 3), default=brokers or "1", help="CHAOS_BROKERS; 1")
    add("--rate", type=float, default=300, help="clicks a second (%(default)s)")
    add("--faults", metavar="NAME,...", help="only these (default: all that the brokers allow)")
    add("--skip-rule", metavar="RULE", help="switch a rule of docs/protocol.md off: the checker must find it")
    flags = parser.parse_args()
    possible = [name for name in faults.ALL if flags.brokers == 1 or name not in faults.NEED_PROXY]
    flags.names = flags.faults.split(",") if flags.faults else possible
    unknown = [name for name in flags.names if name not in faults.ALL]
    if unknown:
        parser.error(f"no such fault: {', '.join(unknown)}; there are {', '.join(faults.ALL)}")
    return flags


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
