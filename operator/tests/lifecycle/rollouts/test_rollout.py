"""The roll-out's plan: single decisions, and random lives in which the operator is killed between steps."""

import random
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from clickstream_local.testing.randomised import examples
from clickstream_operator.lifecycle.rollouts.rollout import (
    STOPS_SETTLE_S,
    Next,
    PodSeen,
    RolloutMemory,
    RolloutPhase,
    Scene,
    next_step,
)
from hypothesis import Phase as HypothesisPhase
from hypothesis import given, settings
from hypothesis import strategies as st

DEADLINE_S = 100.0


def pods(*states: str) -> dict[int, PodSeen]:
    """Return pods from words such as "old", "new" or "old sick"."""
    return {o: PodSeen(s.split()[0], ready="sick" not in s) for o, s in enumerate(states)}


def scene(*states: str, partition: int = 0, template: str = "new", **changes: Any) -> Scene:
    made = Scene("new", template, partition, len(states), complete=False, now_s=1000, pods=pods(*states))
    return replace(made, **changes)


OLD = RolloutMemory(stable="old")


def test_new_template_is_put_on_the_set_for_no_pod_yet() -> None:
    step = next_step(scene("old", "old", template="old"), OLD, DEADLINE_S)
    assert (step.template, step.partition, step.memory.stable) == ("new", 2, "old")


def test_last_pod_is_the_first() -> None:
    assert next_step(scene("old", "old", "old", partition=3), OLD, DEADLINE_S).partition == 2


@pytest.mark.parametrize(
    "changes",
    [{"whole": False}, {"lag_ms": 60_000}, {"lag_ms": None}],
    ids=["a task restores", "a task is behind", "a lag is not known"],
)
def test_next_pod_waits_until_all_is_well(changes: dict[str, Any]) -> None:
    step = next_step(scene("old", "new", partition=1, **changes), OLD, DEADLINE_S)
    assert (step.partition, step.phase) == (1, RolloutPhase.WAITING)


def test_lag_that_was_there_before_holds_nothing_up() -> None:
    step = next_step(scene("old", "new", partition=1, lag_ms=60_000), replace(OLD, lag_ms=60_000), DEADLINE_S)
    assert step.partition == 0


def test_second_pod_waits_for_the_first() -> None:
    assert next_step(scene("old", "new sick", partition=1), OLD, DEADLINE_S).partition == 1


def test_first_pod_that_stays_sick_is_rolled_back_and_removed() -> None:
    late = RolloutMemory(stable="old", pod=1, coming=True, since_s=800)
    back = next_step(scene("old", "new sick", partition=1), late, DEADLINE_S)
    assert (back.template, back.partition, back.memory.failed) == ("old", 2, "new")
    then = next_step(scene("old", "new sick", partition=2, template="old"), back.memory, DEADLINE_S)
    assert then.partition == 1
    last = next_step(scene("old", "new sick", partition=1, template="old"), then.memory, DEADLINE_S)
    assert last.remove == (1,)
    done = next_step(scene("old", "old", template="old", complete=True), last.memory, DEADLINE_S)
    assert (done.phase, done.template) == (RolloutPhase.ROLLED_BACK, "old")


def test_failed_template_is_tried_again_only_when_it_changes() -> None:
    memory = RolloutMemory(stable="old", failed="new", why="x")
    at_rest = scene("old", "old", template="old", complete=True)
    assert next_step(at_rest, memory, DEADLINE_S).template == "old"
    assert next_step(replace(at_rest, wanted="newer"), memory, DEADLINE_S).template == "newer"
    assert next_step(at_rest, replace(memory, failed=""), DEADLINE_S).template == "new"


def test_later_pod_that_stays_sick_undoes_nothing() -> None:
    late = RolloutMemory(stable="old", pod=0, coming=True, since_s=800)
    assert next_step(scene("new sick", "new"), late, DEADLINE_S).phase is RolloutPhase.STUCK


def test_sick_pod_of_the_old_template_holds_the_mending_one_up_for_one_deadline() -> None:
    sick = scene("old sick", "old", partition=2, whole=False)
    first = next_step(sick, OLD, DEADLINE_S)
    assert first.phase is RolloutPhase.WAITING
    assert next_step(replace(sick, now_s=1101), first.memory, DEADLINE_S).partition == 1


def test_first_template_of_all_waits_for_nobody() -> None:
    step = next_step(scene("older sick", "new"), RolloutMemory(), DEADLINE_S)
    assert (step.partition, step.remove) == (0, (0,))


@pytest.mark.parametrize("states", [("new", "new sick"), ("new",)], ids=["a crash", "a pod more"])
def test_pods_that_come_and_go_with_the_stable_template_are_no_roll_out(states: tuple[str, ...]) -> None:
    step = next_step(scene(*states, replicas=2), RolloutMemory(stable="new"), DEADLINE_S)
    assert (step.partition, step.phase, step.memory) == (0, RolloutPhase.DONE, RolloutMemory(stable="new"))


@dataclass
class Cluster:
    """A StatefulSet's controller and its pods, in a few lines: what the plan is made against."""

    chance: random.Random
    bad: frozenset[str]  # templates whose pods never become ready
    replicas: int = 3
    wanted: str = "a"
    template: str = "a"
    partition: int = 0
    memory: RolloutMemory = field(default_factory=lambda: RolloutMemory(stable="a"))
    current: str = "a"
    now_s: float = 0.0
    pods: dict[int, PodSeen] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin at rest."""
        self.pods = {o: PodSeen("a", ready=True) for o in range(self.replicas)}

    def scene(self) -> Scene:
        """Return what the operator sees."""
        alike = all(p.digest == self.template and p.ready for p in self.pods.values())
        complete = alike and len(self.pods) == self.replicas
        if complete:
            self.current = self.template
        return Scene(
            *(self.wanted, self.template, self.partition, self.replicas, complete, self.now_s),
            pods=dict(self.pods),
            whole=all(p.ready for p in self.pods.values()),
        )

    def look(self, killed_after: int | None = None) -> Next:
        """Let the operator look once; it may be killed after so many of its writes."""
        step = next_step(self.scene(), self.memory, DEADLINE_S)
        writes = killed_after if killed_after is not None else 1 + len(step.remove)
        changes = (step.template, step.partition, step.memory) != (
            *(self.template, self.partition, self.memory),
        )
        if writes > 0:
            self.template, self.partition, self.memory = step.template, step.partition, step.memory
        if not changes:  # removing comes with a look that has nothing to write
            for ordinal in step.remove[:writes]:
                self.pods.pop(ordinal, None)
        return step

    def turn(self) -> None:
        """Let the world go on by one event."""
        missing = [o for o in range(self.replicas) if o not in self.pods]
        coming = [o for o, p in self.pods.items() if not p.ready and p.digest not in self.bad]
        # A pod that can come up does so well before the deadline.
        self.now_s += self.chance.choice([0.5, 1.0] if missing or coming else [1.0, 5.0, 30.0])
        if missing:
            ordinal = self.chance.choice(missing)
            digest = self.template if ordinal >= self.partition else self.current
            self.pods[ordinal] = PodSeen(digest, ready=False)
            return
        if coming and self.chance.random() < 0.7:
            ordinal = self.chance.choice(coming)
            self.pods[ordinal] = replace(self.pods[ordinal], ready=True)
            return
        for ordinal in range(self.replicas - 1, self.partition - 1, -1):
            if not self.pods[ordinal].ready and self.pods[ordinal].digest == self.template:
                return  # it waits for this one
            if self.pods[ordinal].digest != self.template:
                if self.pods[ordinal].ready:  # an unready one is spared: the known trap
                    del self.pods[ordinal]
                return

    def at_rest(self) -> bool:
        """Tell whether nothing is left to do."""
        before = (self.template, self.partition, self.memory)
        step = next_step(self.scene(), self.memory, DEADLINE_S)
        return (step.template, step.partition, step.memory) == before and step.phase in (
            RolloutPhase.DONE,
            RolloutPhase.ROLLED_BACK,
        )


def live(seed: int, wishes: list[str], bad: frozenset[str], kills: bool) -> Cluster:
    """Let a cluster live until it rests, with wishes that come at random times."""
    chance = random.Random(seed)
    cluster = Cluster(chance, bad)
    waiting = list(wishes)
    for turn in range(3000):
        if waiting and (chance.random() < 0.05 or turn == 0):
            cluster.wanted = waiting.pop(0)
        if chance.random() < 0.8:
            before = {o for o, p in cluster.pods.items() if p.ready}
            step = cluster.look(chance.choice([0, 1, None]) if kills else None)
            assert len(before - {o for o, p in cluster.pods.items() if p.ready}) == 0, (
                "a ready pod was removed"
            )
            check(cluster, step)
        for _ in range(chance.randrange(3)):
            cluster.turn()
            proven_or_alone(cluster)
        if not waiting and cluster.at_rest():
            return cluster
    raise AssertionError(f"does not come to rest: {cluster}")


def check(cluster: Cluster, step: Next) -> None:
    """Check what holds after each look."""
    assert step.template in (cluster.wanted, cluster.memory.stable)
    assert cluster.memory.stable, "what was stable is forgotten"
    if step.phase is RolloutPhase.ROLLED_BACK:
        assert step.memory.failed == cluster.wanted


def proven_or_alone(cluster: Cluster) -> None:
    """Check that a template that never comes up costs one pod, not more."""
    for template in cluster.bad:
        assert sum(p.digest == template for p in cluster.pods.values()) <= 1


@pytest.mark.parametrize("kills", [False, True], ids=["undisturbed", "killed between any two steps"])
@pytest.mark.parametrize(
    ("wishes", "bad", "runs", "phase"),
    [
        (["b"], frozenset(), "b", RolloutPhase.DONE),
        (["b"], frozenset("b"), "a", RolloutPhase.ROLLED_BACK),
        (["b", "c"], frozenset("b"), "c", RolloutPhase.DONE),
        (["b", "c"], frozenset("c"), None, RolloutPhase.ROLLED_BACK),
        (["b", "a"], frozenset("b"), "a", RolloutPhase.DONE),
        (["b", "c", "d"], frozenset("bd"), None, RolloutPhase.ROLLED_BACK),
    ],
    ids=["good", "bad", "bad then good", "good then bad", "bad then back", "three wishes"],
)
# A smaller seed makes no shorter life, so nothing is shrunk.
@settings(max_examples=examples(120), deadline=None, phases=[HypothesisPhase.generate])
@given(seed=st.integers(0, 2**32 - 1))
def test_every_life_ends_in_the_same_state(
    wishes: list[str], bad: frozenset[str], runs: str | None, phase: RolloutPhase, kills: bool, seed: int
) -> None:
    cluster = live(seed, wishes, bad, kills)
    step = next_step(cluster.scene(), cluster.memory, DEADLINE_S)
    assert {p.digest for p in cluster.pods.values()} == {cluster.template}
    assert (step.phase, cluster.partition) == (phase, 0)
    assert cluster.template not in bad
    assert runs in (None, cluster.template)


def stopped(seen: PodSeen, *tasks: str, why: str = "the state has other windows") -> PodSeen:
    return replace(seen, stopped=dict.fromkeys(tasks, why))


def test_template_whose_pod_stops_a_task_is_rolled_back_with_the_tasks_words() -> None:
    seen = {**pods("old", "new"), 1: stopped(pods("old", "new")[1], "clicks-8", "clicks-9")}
    now = scene("old", "new", partition=1, pods=seen)
    held = next_step(now, replace(OLD, pod=1), DEADLINE_S)
    assert (held.partition, held.phase) == (1, RolloutPhase.WAITING), "no second pod gets it meanwhile"
    later = replace(now, now_s=now.now_s + STOPS_SETTLE_S)
    back = next_step(later, held.memory, DEADLINE_S)
    assert (back.template, back.partition, back.phase) == ("old", 2, RolloutPhase.ROLLING_BACK)
    assert back.memory.failed == "new"
    assert "task clicks-8 (and 1 more) stops on pod 1 with it: the state has other windows" in back.memory.why
    rolling = replace(later, template="old", partition=2)
    assert next_step(rolling, back.memory, DEADLINE_S).partition == 1, "the pod gets the old template again"


def test_last_pods_stopped_task_fails_the_template_too() -> None:
    for replicas, complete in ((1, False), (1, True), (2, True)):
        states = ["new"] * replicas
        seen = {**pods(*states), 0: stopped(pods(*states)[0], "clicks-0")}
        now = scene(*states, pods=seen, complete=complete)
        held = next_step(now, OLD, DEADLINE_S)
        assert held.phase is RolloutPhase.WAITING
        assert held.memory.stable == "old"
        later = replace(now, now_s=now.now_s + STOPS_SETTLE_S)
        assert next_step(later, held.memory, DEADLINE_S).phase is RolloutPhase.ROLLING_BACK


def test_new_template_is_stable_only_when_every_task_is_back() -> None:
    restoring = scene("new", complete=True, whole=False)
    step = next_step(restoring, OLD, DEADLINE_S)
    assert (step.phase, step.memory.stable) == (RolloutPhase.ROLLING, "old")
    done = next_step(replace(restoring, whole=True), step.memory, DEADLINE_S)
    assert (done.phase, done.memory.stable) == (RolloutPhase.DONE, "new")


def test_tasks_that_were_stopped_before_do_not_fail_a_good_template() -> None:
    before = {o: stopped(p, "clicks-0") if o == 1 else p for o, p in pods("old", "old").items()}
    began = next_step(scene("old", "old", template="old", pods=before), OLD, DEADLINE_S)
    # The same task, and another one on the pod whose volume is full.
    after = {o: stopped(p, "clicks-0", "clicks-3") if o == 1 else p for o, p in pods("old", "new").items()}
    now = scene("old", "new", partition=1, pods=after)
    for now_s in (1000.0, 1000.0 + STOPS_SETTLE_S):
        step = next_step(replace(now, now_s=now_s), began.memory, DEADLINE_S)
        assert step.phase is RolloutPhase.ROLLING
        began = replace(began, memory=step.memory)
    assert step.partition == 0


def test_task_that_stops_with_both_templates_fails_neither() -> None:
    """A topic that is deleted in the middle of a roll-out."""
    everywhere = {o: stopped(p, "clicks-0") for o, p in pods("old", "new").items()}
    assert next_step(scene("old", "new", partition=1, pods=everywhere), OLD, DEADLINE_S).partition == 0
    first = {o: stopped(p, "clicks-0") if o == 1 else p for o, p in everywhere.items()}
    first[0] = pods("old", "new")[0]
    held = next_step(scene("old", "new", partition=1, pods=first), OLD, DEADLINE_S)
    assert held.phase is RolloutPhase.WAITING
    late = scene("old", "new", partition=1, pods=everywhere, now_s=1000 + STOPS_SETTLE_S)
    assert next_step(late, held.memory, DEADLINE_S).partition == 0
