"""Who should own what next: pods, tasks and the assignment as it is -> the records to publish.

Pure and level-triggered: no clock, no memory. What is under way shows in the assignment itself (a
standby more than asked for is a move that has begun), so a controller that starts again goes on where
the last one stopped. Invariants (docs/reference/protocol.md; tests/assignment/test_planner.py):

- a task has at most one owner, and its epoch is the generation of the last change of owner (R1);
- the fence list is all owners since the last acknowledged acquisition (R2);
- a standby is never on its owner's pod;
- nothing moves that need not: ownership changes only when the owner is dead, leaves, or owns two
  tasks more than another pod; and then only to a pod that has caught up, unless the owner is dead.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from clickstream_operator.assignment.records import Assignment


class PodHealth(StrEnum):
    """How a pod looks to the controller."""

    WELL = "well"
    SILENT = "silent"  # late; keeps what it has, gets nothing more
    DEAD = "dead"  # its tasks fail over; its standbys wait for its return
    ABSENT = "absent"  # never seen, or dead for so long that its standbys are replaced


@dataclass(frozen=True, slots=True)
class Policy:
    """What the pipeline asks for."""

    tasks: tuple[str, ...]
    replicas: int
    standbys: int
    handover_lag: int = 5_000  # changelog records; about 20 ms of restore, so the pause is a commit's


@dataclass(frozen=True, slots=True)
class Observation:
    """What the controller knows of the pods."""

    health: Mapping[int, PodHealth]  # a missing ordinal is ABSENT
    lag: Mapping[tuple[str, int], int] = field(
        default_factory=dict
    )  # (task, standby) -> records; no entry: not ready
    acquired: Mapping[str, int] = field(
        default_factory=dict
    )  # task -> greatest epoch acknowledged as acquired
    settled: bool = True  # waited long enough for the pods that have never been seen

    def of(self, ordinal: int) -> PodHealth:
        """Return the health of a pod."""
        return self.health.get(ordinal, PodHealth.ABSENT)


def holds(seen: Observation, policy: Policy) -> bool:
    """Tell whether so many pods look dead that the fault is more likely the controller's view (R16)."""
    known = [seen.of(o) for o in range(policy.replicas) if seen.of(o) is not PodHealth.ABSENT]
    return 2 * known.count(PodHealth.DEAD) > len(known)


def undrained(current: Iterable[Assignment], replicas: int) -> set[int]:
    """Return the pods beyond ``replicas`` that still own, fence or stand by: not to be removed yet."""
    named = {o for a in current for o in (a.owner, *a.fence, *a.standbys) if o is not None}
    return {ordinal for ordinal in named if ordinal >= replicas}


def plan(
    current: Mapping[str, Assignment], seen: Observation, policy: Policy, term: int
) -> tuple[Assignment, ...]:
    """Return the records of the next publication: those that change, or none.

    1. Clear the fence lists of acknowledged acquisitions.
    2. Give the tasks of dead pods, and those nobody owns, to the best pod there is.
    3. Choose the moves that empty leaving pods and balance the others; carry out those whose
       receiver has caught up, and make the other receivers standbys.
    4. Keep as many standbys as asked for, balanced.
    """
    if holds(seen, policy) or not any(seen.of(o) is PodHealth.WELL for o in range(policy.replicas)):
        return ()
    generation = 1 + max((a.generation for a in current.values()), default=0)
    table = _Table(current, seen, policy, generation)
    table.clear_acknowledged()  # 1
    failed_over = table.fail_over()  # 2
    receivers = {} if failed_over else table.move()  # 3: one kind of change at a time
    table.keep_standbys(receivers)  # 4
    return table.changes(current, term)


@dataclass(slots=True)
class _Row:
    owner: int | None
    epoch: int
    fence: tuple[int, ...]
    standbys: tuple[int, ...]
    started: bool


class _Table:
    """The next assignment while it is being worked out."""

    def __init__(
        self, current: Mapping[str, Assignment], seen: Observation, policy: Policy, generation: int
    ) -> None:
        self._seen, self._policy, self._generation = seen, policy, generation
        members = range(policy.replicas)
        self._well = [o for o in members if seen.of(o) is PodHealth.WELL]
        self._kept = [o for o in members if seen.of(o) is not PodHealth.ABSENT]
        # While a member is late or dead it will probably come back: balancing now would move tasks twice.
        self._calm = all(seen.of(o) in (PodHealth.WELL, PodHealth.ABSENT) for o in members)
        self._complete = len(self._well) == policy.replicas
        self._rows: dict[str, _Row] = {}
        for task in policy.tasks:
            a = current.get(task)
            self._rows[task] = (
                _Row(a.owner, a.epoch, a.fence, a.standbys, a.started) if a else _Row(None, 0, (), (), False)
            )

    def changes(self, current: Mapping[str, Assignment], term: int) -> tuple[Assignment, ...]:
        """Return the rows that differ from ``current``, as records of this generation."""
        changed = []
        for task, row in self._rows.items():
            a = current.get(task)
            if a is None and row.owner is None:
                continue
            was = a and (a.owner, a.epoch, a.fence, a.standbys, a.started)
            if was != (row.owner, row.epoch, row.fence, row.standbys, row.started):
                changed.append(
                    Assignment(
                        task=task,
                        term=term,
                        generation=self._generation,
                        epoch=row.epoch,
                        owner=row.owner,
                        fence=row.fence,
                        standbys=row.standbys,
                        started=row.started,
                    )
                )
        return tuple(changed)

    # 1 ------------------------------------------------------------------------------------------

    def clear_acknowledged(self) -> None:
        """Empty the fence list of each task whose owner has acknowledged this very epoch (R2)."""
        for task, row in self._rows.items():
            if self._acquired(task, row):
                row.fence, row.started = (), True

    def _acquired(self, task: str, row: _Row) -> bool:
        """Tell whether the owner has acknowledged this epoch, to this controller or to an earlier one."""
        known = row.started and not row.fence  # each change of owner adds to the fence list
        return row.owner is not None and (known or self._seen.acquired.get(task) == row.epoch)

    # 2 ------------------------------------------------------------------------------------------

    def fail_over(self) -> bool:
        """Give every task without a living owner to a pod that is well; tell whether there was one."""
        if not (self._complete or self._seen.settled):
            return False
        orphans = [
            task
            for task, row in self._rows.items()
            if row.owner is None or self._seen.of(row.owner) in (PodHealth.DEAD, PodHealth.ABSENT)
        ]
        owned = self._owned(except_for=orphans)
        # Tasks with a standby first: the others then even out what the standbys' places decided.
        orphans.sort(key=lambda task: not any(o in self._well for o in self._rows[task].standbys))
        for task in orphans:
            heir = min(self._well, key=lambda o: (*self._rank(task, o), owned[o], o))
            owned[heir] += 1
            self._give(task, heir)
        return bool(orphans)

    def _rank(self, task: str, ordinal: int) -> tuple[int, int]:
        """Order pods by how soon they could own the task: caught up, standby by its lag, from nothing."""
        if ordinal not in self._rows[task].standbys:
            return 2, 0
        lag = self._seen.lag.get((task, ordinal))
        if lag is None:
            return 1, 1 << 62
        return (0, 0) if lag <= self._policy.handover_lag else (1, lag)

    def _give(self, task: str, ordinal: int) -> None:
        """Change the owner: new epoch, the old owner joins the fence list and stands by if it may."""
        row = self._rows[task]
        old, row.owner, row.epoch = row.owner, ordinal, self._generation
        row.standbys = tuple(o for o in row.standbys if o != ordinal)
        if old is None:
            return
        row.fence = (*(o for o in row.fence if o != old), old)
        if old in self._kept and len(row.standbys) < self._policy.standbys:
            row.standbys = (*row.standbys, old)

    def _owned(self, except_for: Collection[str] = ()) -> Counter[int]:
        rows = self._rows.items()
        return Counter(row.owner for task, row in rows if row.owner is not None and task not in except_for)

    # 3 ------------------------------------------------------------------------------------------

    def move(self) -> dict[str, int]:
        """Hand over what is ready; return the receivers of the moves that still restore."""
        pending: dict[str, int] = {}
        for task, receiver in self._moves().items():
            row = self._rows[task]
            giver_well = row.owner is not None and self._seen.of(row.owner) is PodHealth.WELL
            if giver_well and self._acquired(task, row) and self._rank(task, receiver)[0] == 0:
                self._give(task, receiver)
            else:
                pending[task] = receiver
        return pending

    def _moves(self) -> dict[str, int]:
        """Return task -> receiver: the fewest moves that empty the leavers and bring the rest within one."""
        owner = {task: row.owner for task, row in self._rows.items() if row.owner is not None}
        owned = self._owned()
        place = {task: i for i, task in enumerate(self._policy.tasks)}
        moves: dict[str, int] = {}
        while True:
            least = min(owned[o] for o in self._well)
            givers = {o for o in owned if o >= self._policy.replicas and owned[o]}
            if not givers and self._calm:
                most = max(owned[o] for o in self._well)
                givers = {o for o in self._well if owned[o] == most} if most - least > 1 else set()
            if not givers:
                return moves
            takers = [o for o in self._well if owned[o] == least]
            task, taker = min(
                ((task, taker) for task, giver in owner.items() if giver in givers for taker in takers),
                # Of equals the one that moved last: after a fail-over the returning pod gets its own back.
                key=lambda pair: (*self._rank(*pair), -self._rows[pair[0]].epoch, pair[1], place[pair[0]]),
            )
            owned[owner[task]] -= 1
            owned[taker] += 1
            owner[task] = moves[task] = taker

    # 4 ------------------------------------------------------------------------------------------

    def keep_standbys(self, receivers: Mapping[str, int]) -> None:
        """Drop, add and balance standbys; ``receivers`` stand by until their move is done."""
        wanted = min(self._policy.standbys, max(0, len(self._kept) - 1))
        for row in self._rows.values():
            row.standbys = tuple(o for o in row.standbys if o in self._kept and o != row.owner)
        count = self._standing()
        for task, row in self._rows.items():
            if row.owner is None:
                continue
            self._add_missing(row, wanted, count)
            receiver = receivers.get(task)
            if receiver is not None:
                if receiver not in row.standbys:
                    row.standbys = (*row.standbys, receiver)
                    count[receiver] += 1
                self._drop_surplus(task, row, wanted + 1, count, keep=receiver)
            else:
                self._drop_surplus(task, row, wanted, count)
        if self._calm and not receivers:
            self._balance_standbys(count)

    def _standing(self) -> Counter[int]:
        return Counter(o for row in self._rows.values() for o in row.standbys)

    def _add_missing(self, row: _Row, wanted: int, count: Counter[int]) -> None:
        while len(row.standbys) < wanted:
            free = [o for o in self._well if o != row.owner and o not in row.standbys]
            if not free:
                return
            chosen = min(free, key=lambda o: (count[o], o))
            row.standbys = (*row.standbys, chosen)
            count[chosen] += 1

    def _drop_surplus(
        self, task: str, row: _Row, wanted: int, count: Counter[int], keep: int | None = None
    ) -> None:
        """Drop the standbys of the fullest pods, as soon as those that stay have caught up.

        ``count`` is lowered at once: a surplus that still waits counts as dropped.
        """
        surplus = len(row.standbys) - wanted
        ready = {o: self._rank(task, o)[0] == 0 for o in row.standbys}
        by_fullness = sorted((o for o in row.standbys if o != keep), key=lambda o: (-count[o], ready[o], o))
        for victim in by_fullness[: max(0, surplus)]:
            count[victim] -= 1
            staying = [o for o in row.standbys if o != victim]
            if not ready[victim] or sum(ready[o] for o in staying) >= wanted:
                row.standbys = tuple(staying)

    def _balance_standbys(self, count: Counter[int]) -> None:
        """Begin the moves of standbys that bring the pods within one of each other.

        A move begins as a standby more than wanted; `_drop_surplus` ends it.
        """
        for _ in range(len(self._rows) * self._policy.replicas):
            by_count = sorted(self._well, key=lambda o: (count[o], o))
            begun = next(
                (
                    (row, full, empty)
                    for empty in by_count
                    for full in reversed(by_count)
                    if count[full] - count[empty] > 1
                    for row in self._rows.values()
                    if full in row.standbys
                    and empty != row.owner
                    and empty not in row.standbys
                    and len(row.standbys) <= self._policy.standbys
                ),
                None,
            )
            if begun is None:
                return
            row, full, empty = begun
            row.standbys = (*row.standbys, empty)
            count[full] -= 1
            count[empty] += 1
