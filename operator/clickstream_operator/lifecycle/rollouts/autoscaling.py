"""How many pods the lag asks for. Pure: what is remembered lies in the pipeline's status.

Lag is a time, that of the slowest task: how long ago the click it reads next was written. A pod count
that divides the partitions gives every pod the same work, so those come first. The lag must be too
high, or near nothing, for the whole stabilisation window, and each change of the pods, whoever made
it, is followed by a cooldown in which nothing is advised: restored tasks and moves have a lag of their own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from clickstream_operator.assignment.tasks import tasks_of
from clickstream_operator.kube.kinds import Document
from clickstream_operator.kube.times import epoch_s, stamp
from clickstream_operator.lifecycle.rollouts.rollout import Next, RolloutPhase
from clickstream_operator.observed import Observed
from clickstream_operator.spec.clickpipeline import ClickPipeline
from clickstream_operator.spec.fields import duration_ms
from clickstream_operator.spec.processors import Autoscale

# Below this share of the target the pods have little to do. Far from the target: else it would swing.
IDLE_SHARE = 0.1
# Too few pods hurt at once, too many only cost: scaling in waits for so many windows.
IDLE_WINDOWS = 6


class Load(StrEnum):
    """What the lag says."""

    BEHIND = "Behind"
    STEADY = "Steady"
    IDLE = "Idle"
    UNKNOWN = "Unknown"  # no pod answers, or pods and tasks are on the move


@dataclass(frozen=True, slots=True)
class ScalingMemory:
    """What outlives a look."""

    load: Load = Load.UNKNOWN
    since_s: float = 0.0
    replicas: int = 0  # seen last
    moved_s: float = 0.0  # when they last changed


@dataclass(frozen=True, slots=True)
class Advice:
    """How many pods there should be; as many as there are when nothing is to be done."""

    replicas: int
    memory: ScalingMemory
    why: str


def advise(
    policy: Autoscale, partitions: int, replicas: int, lag_ms: int | None, memory: ScalingMemory, now_s: float
) -> Advice:
    """Return the advice. `lag_ms` None: not known, so nothing counts."""
    if memory.replicas != replicas:
        moved_s = now_s if memory.replicas else 0.0
        memory = ScalingMemory(Load.UNKNOWN, now_s, replicas, moved_s)
    load = _load(policy, lag_ms)
    if load is not memory.load:
        memory = replace(memory, load=load, since_s=now_s)
    lasts_s, window_s = now_s - memory.since_s, duration_ms(policy.stabilization) / 1000
    quiet_s = duration_ms(policy.cooldown) / 1000 - (now_s - memory.moved_s)
    if load in (Load.STEADY, Load.UNKNOWN):
        return Advice(replicas, memory, "")
    needed_s = window_s if load is Load.BEHIND else IDLE_WINDOWS * window_s
    wanted = next_count(policy, partitions, replicas, up=load is Load.BEHIND)
    if lasts_s < needed_s or quiet_s > 0 or wanted == replicas:
        return Advice(replicas, memory, "")
    how = f"above {policy.target_lag}" if load is Load.BEHIND else f"below a tenth of {policy.target_lag}"
    return Advice(wanted, memory, f"the lag was {how} for {needed_s:.0f} s with {replicas} pods")


def next_count(policy: Autoscale, partitions: int, replicas: int, up: bool) -> int:
    """Return the next count in a direction: a divisor of the partitions if one is allowed, else the limit."""
    highest = min(policy.max, partitions)
    lowest = min(policy.min, highest)
    divisors = [n for n in range(lowest, highest + 1) if partitions % n == 0]
    if up:
        return next((n for n in divisors if n > replicas), max(highest, replicas))
    return next((n for n in reversed(divisors) if n < replicas), min(lowest, replicas))


def _load(policy: Autoscale, lag_ms: int | None) -> Load:
    if lag_ms is None:
        return Load.UNKNOWN
    target_ms = duration_ms(policy.target_lag)
    if lag_ms > target_ms:
        return Load.BEHIND
    return Load.IDLE if lag_ms < IDLE_SHARE * target_ms else Load.STEADY


def observed_lag_ms(pipeline: ClickPipeline, observed: Observed, rollout: Next | None) -> int | None:
    """Return the slowest task's lag; None while pods come and go, or a task has no owner at work."""
    owners = [
        t for held in observed.tasks().values() for t in held if t.role == "owner" and t.phase == "running"
    ]
    at_rest = rollout is not None and rollout.phase is RolloutPhase.DONE
    if not at_rest or len(owners) < len(tasks_of(pipeline)):
        return None
    lags = [t.lag_ms for t in owners if t.lag_ms is not None]
    return max(lags) if len(lags) == len(owners) else None


def autoscaling_of(
    pipeline: ClickPipeline, observed: Observed, rollout: Next | None, document: Document
) -> Document:
    """Return the status' part of a pipeline: empty unless it is to be scaled by its lag."""
    policy, replicas = pipeline.spec.processors.autoscale, pipeline.spec.processors.replicas
    if policy is None:
        return {}
    memory = remembered(document.get("status") or {})
    lag_ms = observed_lag_ms(pipeline, observed, rollout)
    partitions = pipeline.spec.topics.partitions
    return shown(advise(policy, partitions, replicas, lag_ms, memory, observed.now_s))


def remembered(status: Mapping[str, Document]) -> ScalingMemory:
    """Return what the status says of earlier looks."""
    found = status.get("autoscaling") or {}
    try:
        return ScalingMemory(
            Load(found["load"]),
            epoch_s(found["since"]),
            int(found["replicas"]),
            epoch_s(found.get("movedAt")),
        )
    except (KeyError, TypeError, ValueError):
        return ScalingMemory()


def shown(advice: Advice) -> Document:
    """Return the status' part: what is remembered, and the advice where there is one."""
    memory = advice.memory
    found: Document = {"load": str(memory.load), "since": stamp(memory.since_s), "replicas": memory.replicas}
    if memory.moved_s:
        found["movedAt"] = stamp(memory.moved_s)
    if advice.replicas != memory.replicas:
        found |= {"advised": advice.replicas, "message": advice.why}
    return found
