"""What several faults do: choose a pod, restart it, wait for an end."""

import time

from clickstream_local.machine.process import Process

from clickstream_chaos.suite import Suite
from clickstream_chaos.waiting import eventually


def any_pod(suite: Suite) -> int:
    return suite.chance.randrange(suite.pipeline.shape.pods)


def two_pods(suite: Suite) -> tuple[int, int]:
    first, second = suite.chance.sample(range(suite.pipeline.shape.pods), 2)
    return first, second


def crash_at(suite: Suite, point: str, count: int) -> None:
    victim = any_pod(suite)
    trapped = suite.pipeline.restart_pod(victim, {"CLICKSTREAM_CRASH_AT": f"{point}:{count}"})
    await_end(trapped, 60)
    suite.pipeline.restart_pod(victim)


def await_end(process: Process, timeout_s: float) -> None:
    eventually(f"{process.name} ends", lambda: not process.is_running(), timeout_s)


def restart_and_time(suite: Suite, ordinal: int) -> None:
    """Start a pod again; measure the time until one of its tasks runs, if it kept any."""
    began_s = time.monotonic()
    owners = suite.pipeline.owners().values()
    suite.pipeline.restart_pod(ordinal)
    suite.pipeline.wait_until_running()
    if ordinal not in owners and ordinal in suite.pipeline.owners().values():
        suite.figures.restart_s.append(time.monotonic() - began_s)
