"""Long random runs of joins, leaves, failures, slow pods, lost acks: what always holds, and what at rest."""

from collections import Counter

from clickstream_local.testing.randomised import examples
from clickstream_operator.assignment.planner import Observation, PodHealth, Policy, holds, plan, undrained
from clickstream_operator.assignment.records import Assignment
from clickstream_operator.assignment.tasks import partition_of, stages_of, task_names
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

PODS = 6
ordinals = st.integers(0, PODS - 1)


class Pods:
    """A small model of pods: each follows the newest assignment it has read, as the protocol says."""

    def __init__(self) -> None:
        self.health: dict[int, PodHealth] = {}
        self.acquired: dict[str, int] = {}  # task -> greatest acknowledged epoch
        self.caught_up: set[tuple[str, int]] = set()

    def seen(self, settled: bool = True) -> Observation:
        return Observation(self.health, dict.fromkeys(self.caught_up, 0), dict(self.acquired), settled)


class Controller(RuleBasedStateMachine):
    """Random events against the planner; the model keeps the truth of what must be fenced."""

    stages: tuple[str, ...] = ("clicks",)

    @initialize(tasks=st.integers(1, 16), replicas=st.integers(1, PODS), standbys=st.integers(0, 2))
    def start(self, tasks: int, replicas: int, standbys: int) -> None:
        self.policy = Policy(task_names(tasks, self.stages), replicas, standbys)
        self.pods = Pods()
        self.pods.health = dict.fromkeys(range(replicas), PodHealth.WELL)
        self.table: dict[str, Assignment] = {}
        self.since_acquired: dict[str, list[int]] = {}  # task -> former owners since the last acquisition
        self.term = 1

    def rows(self) -> list[Assignment]:
        """Return the records of the tasks that there are now."""
        return [self.table[task] for task in self.policy.tasks if task in self.table]

    @rule(ordinal=ordinals, health=st.sampled_from(list(PodHealth)))
    def a_pod_changes(self, ordinal: int, health: PodHealth) -> None:
        self.pods.health[ordinal] = health

    @rule(replicas=st.integers(1, PODS))
    def scale(self, replicas: int) -> None:
        self.policy = Policy(self.policy.tasks, replicas, self.policy.standbys)

    @rule(data=st.data())
    def an_owner_acquires(self, data: st.DataObject) -> None:
        waiting = [a for a in self.rows() if self.pods.acquired.get(a.task) != a.epoch]
        if waiting:
            a = data.draw(st.sampled_from(waiting))
            self.pods.acquired[a.task] = a.epoch

    @rule(data=st.data())
    def a_standby_catches_up(self, data: st.DataObject) -> None:
        restoring = [(a.task, o) for a in self.rows() for o in a.standbys]
        if restoring:
            self.pods.caught_up.add(data.draw(st.sampled_from(restoring)))

    @rule(data=st.data())
    def a_standby_falls_behind(self, data: st.DataObject) -> None:
        if self.pods.caught_up:
            self.pods.caught_up.discard(data.draw(st.sampled_from(sorted(self.pods.caught_up))))

    @rule()
    def another_controller_takes_over(self) -> None:
        self.term += 1

    @rule(settled=st.booleans())
    def publish(self, settled: bool) -> None:
        seen = self.pods.seen(settled)
        changes = plan(self.table, seen, self.policy, self.term)
        if holds(seen, self.policy):
            assert changes == ()
        self.check_and_apply(changes)

    def check_and_apply(self, changes: tuple[Assignment, ...]) -> None:
        assert len({a.generation for a in changes}) <= 1
        newest = max((a.generation for a in self.table.values()), default=0)
        for new in changes:
            old = self.table.get(new.task)
            assert new.task in self.policy.tasks
            assert new.generation == newest + 1
            assert new.term == self.term
            owner, epoch = (old.owner, old.epoch) if old else (None, 0)
            assert (new.epoch == new.generation) if new.owner != owner else (new.epoch == epoch)
            self.check_fence(old, new)
            if new.owner != owner:
                assert self.pods.seen().of(new.owner or 0) is PodHealth.WELL
                self.check_reason_to_move(old, new)
            self.table[new.task] = new
            # What a pod no longer stands by for, it forgets.
            self.pods.caught_up -= {(new.task, o) for o in range(PODS) if o not in (*new.standbys, new.owner)}

    def check_fence(self, old: Assignment | None, new: Assignment) -> None:
        former = self.since_acquired.setdefault(new.task, [])
        if old is not None and self.pods.acquired.get(new.task) == old.epoch:
            former.clear()
        if old is not None and old.owner is not None and old.owner != new.owner:
            former[:] = [*(o for o in former if o != old.owner), old.owner]
        assert list(new.fence) == former

    def check_reason_to_move(self, old: Assignment | None, new: Assignment) -> None:
        """A task leaves a living member only for balance, and only to a pod that has caught up."""
        if (
            old is None
            or old.owner is None
            or self.pods.seen().of(old.owner) in (PodHealth.DEAD, PodHealth.ABSENT)
        ):
            return
        assert self.pods.seen().of(old.owner) is PodHealth.WELL
        assert (new.task, new.owner) in self.pods.caught_up
        assert self.pods.acquired[new.task] == old.epoch
        if old.owner < self.policy.replicas:
            count = Counter(a.owner for a in self.rows())
            beside = [a for a in self.rows() if partition_of(a.task) == partition_of(new.task)]
            joins = any(a.owner == new.owner for a in beside if a.task != new.task)
            assert joins or count[old.owner] - count[new.owner] > 1

    @rule()
    def all_comes_to_rest(self) -> None:
        """With every pod well, the planner stops soon, in balance, with all standbys, after minimal moves."""
        self.pods.health = dict.fromkeys(range(PODS), PodHealth.WELL)
        replicas, rounds, moves = self.policy.replicas, 0, 0
        least = self.least_moves()
        while True:
            self.pods.acquired |= {a.task: a.epoch for a in self.rows()}
            self.pods.caught_up |= {(a.task, o) for a in self.rows() for o in a.standbys}
            changes = plan(self.table, self.pods.seen(), self.policy, self.term)
            if not changes:
                break
            moves += sum(
                1 for a in changes if a.task in self.table and self.table[a.task].owner not in (None, a.owner)
            )
            self.check_and_apply(changes)
            rounds += 1
            assert rounds < 12, "no rest"
        assert moves == least or len(self.stages) > 1  # of several, tasks that were apart come together
        assert undrained(self.table, self.policy) == set()
        owned = Counter(a.owner for a in self.rows())
        counts = [owned[o] for o in range(replicas)]
        assert sum(counts) == len(self.policy.tasks)
        assert max(counts) - min(counts) <= len(self.stages)
        places = {(partition_of(a.task), a.owner, frozenset(a.standbys)) for a in self.rows()}
        assert len(places) * len(self.stages) == len(self.policy.tasks)
        standing = Counter(o for a in self.rows() for o in a.standbys)
        wanted = min(self.policy.standbys, replicas - 1)
        assert all(len(a.standbys) == wanted for a in self.rows())
        assert max(standing[o] for o in range(replicas)) - min(
            standing[o] for o in range(replicas)
        ) <= 2 * len(self.stages)

    def least_moves(self) -> int:
        """Tasks that leave pods which must give some, in the cheapest balanced outcome."""
        replicas, tasks = self.policy.replicas, len(self.policy.tasks)
        owned = Counter(a.owner for a in self.rows() if a.owner is not None)
        low, extra = divmod(tasks, replicas)
        members = sorted((owned[o] for o in range(replicas)), reverse=True)
        stay = sum(min(count, low + (i < extra)) for i, count in enumerate(members))
        return sum(owned.values()) - stay

    @invariant()
    def a_standby_is_never_its_owner(self) -> None:
        for a in getattr(self, "table", {}).values():
            assert a.owner not in a.standbys
            assert len(set(a.standbys)) == len(a.standbys)
            assert len(set(a.fence)) == len(a.fence)


Controller.TestCase.settings = settings(
    max_examples=examples(150),
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestController = Controller.TestCase


class SeveralStages(Controller):
    """The same with tasks of two stages: what belongs together is together at rest."""

    stages = ("clicks", "metrics")


SeveralStages.TestCase.settings = Controller.TestCase.settings
TestSeveralStages = SeveralStages.TestCase


class StagesThatComeAndGo(Controller):
    """The same where metrics come and go: only tasks that there are move, and only they hold pods."""

    @rule()
    def metrics_come_or_go(self) -> None:
        self.stages = stages_of(metrics=len(self.stages) == 1)
        partitions = len(set(map(partition_of, self.policy.tasks)))
        tasks = task_names(partitions, self.stages)
        self.policy = Policy(tasks, self.policy.replicas, self.policy.standbys)


StagesThatComeAndGo.TestCase.settings = Controller.TestCase.settings
TestStagesThatComeAndGo = StagesThatComeAndGo.TestCase
