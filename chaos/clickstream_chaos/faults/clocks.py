"""Clocks that jump."""

import time
from pathlib import Path

from clickstream_chaos.faults.moves import any_pod
from clickstream_chaos.faults.registry import FAKETIME, faketime, fault
from clickstream_chaos.suite import Suite
from clickstream_chaos.waiting import eventually

JUMPS = ("-2h", "-40s", "+40s", "+2h")


@fault("clock-jump", 2, needs=FAKETIME)
def clock_jump(suite: Suite) -> None:
    """Let a pod's clock jump while it works, and back; then start the pod with the right time again."""
    victim = any_pod(suite)
    clock = suite.pipeline.folder / f"clock-{victim}"
    _set(clock, "+0")
    suite.pipeline.restart_pod(victim, _own_clock(clock))
    eventually("the pod owns tasks", lambda: suite.owns(victim), 90)
    _set(clock, suite.chance.choice(JUMPS))
    time.sleep(suite.chance.uniform(2, 8))
    suite.heal()
    if suite.chance.random() < 0.5:
        _set(clock, "+0")
        suite.heal()
    suite.pipeline.restart_pod(victim)


def _own_clock(clock: Path) -> dict[str, str]:
    """Return what gives a process the time that a file says; how long something takes stays true."""
    return {
        "LD_PRELOAD": str(faketime()),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_RESET": "1",
    }


def _set(clock: Path, offset: str) -> None:
    scratch = clock.with_suffix(".new")
    scratch.write_text(offset)
    scratch.replace(clock)
