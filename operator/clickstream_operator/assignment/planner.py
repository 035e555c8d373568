"""Who should own what next: pods, tasks and the assignment as it is -> the records to publish.

Pure and level-triggered: no clock, no memory. What is under way shows in the assignment itself (a
standby more than asked for is a move that has begun), so a controller that starts again goes on where
the last one stopped. Invariants (docs/reference/protocol.md; tests/assignment/test_planner.py):

- a task has at most one owner, and its epoch is the generation of the last change of owner (R1);
- the fence list is all owners since the last acknowledged acquisition (R2);
- a standby is never on its owner's pod;
- nothing moves that need not: ownership changes only when the owner is dead, leaves, or owns two
  partitions more than another pod; and then only to a pod that has caught up, unless the owner is dead;
- the tasks of one partition are one pod's, whatever their stage, and so are their standbys: what one stage
  sends the next stays on the pod. They are judged, balanced and moved together;
- a task that the policy does not name is left alone; its record counts again if the task comes back.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from clickstream_operator.assignment.records import Assignment
from clickstream_operator.assignment.tasks import partition_of


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


def undrained(current: Mapping[str, Assignment], policy: Policy) -> set[int]:
    """Return the pods beyond the replicas that still own, fence or stand by: not to be removed yet.

    Records of tasks that the pipeline has no more stay as they are, and hold nobody.
    """
    tasks = [current[task] for task in policy.tasks if task in current]
    named = {o for a in tasks for o in (a.owner, *a.fence, *a.standbys) if o is not None}
    return {ordinal for ordinal in named if ordinal >= policy.replicas}


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
        # The tasks of each partition under the first of them, which speaks for all: mostly they are as one.
        together: dict[str, list[str]] = {}
        for task in policy.tasks:
            together.setdefault(partition_of(task), []).append(task)
        self._members = {tasks[0]: tuple(tasks) for tasks in together.values()}

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
        orphans = [first for first in self._members if any(map(self._is_orphan, self._members[first]))]
        owned = self._owned(except_for=[first for first in orphans if self._is_orphan(first)])
        # Partitions with a standby first: the others then even out what the standbys' places decided.
        orphans.sort(key=lambda first: not any(o in self._well for o in self._rows[first].standbys))
        for first in orphans:
            heir = self._well_owner(first)
            if heir is None:
                heir = min(self._well, key=lambda o: (*self._rank(first, o), owned[o], o))
            if self._is_orphan(first):
                owned[heir] += 1
            for task in self._members[first]:
                if self._is_orphan(task):
                    self._give(task, heir)
        return bool(orphans)

    def _is_orphan(self, task: str) -> bool:
        owner = self._rows[task].owner
        return owner is None or self._seen.of(owner) in (PodHealth.DEAD, PodHealth.ABSENT)

    def _well_owner(self, first: str) -> int | None:
        """Return the pod that owns another task of the partition and is well: the others belong there."""
        owners = [self._rows[task].owner for task in self._members[first]]
        return next((o for o in owners if o is not None and o in self._well), None)

    def _rank(self, first: str, ordinal: int) -> tuple[int, int]:
        """Order pods by how soon they could own a partition's tasks: as soon as the last of them."""
        rows = self._rows
        return max(
            (self._rank_of(task, ordinal) for task in self._members[first] if rows[task].owner != ordinal),
            default=(0, 0),
        )

    def _rank_of(self, task: str, ordinal: int) -> tuple[int, int]:
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
        """Return how many partitions each pod owns, by the first task of each."""
        owners = {first: self._rows[first].owner for first in self._members if first not in except_for}
        return Counter(owner for owner in owners.values() if owner is not None)

    # 3 ------------------------------------------------------------------------------------------

    def move(self) -> dict[str, int]:
        """Hand over what is ready; return the receivers of the moves that still restore, by first task."""
        pending: dict[str, int] = {}
        for first, receiver in self._moves().items():
            moving = [task for task in self._members[first] if self._rows[task].owner != receiver]
            if self._rank(first, receiver)[0] == 0 and all(map(self._can_give, moving)):
                for task in moving:
                    self._give(task, receiver)
            else:
                pending[first] = receiver
        return pending

    def _can_give(self, task: str) -> bool:
        row = self._rows[task]
        well = row.owner is not None and self._seen.of(row.owner) is PodHealth.WELL
        return well and self._acquired(task, row)

    def _moves(self) -> dict[str, int]:
        """Return first task -> receiver: the fewest moves that empty the leavers and balance the rest.

        A partition whose tasks are apart moves to the owner of its first one.
        """
        firsts = {first: self._rows[first].owner for first in self._members}
        owner = {first: o for first, o in firsts.items() if o is not None}
        owned = self._owned()
        place = {first: i for i, first in enumerate(self._members)}
        moves = {
            first: o for first, o in owner.items() if self._calm and o in self._well and self._apart(first)
        }
        while True:
            least = min(owned[o] for o in self._well)
            givers = {o for o in owned if o >= self._policy.replicas and owned[o]}
            if not givers and self._calm:
                most = max(owned[o] for o in self._well)
                givers = {o for o in self._well if owned[o] == most} if most - least > 1 else set()
            if not givers:
                return moves
            takers = [o for o in self._well if owned[o] == least]
            first, taker = min(
                ((first, taker) for first, giver in owner.items() if giver in givers for taker in takers),
                # Of equals the one that moved last: after a fail-over the returning pod gets its own back.
                key=lambda pair: (*self._rank(*pair), -self._rows[pair[0]].epoch, pair[1], place[pair[0]]),
            )
            owned[owner[first]] -= 1
            owned[taker] += 1
            owner[first] = moves[first] = taker

    def _apart(self, first: str) -> bool:
        return len({self._rows[task].owner for task in self._members[first]}) > 1

    # 4 ------------------------------------------------------------------------------------------

    def keep_standbys(self, receivers: Mapping[str, int]) -> None:
        """Drop, add and balance standbys; ``receivers`` stand by until their move is done."""
        wanted = min(self._policy.standbys, max(0, len(self._kept) - 1))
        for row in self._rows.values():
            row.standbys = tuple(o for o in row.standbys if o in self._kept and o != row.owner)
        count = self._standing()
        for first in self._members:
            row = self._rows[first]
            if row.owner is None:
                continue
            self._add_missing(row, wanted, count)
            receiver = receivers.get(first)
            if receiver is not None and receiver != row.owner:
                if receiver not in row.standbys:
                    row.standbys = (*row.standbys, receiver)
                    count[receiver] += 1
                self._drop_surplus(first, row, wanted + 1, count, keep=receiver)
            else:
                self._drop_surplus(first, row, wanted, count)
        if self._calm and not receivers:
            self._balance_standbys(count)
        for first in self._members:
            self._follow_first(first)

    def _follow_first(self, first: str) -> None:
        """Give the other tasks of a partition the standbys of the first; one that is apart, its owner too."""
        lead = self._rows[first]
        for task in self._members[first][1:]:
            row = self._rows[task]
            if row.owner is None or lead.owner is None:
                continue
            beside = (*lead.standbys, lead.owner) if row.owner != lead.owner else lead.standbys
            row.standbys = tuple(o for o in beside if o != row.owner)

    def _standing(self) -> Counter[int]:
        return Counter(o for first in self._members for o in self._rows[first].standbys)

    def _add_missing(self, row: _Row, wanted: int, count: Counter[int]) -> None:
        while len(row.standbys) < wanted:
            free = [o for o in self._well if o != row.owner and o not in row.standbys]
            if not free:
                return
            chosen = min(free, key=lambda o: (count[o], o))
            row.standbys = (*row.standbys, chosen)
            count[chosen] += 1

    def _drop_surplus(
        self, first: str, row: _Row, wanted: int, count: Counter[int], keep: int | None = None
    ) -> None:
        """Drop the standbys of the fullest pods, as soon as those that stay have caught up.

        ``count`` is lowered at once: a surplus that still waits counts as dropped.
        """
        surplus = len(row.standbys) - wanted
        ready = {o: self._rank(first, o)[0] == 0 for o in row.standbys}
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
        for _ in range(len(self._members) * self._policy.replicas):
            by_count = sorted(self._well, key=lambda o: (count[o], o))
            begun = next(
                (
                    (row, full, empty)
                    for empty in by_count
                    for full in reversed(by_count)
                    if count[full] - count[empty] > 1
                    for row in map(self._rows.__getitem__, self._members)
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
