"""The faults: each a function of the suite, drawn by chance, which returns once the harm is done.

The suite then restarts what ended, waits until every task runs and gives output, and checks.
"""

import contextlib
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from clickstream_local.process import Process

from clickstream_chaos.pipeline import NotInTime, eventually
from clickstream_chaos.proxy import Proxy
from clickstream_chaos.suite import Suite

Fault = Callable[[Suite], None]
COMMIT_POINTS = ("after-begin", "mid", "after-flush", "after-commit", "after-write")
TAKE_OVER_POINTS = ("before-fence", "after-fence", "before-acquired")
ALL: dict[str, tuple[int, Fault]] = {}  # name -> weight, fault


def fault(name: str, weight: int = 1) -> Callable[[Fault], Fault]:
    """Register a fault under a name that `--faults` takes."""

    def register(function: Fault) -> Fault:
        ALL[name] = weight, function
        return function

    return register


def draw(chance: random.Random, names: list[str]) -> tuple[str, Fault]:
    """Return one of the named faults, by weight."""
    (name,) = chance.choices(names, [ALL[name][0] for name in names])
    return name, ALL[name][1]


# --- processes -------------------------------------------------------------------------------------------


@fault("kill", 4)
def kill_and_restart(suite: Suite) -> None:
    """Kill a pod and start it again, before or after the others have taken over."""
    victim = _any_pod(suite)
    suite.pipeline.pod(victim).kill()
    time.sleep(suite.chance.choice((0.0, 0.5, 2.0, 5.0)))
    _restart_and_time(suite, victim)


@fault("fail-over", 3)
def fail_over(suite: Suite) -> None:
    """Kill a pod and leave it dead until the others have taken over; measure the pause of its partitions."""
    victim = _any_pod(suite)
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
    _crash_at(suite, suite.chance.choice(COMMIT_POINTS), suite.chance.randrange(1, 20))


@fault("crash-take-over", 3)
def crash_in_take_over(suite: Suite) -> None:
    """Let all other pods kill themselves at a step of the take-over that the death of one causes.

    A trap that does not spring, because the pod took nothing over, stays set until the pod is started again.
    """
    point = suite.chance.choice(TAKE_OVER_POINTS)
    victim = _any_pod(suite)
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
    _await_end(trapped, 60)
    suite.heal()
    suite.pipeline.scale(pods)
    suite.pipeline.restart_pod(pods - 1)
    eventually("the pod owns tasks again", lambda: suite.owns(pods - 1), 90)


@fault("zombie", 4)
def zombie(suite: Suite) -> None:
    """Freeze a pod until its tasks have been given away, then let it go on."""
    victim = _any_pod(suite)
    process = suite.pipeline.pod(victim)
    process.suspend()
    time.sleep(suite.chance.uniform(4, 9))
    process.resume()
    time.sleep(suite.chance.uniform(0, 2))


@fault("zombie-chain", 3)
def zombie_chain(suite: Suite) -> None:
    """A is frozen, B takes over and is frozen, A or C takes over; then both go on."""
    first, second = _two_pods(suite)
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
    ordinal = _any_pod(suite)
    first = suite.pipeline.pod(ordinal)
    second = suite.pipeline.make_pod(ordinal, f"-twin-{time.monotonic_ns()}")
    second.start()
    try:
        _await_end(second, 40)
    finally:
        second.kill()
    if second.exit_status != 3 or not first.is_running():
        raise NotInTime(f"the twin ended with {second.exit_status}, the first one with {first.exit_status}")


# --- moves -----------------------------------------------------------------------------------------------


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


# --- the controller --------------------------------------------------------------------------------------


@fault("controller-dead", 2)
def controller_dead(suite: Suite) -> None:
    """Kill the controller, kill a pod, restart the pod without a controller, then bring one back."""
    _end_controllers(suite)
    victim = _any_pod(suite)
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
    _await_end(first, 40)
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
    suite.pipeline.pod(_any_pod(suite)).kill()
    time.sleep(suite.chance.uniform(3, 8))
    frozen.resume()
    _await_end(frozen, 40)


# --- state -----------------------------------------------------------------------------------------------


@fault("wipe", 2)
def wipe_state(suite: Suite) -> None:
    """Lose a pod's volume."""
    victim = _any_pod(suite)
    suite.pipeline.pod(victim).kill()
    shutil.rmtree(suite.pipeline.data(victim))
    _restart_and_time(suite, victim)


@fault("old-volume", 2)
def old_volume(suite: Suite) -> None:
    """Bring a volume back as it was some commits ago."""
    victim = _any_pod(suite)
    data = suite.pipeline.data(victim)
    copy = data.with_name(f"{data.name}-old")
    suite.pipeline.pod(victim).kill()
    shutil.copytree(data, copy)
    suite.pipeline.restart_pod(victim)
    suite.heal()
    time.sleep(suite.chance.uniform(0, 3))
    suite.pipeline.pod(victim).kill()
    shutil.rmtree(data)
    copy.rename(data)
    suite.pipeline.restart_pod(victim)


@fault("corrupt", 2)
def corrupt_table_file(suite: Suite) -> None:
    """Flip bytes in the middle of a table file of the state."""
    victim = _any_pod(suite)
    suite.pipeline.pod(victim).kill()
    files = sorted(suite.pipeline.data(victim).glob("tasks/*/*.sst"))
    if files:
        _damage(suite.chance.choice(files))
    suite.pipeline.restart_pod(victim)


# --- Kafka -----------------------------------------------------------------------------------------------


@fault("broker-restart", 1)
def broker_restart(suite: Suite) -> None:
    """Stop a broker in order and start it again."""
    suite.kafka.restart(_any_broker(suite))


@fault("broker-kill", 1)
def broker_kill(suite: Suite) -> None:
    """Kill a broker and start it again."""
    node = _any_broker(suite)
    suite.kafka.kill(node)
    time.sleep(suite.chance.uniform(0, 5))
    suite.kafka.start(node)


@fault("kafka-away", 1)
def kafka_away(suite: Suite) -> None:
    """Freeze all brokers for a while: no pod may end, and nothing may move for it."""
    suite.kafka.suspend()
    time.sleep(suite.chance.uniform(8, 25))
    suite.kafka.resume()
    ended = [o for o in range(suite.pipeline.shape.pods) if not suite.pipeline.pod(o).is_running()]
    if ended:
        raise NotInTime(f"pods {ended} ended while Kafka was away")


# --- the network ---

NEED_PROXY = ("cut", "commit-reply", "late-commit")


@fault("cut", 2)
def cut_off(suite: Suite) -> None:
    """Cut one pod off from the brokers, long enough for its tasks to be given away or not."""
    proxy = _proxy(suite)
    proxy.cut()
    time.sleep(suite.chance.choice((1.0, 6.0, 20.0)))
    proxy.mend()


@fault("commit-reply", 1)
def lost_commit_reply(suite: Suite) -> None:
    """Let a commit succeed and its answer never arrive: its outcome is unknown to the pod (R4, R7)."""
    proxy = _proxy(suite)
    proxy.lose_commit_replies()
    time.sleep(suite.chance.choice((2.0, 40.0)))
    proxy.mend()


@fault("late-commit", 2)
def late_commit(suite: Suite) -> None:
    """Hold a commit, break its connection, and deliver it in the middle of the next transaction (R18)."""
    trap = _proxy(suite).set_trap()
    eventually("the held commit is delivered", lambda: trap.delivered.is_set() or not suite.owns(0), 60)


# --- parts -----------------------------------------------------------------------------------------------


def _proxy(suite: Suite) -> Proxy:
    """Return pod 0's way to the broker, once the pod owns something."""
    if 0 not in suite.proxies:
        raise NotInTime("this fault needs a pod behind a proxy")
    eventually("pod 0 owns tasks", lambda: suite.owns(0), 60)
    return suite.proxies[0]


def _any_pod(suite: Suite) -> int:
    return suite.chance.randrange(suite.pipeline.shape.pods)


def _two_pods(suite: Suite) -> tuple[int, int]:
    first, second = suite.chance.sample(range(suite.pipeline.shape.pods), 2)
    return first, second


def _any_broker(suite: Suite) -> int:
    return suite.chance.choice(suite.kafka.nodes).number


def _crash_at(suite: Suite, point: str, count: int) -> None:
    victim = _any_pod(suite)
    trapped = suite.pipeline.restart_pod(victim, {"CLICKSTREAM_CRASH_AT": f"{point}:{count}"})
    _await_end(trapped, 60)
    suite.pipeline.restart_pod(victim)


def _await_end(process: Process, timeout_s: float) -> None:
    eventually(f"{process.name} ends", lambda: not process.is_running(), timeout_s)


def _restart_and_time(suite: Suite, ordinal: int) -> None:
    """Start a pod again; measure the time until one of its tasks runs, if it kept any."""
    began_s = time.monotonic()
    owners = suite.pipeline.owners().values()
    suite.pipeline.restart_pod(ordinal)
    suite.pipeline.wait_until_running()
    if ordinal not in owners and ordinal in suite.pipeline.owners().values():
        suite.figures.restart_s.append(time.monotonic() - began_s)


def _end_controllers(suite: Suite) -> None:
    for number in suite.pipeline.controllers():
        suite.pipeline.controller(number).kill()


def _scale_in(suite: Suite, pods: int) -> None:
    """Drain the last pod and stop it once nothing is left on it."""
    suite.pipeline.scale(pods)
    eventually("the leaving pod is drained", lambda: suite.pipeline.status(pods).get("tasks") == {}, 90)
    suite.pipeline.pod(pods).stop()


def _damage(file: Path) -> None:
    with file.open("r+b") as table:
        table.seek(file.stat().st_size // 3)
        table.write(b"\xa5" * 64)
