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
from clickstream_chaos.proxy.kafka import make_kafka
from clickstream_chaos.proxy.proxy import Proxy
from clickstream_chaos.suite import Suite


def main() -> int:
    """Run; return 0 only if nothing was lost, doubled or contradicted, and nothing got stuck."""
    flags = _parse()
    seed = flags.seed if flags.seed is not None else random.SystemRandom().randrange(1_000_000)
    folder = Path(tempfile.mkdtemp(prefix="clickstream-chaos-"))
    print(
        f"seed {seed} (CHAOS_SEED), {flags.minutes:g} minutes (CHAOS_MINUTES), logs in {folder}", flush=True
    )
    proxy = Proxy(flags.brokers)
    kafka = make_kafka(folder / "kafka", flags.brokers, [proxy])
    shape = Shape(
        replication=flags.brokers, partitioner=flags.partitioner, answers_lost=flags.answers == "lost"
    )
    erases = flags.erasures == "on"
    suite = Suite(folder / "pipeline", kafka, seed, _say, shape, flags.rate, {0: proxy}, erases=erases)
    if flags.skip_rule:
        suite.pipeline.environment["CLICKSTREAM_UNSAFE_SKIP_RULE"] = flags.skip_rule
    well = False
    try:
        kafka.start()
        suite.start()
        well = _inject_until(suite, flags.names, time.monotonic() + flags.minutes * 60, flags.count)
        well &= suite.finish().complete()
    finally:
        suite.stop()
        kafka.stop()
        proxy.close()
    if well and not flags.keep_logs:
        shutil.rmtree(folder, ignore_errors=True)
    elif not well:
        print(f"something is wrong: the logs stay in {folder}; again with CHAOS_SEED={seed}")
    print(json.dumps(suite.figures.line()))
    return 0 if well else 1


def _inject_until(suite: Suite, names: list[str], end_s: float, count: int | None) -> bool:
    while time.monotonic() < end_s and suite.figures.faults != count:
        name = faults.draw(suite.chance, names)
        if not suite.inject(name, faults.ALL[name].inject, stalls=faults.ALL[name].stalls):
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
    add(
        "--partitioner",
        choices=("murmur2", "any"),
        default=os.environ.get("CHAOS_PARTITIONER") or "murmur2",
        help="CHAOS_PARTITIONER; any: clicks with any key, on any partition (%(default)s)",
    )
    add(
        "--answers",
        choices=("heard", "lost"),
        default=os.environ.get("CHAOS_ANSWERS") or "heard",
        help="CHAOS_ANSWERS; lost: every tenth click comes twice, and dedup is on (%(default)s)",
    )
    add(
        "--erasures",
        choices=("on", "off"),
        default=os.environ.get("CHAOS_ERASURES") or "on",
        help="CHAOS_ERASURES; on: users are erased meanwhile (%(default)s)",
    )
    add("--rate", type=float, default=300, help="clicks a second (%(default)s)")
    add("--count", type=int, metavar="N", help="end after so many faults, if the minutes last")
    add("--faults", metavar="NAME,...", help="only these (default: all that can be injected here)")
    add("--keep-logs", action="store_true", help="keep the folder of logs and data even if all is well")
    add("--skip-rule", metavar="RULE", help="switch a rule of protocol.md off: the checker must find it")
    flags = parser.parse_args()
    lacking = {name: faults.missing(name, proxied=True, minutes=flags.minutes) for name in faults.ALL}
    flags.names = flags.faults.split(",") if flags.faults else [n for n, what in lacking.items() if not what]
    for name in flags.names:
        if name not in lacking:
            parser.error(f"no such fault: {name}; there are {', '.join(lacking)}")
        if lacking[name] not in ("", faults.TIME):
            parser.error(f"{name} needs {lacking[name]}")
    left_out = [
        f"{name} (needs {what})" for name, what in lacking.items() if name not in flags.names and what
    ]
    if left_out and not flags.faults:
        print(f"left out: {', '.join(left_out)}")
    return flags


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
