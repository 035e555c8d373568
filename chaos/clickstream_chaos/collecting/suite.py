"""A run: senders, one fault after the other, the end, the verdict."""

import json
import random
import time
from collections.abc import Callable
from pathlib import Path

from clickstream_local.testing.eventually import eventually

from clickstream_chaos.collecting.checker import Verdict, verdict
from clickstream_chaos.collecting.faults import Faults
from clickstream_chaos.collecting.senders import Senders
from clickstream_chaos.collecting.target import KEY, Target
from clickstream_chaos.proxy.kafka import make_kafka
from clickstream_chaos.proxy.proxy import Proxy

PATIENCE_S = 180.0
SUCCESSES = 20  # answers between two faults: a fault must find requests under way

Say = Callable[[str], None]


def run(folder: Path, brokers: int, minutes: float, seed: int, say: Say) -> tuple[Verdict, dict[str, int]]:
    """Return what the topic says, and how often each fault was. Raises if the collector does not recover.

    Every fault has its turn before one comes again, so that a short run has all of them.
    """
    proxy = Proxy(brokers)
    kafka = make_kafka(folder / "kafka", brokers, [proxy])
    target = Target(kafka, proxy.bootstrap, folder)
    chance = random.Random(seed)  # noqa: S311
    senders = Senders(target.port, KEY, seed)
    faults = Faults(target, kafka, proxy, chance)
    done = dict.fromkeys(faults.all, 0)
    try:
        kafka.start()
        target.make_topics()
        target.process.start()
        eventually(target.is_ready, "the collector takes events", timeout_s=PATIENCE_S)
        senders.start()
        _answers(senders)
        end_s = time.monotonic() + minutes * 60
        turn: list[str] = []
        while time.monotonic() < end_s or turn:
            turn = turn or chance.sample(sorted(faults.all), len(faults.all))
            name = turn.pop()
            before = senders.statuses
            faults.all[name]()
            done[name] += 1
            _answers(senders)
            say(f"{name}: answers {_more(senders.statuses, before)}")
        if not senders.end(PATIENCE_S):
            raise TimeoutError(f"batches were not answered with success: {senders.statuses}")
        return verdict(senders.sent, target.records()), done
    finally:
        senders.end(0)
        target.process.stop()
        kafka.stop()
        proxy.close()


def line(found: Verdict, done: dict[str, int]) -> str:
    """Return the figures as JSON."""
    return json.dumps({"faults": sum(done.values()), **found.line()})


def _answers(senders: Senders) -> None:
    wanted = senders.successes + SUCCESSES
    eventually(
        lambda: senders.successes >= wanted, "requests are answered with success", timeout_s=PATIENCE_S
    )


def _more(now: dict[int, int], before: dict[int, int]) -> dict[int, int]:
    return {status: number - before.get(status, 0) for status, number in now.items()}
