"""Controllers that are away, come twice, or wake up too late."""

import time

from clickstream_chaos.faults.moves import any_pod, await_end
from clickstream_chaos.faults.registry import fault
from clickstream_chaos.suite import Suite
from clickstream_chaos.waiting import NotInTime


@fault("controller-dead", 2)
def controller_dead(suite: Suite) -> None:
    """Kill the controller, kill a pod, restart the pod without a controller, then bring one back."""
    _end_controllers(suite)
    victim = any_pod(suite)
    suite.pipeline.pod(victim).kill()
    time.sleep(suite.chance.uniform(0, 8))
    suite.pipeline.restart_pod(victim)
    suite.pipeline.wait_until_running()


@fault("two-controllers", 2)
def two_controllers(suite: Suite) -> None:
    """Start a second controller: the first must end with status 3, and nothing else changes."""
    running = next(n for n in suite.pipeline.controllers() if suite.pipeline.controller(n).is_running())
    second = max(suite.pipeline.controllers()) + 1
    suite.pipeline.controller(second).start()
    first = suite.pipeline.controller(running)
    await_end(first, 40)
    if first.exit_status != 3:
        raise NotInTime(f"the first controller ended with {first.exit_status}")


@fault("frozen-controller", 1)
def frozen_controller(suite: Suite) -> None:
    """Freeze the controller, let another one take over, and wake it: it must end, and change nothing."""
    running = next(n for n in suite.pipeline.controllers() if suite.pipeline.controller(n).is_running())
    frozen = suite.pipeline.controller(running)
    frozen.suspend()
    second = max(suite.pipeline.controllers()) + 1
    suite.pipeline.controller(second).start()
    suite.pipeline.pod(any_pod(suite)).kill()
    time.sleep(suite.chance.uniform(3, 8))
    frozen.resume()
    await_end(frozen, 40)


def _end_controllers(suite: Suite) -> None:
    for number in suite.pipeline.controllers():
        suite.pipeline.controller(number).kill()
