"""The planner's rules, each as one example. test_sequences.py has the long random runs."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from clickstream_operator.assignment.planner import Observation, PodHealth, Policy, holds, plan, undrained
from clickstream_operator.assignment.records import Assignment
from clickstream_operator.assignment.tasks import partition_of, task_names

WELL, SILENT, DEAD, ABSENT = PodHealth.WELL, PodHealth.SILENT, PodHealth.DEAD, PodHealth.ABSENT
Table = dict[str, Assignment]


def policy(tasks: int = 12, replicas: int = 3, standbys: int = 1) -> Policy:
    return Policy(tuple(f"clicks-{p}" for p in range(tasks)), replicas, standbys)


def all_well(replicas: int) -> dict[int, PodHealth]:
    return dict.fromkeys(range(replicas), WELL)


def observe(
    table: Mapping[str, Assignment], health: Mapping[int, PodHealth], settled: bool = True
) -> Observation:
    """See all that is asked for done: every task acquired, every standby caught up."""
    return Observation(
        health=health,
        lag={(task, o): 0 for task, a in table.items() for o in a.standbys},
        acquired={task: a.epoch for task, a in table.items()},
        settled=settled,
    )


def step(table: Table, seen: Observation, asked: Policy) -> tuple[Assignment, ...]:
    changes = plan(table, seen, asked, term=1)
    table.update({a.task: a for a in changes})
    return changes


def settle(table: Table, health: Mapping[int, PodHealth], asked: Policy) -> int:
    """Plan until nothing changes; return the number of publications."""
    for count in range(100):
        if not step(table, observe(table, health), asked):
            return count
    raise AssertionError("the planner never comes to rest")


def at_rest(asked: Policy) -> Table:
    table: Table = {}
    settle(table, all_well(asked.replicas), asked)
    return table


def owners(table: Table) -> Counter[int | None]:
    return Counter(a.owner for a in table.values())


def test_a_first_assignment_is_even_and_has_the_standbys_asked_for() -> None:
    table = at_rest(policy())
    assert owners(table) == {0: 4, 1: 4, 2: 4}
    assert Counter(o for a in table.values() for o in a.standbys) == {0: 4, 1: 4, 2: 4}
    assert all(len(a.standbys) == 1 and a.owner not in a.standbys for a in table.values())


def test_nothing_is_assigned_before_all_pods_are_there() -> None:
    assert step({}, observe({}, {0: WELL, 1: WELL}, settled=False), policy()) == ()


def test_pods_that_do_not_come_are_waited_for_no_longer_than_the_controller_says() -> None:
    table: Table = {}
    step(table, observe(table, {0: WELL, 1: WELL}, settled=True), policy())
    assert owners(table) == {0: 6, 1: 6}


def test_an_acknowledged_acquisition_clears_the_fence_list_and_marks_the_task_started() -> None:
    table = {"clicks-0": Assignment("clicks-0", 1, 7, 7, owner=0, fence=(1, 2))}
    asked = policy(tasks=1, replicas=1, standbys=0)
    other_epoch = Observation(all_well(1), acquired={"clicks-0": 6})
    assert plan(table, other_epoch, asked, term=2) == ()
    (change,) = plan(table, Observation(all_well(1), acquired={"clicks-0": 7}), asked, term=2)
    assert change == Assignment("clicks-0", 2, 8, 7, owner=0, fence=(), started=True)


def test_a_dead_pods_tasks_go_to_their_standbys_and_nothing_else_moves() -> None:
    asked = policy()
    table = at_rest(asked)
    before = dict(table)
    changes = step(table, observe(table, {0: DEAD, 1: WELL, 2: WELL}), asked)
    assert {a.task for a in changes} == {task for task, a in before.items() if a.owner == 0}
    for change in changes:
        assert change.owner in before[change.task].standbys
        assert change.fence == (0,)
        assert change.epoch == change.generation


def test_the_most_caught_up_standby_is_promoted() -> None:
    table = {"clicks-0": Assignment("clicks-0", 1, 1, 1, owner=0, standbys=(1, 2, 3), started=True)}
    seen = Observation(
        {0: DEAD, 1: WELL, 2: WELL, 3: WELL},
        lag={("clicks-0", 1): 90_000, ("clicks-0", 2): 8_000},  # pod 3 has not said where it is
        acquired={"clicks-0": 1},
    )
    (change,) = plan(table, seen, policy(tasks=1, replicas=4, standbys=3), term=1)
    assert change.owner == 2


def test_a_silent_pod_keeps_its_tasks_and_gets_no_more() -> None:
    asked = policy()
    table = at_rest(asked)
    assert step(table, observe(table, {0: SILENT, 1: WELL, 2: WELL}), asked) == ()


def test_a_chain_of_unacknowledged_owners_stays_on_the_fence_list() -> None:
    asked = policy(tasks=1, replicas=3, standbys=2)
    table = at_rest(asked)
    first = table["clicks-0"].owner
    assert first is not None
    acknowledged = observe(table, {**all_well(3), first: DEAD})
    step(table, acknowledged, asked)
    second = table["clicks-0"].owner
    assert second is not None
    never_acquired = Observation(
        {**all_well(3), second: DEAD},
        lag={("clicks-0", o): 0 for o in range(3)},
        acquired=acknowledged.acquired,
    )
    step(table, never_acquired, asked)
    assert table["clicks-0"].fence == (first, second)


def test_everything_holds_while_more_than_half_of_the_pods_look_dead() -> None:
    asked = policy()
    table = at_rest(asked)
    seen = observe(table, {0: DEAD, 1: DEAD, 2: WELL})
    assert holds(seen, asked)
    assert step(table, seen, asked) == ()
    assert not holds(observe(table, {0: ABSENT, 1: DEAD, 2: WELL}), asked)


def test_a_new_pod_restores_as_a_standby_before_it_owns() -> None:
    table = at_rest(policy(replicas=3))
    before, asked = dict(table), policy(replicas=4)
    changes = step(table, Observation(all_well(4), acquired={t: a.epoch for t, a in table.items()}), asked)
    assert all(a.owner == before[a.task].owner for a in changes)
    assert sum(3 in a.standbys for a in changes) >= 3
    settle(table, all_well(4), asked)
    assert owners(table) == {0: 3, 1: 3, 2: 3, 3: 3}


def test_scaling_out_moves_no_more_tasks_than_balance_needs() -> None:
    table = at_rest(policy(replicas=3))
    before = {task: a.owner for task, a in table.items()}
    settle(table, all_well(4), policy(replicas=4))
    assert sum(table[task].owner != owner for task, owner in before.items()) == 3


def test_scaling_in_drains_the_leaving_pod_and_moves_nothing_else() -> None:
    table = at_rest(policy(replicas=4))
    before, asked = {task: a.owner for task, a in table.items()}, policy(replicas=3)
    assert undrained(table, asked) == {3}
    settle(table, all_well(4), asked)
    assert undrained(table, asked) == set()
    assert {task for task, owner in before.items() if table[task].owner != owner} == {
        task for task, owner in before.items() if owner == 3
    }


def test_a_hand_over_names_the_old_owner_in_the_fence_list() -> None:
    table = at_rest(policy(tasks=2, replicas=1, standbys=0))
    asked = policy(tasks=2, replicas=2, standbys=0)
    step(table, observe(table, all_well(2)), asked)
    moved = [a for a in step(table, observe(table, all_well(2)), asked) if a.owner == 1]
    assert [a.fence for a in moved] == [(0,)]


def test_a_pod_that_comes_back_gets_tasks_back_without_a_restart_of_the_others() -> None:
    asked = policy()
    table = at_rest(asked)
    before = dict(table)
    settle(table, {0: DEAD, 1: WELL, 2: WELL}, asked)
    settle(table, all_well(3), asked)
    assert owners(table) == {0: 4, 1: 4, 2: 4}
    unmoved = [task for task, a in before.items() if a.owner != 0]
    assert sum(table[task].epoch == before[task].epoch for task in unmoved) == len(unmoved)


def test_the_standbys_of_a_dead_pod_wait_for_it_and_are_replaced_when_it_stays_away() -> None:
    asked = policy(replicas=4)
    table = at_rest(asked)
    settle(table, {**all_well(4), 3: DEAD}, asked)
    assert any(3 in a.standbys for a in table.values())
    settle(table, {**all_well(4), 3: ABSENT}, asked)
    assert not any(3 in a.standbys for a in table.values())
    assert all(len(a.standbys) == 1 for a in table.values())


def test_with_no_pod_left_nothing_changes() -> None:
    asked = policy()
    table = at_rest(asked)
    assert step(table, observe(table, {}), asked) == ()


def test_one_pod_alone_has_no_standbys() -> None:
    assert all(a.standbys == () for a in at_rest(policy(replicas=1)).values())


def of_stages(*stages: str, partitions: int = 12, replicas: int = 3, standbys: int = 1) -> Policy:
    return Policy(task_names(partitions, stages), replicas, standbys)


def together(table: Table) -> bool:
    """Tell whether the tasks of each partition have one owner and the same standbys."""
    pods: dict[str, set[object]] = {}
    for task, a in table.items():
        pods.setdefault(partition_of(task), set()).add((a.owner, frozenset(a.standbys)))
    return all(len(places) == 1 for places in pods.values())


def test_the_tasks_of_a_partition_are_on_one_pod_whatever_their_stage() -> None:
    table = at_rest(of_stages("clicks", "metrics"))
    assert owners(table) == {0: 8, 1: 8, 2: 8}
    assert Counter(o for a in table.values() for o in a.standbys) == {0: 8, 1: 8, 2: 8}
    assert together(table)


def test_a_new_stage_moves_nothing_and_its_tasks_join_those_of_their_partitions() -> None:
    table = at_rest(of_stages("clicks"))
    before, asked = dict(table), of_stages("clicks", "metrics")
    step(table, observe(table, all_well(3)), asked)
    assert [table[f"metrics-{p}"].owner for p in range(12)] == [table[f"clicks-{p}"].owner for p in range(12)]
    settle(table, all_well(3), asked)
    assert {task: table[task].epoch for task in before} == {task: a.epoch for task, a in before.items()}
    assert len(table) == 24
    assert together(table)


def test_a_dead_pods_partitions_go_over_whole_to_where_every_stage_has_caught_up() -> None:
    asked = of_stages("clicks", "metrics", partitions=1, replicas=3, standbys=2)
    table = at_rest(asked)
    first, (behind, ready) = table["clicks-0"].owner, table["clicks-0"].standbys
    seen = observe(table, {**all_well(3), first or 0: DEAD})
    lag = {**seen.lag, ("metrics-0", behind): 90_000}
    changes = step(table, Observation(seen.health, lag, seen.acquired), asked)
    assert {(a.task, a.owner) for a in changes} == {("clicks-0", ready), ("metrics-0", ready)}


def test_a_hand_over_waits_until_every_stage_has_caught_up_and_is_acquired() -> None:
    asked = of_stages("clicks", "metrics", partitions=2, replicas=1, standbys=0)
    table, more = at_rest(asked), of_stages("clicks", "metrics", partitions=2, replicas=2, standbys=0)
    step(table, observe(table, all_well(2)), more)  # pod 1 stands by
    moving = {task for task, a in table.items() if a.standbys}
    assert len(moving) == 2
    seen = observe(table, all_well(2))
    one_behind = {place: lag for place, lag in seen.lag.items() if not place[0].startswith("metrics")}
    assert step(table, Observation(seen.health, one_behind, seen.acquired), more) == ()
    unheard = {task: epoch for task, epoch in seen.acquired.items() if not task.startswith("metrics")}
    never = {task: replace(a, started=False) for task, a in table.items()}
    assert not any(a.owner == 1 for a in plan(never, Observation(seen.health, seen.lag, unheard), more, 1))
    assert {a.task for a in step(table, seen, more) if a.owner == 1} == moving


def test_tasks_of_a_partition_that_are_apart_come_together() -> None:
    asked = of_stages("clicks", "metrics", partitions=3)
    table = at_rest(asked)
    owner, other = table["clicks-0"].owner, table["clicks-0"].standbys[0]
    table["metrics-0"] = replace(table["metrics-0"], owner=other, standbys=())
    settle(table, all_well(3), asked)
    assert table["clicks-0"].owner == owner
    assert together(table)


def test_a_task_without_owner_does_not_wait_for_a_silent_pod_that_owns_the_rest_of_its_partition() -> None:
    asked = of_stages("clicks", "metrics", partitions=3)
    table = at_rest(asked)
    silent = table["clicks-0"].owner
    assert silent is not None
    del table["metrics-0"]
    step(table, observe(table, {**all_well(3), silent: SILENT}), asked)
    assert table["clicks-0"].owner == silent
    assert table["metrics-0"].owner not in (None, silent)
    settle(table, all_well(3), asked)
    assert together(table)


def test_a_removed_stages_records_move_nothing_and_hold_no_pod() -> None:
    table = at_rest(of_stages("clicks", "metrics"))
    before = dict(table)
    assert settle(table, all_well(3), of_stages("clicks")) == 0
    fewer = of_stages("clicks", replicas=2)
    settle(table, all_well(3), fewer)
    assert {task: table[task] for task in before if task.startswith("metrics")} == {
        task: a for task, a in before.items() if task.startswith("metrics")
    }
    assert 2 in {a.owner for a in table.values()}  # of a task that is gone
    assert undrained(table, fewer) == set()
    assert undrained(table, of_stages("clicks", "metrics", replicas=2)) == {2}


def test_a_stage_that_comes_back_takes_its_records_up_and_fences_the_owners_that_have_gone() -> None:
    table = at_rest(of_stages("clicks", "metrics"))
    settle(table, all_well(3), of_stages("clicks", replicas=2))
    clicks = {task: a.epoch for task, a in table.items() if task.startswith("clicks")}
    gone = {task for task, a in table.items() if a.owner == 2}
    asked = of_stages("clicks", "metrics", replicas=2)
    changes = step(table, observe(table, all_well(2)), asked)
    assert gone
    assert all(a.fence == (2,) and a.owner != 2 and a.started for a in changes if a.task in gone)
    settle(table, all_well(2), asked)
    assert together(table)
    assert {task: table[task].epoch for task in clicks} == clicks


def test_a_new_stage_that_the_pods_do_not_run_yet_leaves_fail_over_as_it_is() -> None:
    table = at_rest(of_stages("clicks"))
    asked = of_stages("clicks", "metrics")
    step(table, observe(table, all_well(3)), asked)  # nobody acknowledges these
    lost = {task for task, a in table.items() if a.owner == 0}
    seen = observe(
        {task: a for task, a in table.items() if task.startswith("clicks")}, {**all_well(3), 0: DEAD}
    )
    changes = step(table, seen, asked)
    assert {a.task for a in changes if a.fence == (0,)} == lost
    assert together(table)
