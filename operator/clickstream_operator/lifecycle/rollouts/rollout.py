"""How the pods get a new template: one at a time, and back when the first does not come up. Pure.

What a step needs is seen on the pods and remembered in one annotation of the StatefulSet, written in
the same request as the step itself. So a plan that is created again after a kill goes on where it was:

- no pod is asked to leave while another one is not ready or a task has not caught up;
- until one pod of a new template has become ready, no second pod gets it;
- a template that failed is not tried again until something in it changes, or the annotation is removed;
- a template with which a task stops that did not before has failed too, ready or not.

Pods leave by the StatefulSet's `partition`: ordinals from there on get the template, the others keep
the one that all had before. A pod that leaves commits and flushes; its tasks stay its own unless it is
away for longer than `failoverAfter`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

# A pod's clicks are caught up when they are this close to the end, or as close as before the roll-out.
CAUGHT_UP_MS = 10_000
# A task that stops for a reason that is not the template (a topic deleted) stops elsewhere too in this time.
STOPS_SETTLE_S = 15.0


class RolloutPhase(StrEnum):
    """How far a roll-out is: the reason of the condition RolledOut."""

    DONE = "AllCurrent"
    STARTING = "Starting"  # no template has ever run on all pods: there is nothing to go back to
    ROLLING = "Rolling"
    WAITING = "Waiting"  # for a pod or a task that is not well for reasons of its own
    STUCK = "Stuck"  # a later pod does not come up although another one did
    ROLLING_BACK = "RollingBack"
    ROLLED_BACK = "RolledBack"


@dataclass(frozen=True, slots=True)
class RolloutMemory:
    """What outlives a look. Digests are of pod templates."""

    stable: str = ""  # the last one that all pods ran well with
    failed: str = ""  # the one that was rolled back
    why: str = ""  # what became of its pod
    pod: int | None = None  # the pod whose turn it is,
    coming: bool = False  # whether its predecessor has gone,
    since_s: float = 0.0  # and since when that is so (wall clock)
    lag_ms: int = 0  # of the slowest task when the roll-out began
    stopped: frozenset[str] = frozenset()  # tasks, and pods as numbers, that had stopped when it began
    stops_s: float = 0.0  # since when a task is stopped that was not (wall clock); 0: none is


@dataclass(frozen=True, slots=True)
class PodSeen:
    """One pod of the StatefulSet."""

    digest: str
    ready: bool
    leaving: bool = False
    why_not: str = ""  # why it is not ready, in the kubelet's words
    stopped: Mapping[str, str] = field(default_factory=dict)  # tasks that refuse to go on, with their words


@dataclass(frozen=True, slots=True)
class Scene:
    """What the plan looks at."""

    wanted: str  # digest of the template that the spec asks for
    template: str  # of the one on the StatefulSet
    partition: int
    replicas: int
    complete: bool  # all the pods there shall be have its template and are ready, says its controller
    now_s: float
    pods: Mapping[int, PodSeen] = field(default_factory=dict)  # a missing one does not exist
    whole: bool = True  # every task has an owner and standbys that are past their restore; nobody leaves
    lag_ms: int | None = 0  # of the slowest running task; None: not known

    def stopped(self) -> frozenset[str]:
        """Return the tasks that have stopped somewhere, and the numbers of the pods they did on."""
        pods = {str(ordinal): pod for ordinal, pod in self.pods.items() if pod.stopped}
        return frozenset(pods) | {task for pod in pods.values() for task in pod.stopped}


@dataclass(frozen=True, slots=True)
class Next:
    """What shall be now: one write of the StatefulSet, then the pods to remove."""

    template: str  # digest: the wanted one or the stable one
    partition: int
    memory: RolloutMemory
    phase: RolloutPhase
    remove: tuple[int, ...] = ()  # stuck pods, which the StatefulSet's controller leaves alone
    pod: int | None = None  # the one that is waited for


def next_step(scene: Scene, memory: RolloutMemory, deadline_s: float) -> Next:
    """Return the next step of the roll-out; at rest it asks for what is there.

    1. Nothing has ever run: all pods get the template, there is nothing to spare. 2. The goal is the
    wanted template, or the stable one when the wanted one has failed. 3. Put it on the StatefulSet,
    for no pod yet. 4. A task stops with it that did not before: it has failed. 5. All pods have it and
    every task is back, or it is the one they had: it is the stable one. 6. Else the highest pod that
    does not is the next.
    """
    if not memory.stable:  # 1
        return _first(scene)
    failed = memory.failed if memory.failed == scene.wanted else ""  # 2
    goal = memory.stable if failed else scene.wanted
    rolling = RolloutPhase.ROLLING_BACK if failed else RolloutPhase.ROLLING
    if scene.template != goal:  # 3
        why = memory.why if failed else ""
        began = RolloutMemory(memory.stable, failed, why, lag_ms=scene.lag_ms or 0, stopped=scene.stopped())
        return Next(goal, scene.replicas, began, rolling)
    if goal != memory.stable and (held := _hold_for_stops(scene, memory, goal)):  # 4
        return held
    memory = replace(memory, stops_s=0.0)
    unmoved = goal == memory.stable and all(pod.digest == goal for pod in scene.pods.values())
    proven = scene.complete and (goal == memory.stable or scene.whole)
    if proven or unmoved:  # 5
        phase = RolloutPhase.ROLLED_BACK if failed else RolloutPhase.DONE
        return Next(goal, 0, RolloutMemory(goal, failed, memory.why if failed else ""), phase)
    return _next_pod(scene, replace(memory, failed=failed), goal, rolling, deadline_s)  # 6


def _hold_for_stops(scene: Scene, memory: RolloutMemory, goal: str) -> Next | None:
    """Return the step while tasks stop with the new template alone: wait a moment, then go back."""
    elsewhere = {task for pod in scene.pods.values() if pod.digest != goal for task in pod.stopped}
    blamed = [
        (task, ordinal, detail)
        for ordinal, pod in scene.pods.items()
        if pod.digest == goal and str(ordinal) not in memory.stopped
        for task, detail in pod.stopped.items()
        if task not in memory.stopped and task not in elsewhere
    ]
    if not blamed:
        return None
    since_s = memory.stops_s or scene.now_s
    if scene.now_s - since_s < STOPS_SETTLE_S:
        held = replace(memory, stops_s=since_s)
        return Next(goal, scene.partition, held, RolloutPhase.WAITING, pod=memory.pod)
    task, ordinal, detail = min(blamed)
    more = f" (and {len(blamed) - 1} more)" if len(blamed) > 1 else ""
    why = f"task {task}{more} stops on pod {ordinal} with it: {detail}"
    back = RolloutMemory(
        memory.stable, failed=scene.wanted, why=why, lag_ms=memory.lag_ms, stopped=memory.stopped
    )
    return Next(memory.stable, scene.replicas, back, RolloutPhase.ROLLING_BACK)


def _first(scene: Scene) -> Next:
    if scene.complete and scene.template == scene.wanted:
        return Next(scene.wanted, 0, RolloutMemory(stable=scene.wanted), RolloutPhase.DONE)
    # The StatefulSet's controller waits for unready pods before it replaces them: it would wait forever.
    stuck = [o for o, p in sorted(scene.pods.items()) if p.digest != scene.wanted and not p.ready]
    remove = tuple(o for o in stuck if not scene.pods[o].leaving) if scene.template == scene.wanted else ()
    return Next(scene.wanted, 0, RolloutMemory(), RolloutPhase.STARTING, remove)


def _next_pod(
    scene: Scene, memory: RolloutMemory, goal: str, rolling: RolloutPhase, deadline_s: float
) -> Next:
    """Return the step for the highest pod that does not run the goal."""
    ordinals = range(scene.replicas - 1, -1, -1)
    ordinal = next((o for o in ordinals if not _runs(scene.pods.get(o), goal)), None)
    if ordinal is None:  # all do; the StatefulSet's controller has yet to say so
        return Next(goal, 0, memory, rolling)
    if memory.pod != ordinal:
        memory = replace(memory, pod=ordinal, coming=False, since_s=scene.now_s)
    pod = scene.pods.get(ordinal)
    coming = pod is None or pod.leaving or pod.digest == goal
    if memory.coming != coming:
        # Its time begins when it is seen to be on its way, also after this operator was away.
        memory = replace(memory, coming=coming, since_s=scene.now_s)
    overdue = scene.now_s - memory.since_s > deadline_s
    if coming or pod is None:
        partition = min(scene.partition, ordinal)
        if not overdue or goal == memory.stable:
            return Next(goal, partition, memory, rolling, pod=ordinal)
        if any(_runs(p, goal) for p in scene.pods.values()):
            return Next(goal, partition, memory, RolloutPhase.STUCK, pod=ordinal)
        why = f"pod {ordinal} was not ready after {deadline_s:.0f} s: {_why(pod)}"
        back = RolloutMemory(memory.stable, failed=scene.wanted, why=why, lag_ms=memory.lag_ms)
        return Next(memory.stable, scene.replicas, back, RolloutPhase.ROLLING_BACK)
    if scene.partition <= ordinal:  # the StatefulSet's controller spares it while another one is sick
        remove = (ordinal,) if overdue or not pod.ready else ()
        return Next(goal, scene.partition, memory, rolling, remove, ordinal)
    if pod.ready and not _may_leave(scene, memory, goal, ordinal, overdue):
        return Next(goal, scene.partition, memory, RolloutPhase.WAITING, pod=ordinal)
    return Next(goal, ordinal, replace(memory, since_s=scene.now_s), rolling, pod=ordinal)


def _may_leave(scene: Scene, memory: RolloutMemory, goal: str, ordinal: int, overdue: bool) -> bool:
    """Tell whether a ready pod can be spared.

    Pods that are sick with the old template hold the roll-out up for one deadline only: it may be
    what fixes them.
    """
    others = {o: scene.pods.get(o) for o in range(scene.replicas) if o != ordinal}
    sick = [pod for pod in others.values() if pod is None or not pod.ready or pod.leaving]
    if sick:
        return overdue and all(pod is not None and pod.digest != goal for pod in sick)
    known = scene.lag_ms is not None and scene.lag_ms <= max(CAUGHT_UP_MS, memory.lag_ms)
    return scene.whole and known


def _runs(pod: PodSeen | None, goal: str) -> bool:
    return pod is not None and pod.digest == goal and pod.ready and not pod.leaving


def _why(pod: PodSeen | None) -> str:
    if pod is None:
        return "it was not made; see kubectl describe of the StatefulSet"
    return pod.why_not or "its readiness probe does not succeed; see its log"
