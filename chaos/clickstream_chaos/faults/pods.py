"""Pods that die, freeze, come twice, or move their tasks."""

import contextlib
import time

from clickstream_chaos.faults.moves import any_pod, await_end, crash_at, restart_and_time, two_pods
from clickstream_chaos.faults.registry import fault
from clickstream_chaos.suite import Suite
from clickstream_chaos.waiting import NotInTime, eventually

COMMIT_POINTS = ("after-begin", "mid", "after-flush", "after-commit", "after-write")
TAKE_OVER_POINTS = ("before-fence", "after-fence", "before-acquired")


@fault("kill", 4)
def kill_and_restart(suite: Suite) -> None:
    """Kill a pod and start it again, before or after the others have taken over."""
    victim = any_pod(suite)
    suite.pipeline.pod(victim).kill()
    time.sleep(suite.chance.choice((0.0, 0.5, 2.0, 5.0)))
    restart_and_time(suite, victim)


@fault("fail-over", 3)
def fail_over(suite: Suite) -> None:
    """Kill a pod and leave it dead until the others have taken over; measure the pause of its partitions."""
    victim = any_pod(suite)
    owned = [p for p, owner in suite.pipeline.owners().items() if owner == victim]
    killed_s = time.monotonic()
    suite.pipeline.pod(victim).kill()
    eventually(
        "others give the output of the killed pod's partitions",
        lambda: all(suite.monitor.last_seen_s()[p] > killed_s + 1 for p in owned),
        60,
    )
    pauses = suite.monitor.pauses_since(killed_s)
    suite.figures.failover_s += [pauses[p] for p in owned]


@fault("crash-commit", 4)
def crash_in_commit(suite: Suite) -> None:
    """Let a pod kill itself at a step of its commit."""
    crash_at(suite, suite.chance.choice(COMMIT_POINTS), suite.chance.randrange(1, 20))


@fault("crash-take-over", 3)
def crash_in_take_over(suite: Suite) -> None:
    """Let all other pods kill themselves at a step of the take-over that the death of one causes.

    A trap that does not spring, because the pod took nothing over, stays set until the pod is started again.
    """
    point = suite.chance.choice(TAKE_OVER_POINTS)
    victim = any_pod(suite)
    heirs = [ordinal for ordinal in range(suite.pipeline.shape.pods) if ordinal != victim]
    traps = [suite.pipeline.restart_pod(heir, {"CLICKSTREAM_CRASH_AT": f"{point}:2"}) for heir in heirs]
    suite.pipeline.pod(victim).kill()
    with contextlib.suppress(NotInTime):
        eventually("a trap springs", lambda: not all(trap.is_running() for trap in traps), 20)
    for heir in heirs:
        suite.pipeline.restart_pod(heir)


@fault("crash-release", 2)
def crash_in_release(suite: Suite) -> None:
    """Let a pod kill itself between dropping a task in a hand-over and saying so."""
    pods = suite.pipeline.shape.pods
    trapped = suite.pipeline.restart_pod(pods - 1, {"CLICKSTREAM_CRASH_AT": "before-released"})
    eventually("the trapped pod owns tasks", lambda: suite.owns(pods - 1), 90)
    suite.pipeline.scale(pods - 1)
    await_end(trapped, 60)
    suite.heal()
    suite.pipeline.scale(pods)
    suite.pipeline.restart_pod(pods - 1)
    eventually("the pod owns tasks again", lambda: suite.owns(pods - 1), 90)


@fault("zombie", 4)
def zombie(suite: Suite) -> None:
    """Freeze a pod until its tasks have been given away, then let it go on."""
    victim = any_pod(suite)
    process = suite.pipeline.pod(victim)
    process.suspend()
    time.sleep(suite.chance.uniform(4, 9))
    process.resume()
    time.sleep(suite.chance.uniform(0, 2))


@fault("zombie-chain", 3)
def zombie_chain(suite: Suite) -> None:
    """A is frozen, B takes over and is frozen, A or C takes over; then both go on."""
    first, second = two_pods(suite)
    suite.pipeline.pod(first).suspend()
    time.sleep(suite.chance.uniform(3.5, 5))
    suite.pipeline.pod(second).suspend()
    if suite.chance.random() < 0.5:
        suite.pipeline.pod(first).resume()
    time.sleep(suite.chance.uniform(4, 6))
    suite.pipeline.pod(second).resume()
    suite.pipeline.pod(first).resume()


@fault("twin", 2)
def twin(suite: Suite) -> None:
    """Start a second process with a living pod's ordinal: it must end with status 3, the first goes on."""
    ordinal = any_pod(suite)
    first = suite.pipeline.pod(ordinal)
    second = suite.pipeline.make_pod(ordinal, f"-twin-{time.monotonic_ns()}")
    second.start()
    try:
        await_end(second, 40)
    finally:
        second.kill()
    if second.exit_status != 3 or not first.is_running():
        raise NotInTime(f"the twin ended with {second.exit_status}, the first one with {first.exit_status}")


@fault("scale", 3)
def scale_out_and_in(suite: Suite) -> None:
    """Add a pod, let it take tasks over, drain it again; measure the pauses of moved partitions."""
    pods = suite.pipeline.shape.pods
    before, began_s = suite.pipeline.owners(), time.monotonic()
    suite.pipeline.scale(pods + 1)
    suite.pipeline.pod(pods).start()
    eventually("the new pod owns tasks", lambda: pods in suite.pipeline.owners().values(), 90)
    suite.heal()
    moved = [p for p, owner in suite.pipeline.owners().items() if before.get(p) != owner]
    pauses = suite.monitor.pauses_since(began_s)
    suite.figures.handover_pause_ms += [pauses[p] * 1_000 for p in moved]
    _scale_in(suite, pods)


def _scale_in(suite: Suite, pods: int) -> None:
    """Drain the last pod and stop it once nothing is left on it."""
    suite.pipeline.scale(pods)
    eventually("the leaving pod is drained", lambda: suite.pipeline.status(pods).get("tasks") == {}, 90)
    suite.pipeline.pod(pods).stop()
