"""The working set's bound: users that were not seen for two generations are let go, whatever passes by."""

import gc

from clickstream_processor.topology.pipeline import Pipeline
from clickstream_processor.topology.plan import Plan
from clickstream_processor.topology.users.users import User
from processor_support.lines.sample_line import T0, Captured, DictState, click, commit

CACHED = 10


def test_no_more_users_are_held_than_two_generations_and_a_commit() -> None:
    plan = Plan("user-clicks", 1, join="left")
    state = DictState(plan, cached_users=CACHED)
    pipeline = Pipeline(plan, state, 0, Captured())
    per_commit = 3
    for number in range(100):
        users = [f"passer-by-{number * per_commit + n}" for n in range(per_commit)]
        pipeline.clicks([click(user, T0, number * per_commit + n) for n, user in enumerate(users)])
        commit(pipeline, state)
    gc.collect()
    held = {user.name for user in gc.get_objects() if type(user) is User}
    held = {name for name in held if name.startswith("passer-by-")}  # other tests have users, too
    assert len(held) <= CACHED + 2 * per_commit
    assert "passer-by-299" in held


def test_a_new_window_of_a_known_user_needs_no_look_up_but_one_that_was_committed_does() -> None:
    plan = Plan("user-clicks", 1, join="left")
    state, captured = DictState(plan, cached_users=CACHED), Captured()
    pipeline = Pipeline(plan, state, 0, captured)
    later_ms = T0 + plan.size_ms

    def count(event_ms: int, offset: int) -> int:
        pipeline.clicks([click("alice", event_ms, offset)])
        commit(pipeline, state)
        return captured.windows()[-1][2]

    assert count(T0, 0) == 1
    reads = state.chunk_reads
    assert count(later_ms, 1) == 1
    assert state.chunk_reads == reads
    state.forget()  # as after a failed transaction, or a restart
    assert count(later_ms + 1, 2) == 2
    assert count(T0 + plan.size_ms - 1, 3) == 2  # late, within the grace
    assert state.chunk_reads == reads + 2
