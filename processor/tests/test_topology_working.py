"""The working set's bound: users that were not seen for two generations are let go, whatever passes by."""

import gc

from clickstream_processor.topology.pipeline import Pipeline
from clickstream_processor.topology.plan import Plan
from clickstream_processor.topology.users import User
from clickstream_processor.topology.working import WorkingSet
from sample_line import T0, Captured, DictState, click

CACHED = 10


class Bounded(DictState):
    """A working set of ten users over a dict."""

    def __init__(self, plan: Plan) -> None:
        self.rows: dict[bytes, bytes] = {}
        WorkingSet.__init__(self, self, plan, cached_users=CACHED)


def test_no_more_users_are_held_than_two_generations_and_a_commit() -> None:
    plan = Plan("user-clicks", 1, join="left")
    state = Bounded(plan)
    pipeline = Pipeline(plan, state, 0, Captured())
    per_commit = 3
    for commit in range(100):
        users = [f"passer-by-{commit * per_commit + n}" for n in range(per_commit)]
        pipeline.clicks([click(user, T0, commit * per_commit + n) for n, user in enumerate(users)])
        pipeline.flush()
        state.commit()
    gc.collect()
    held = {user.name for user in gc.get_objects() if type(user) is User}
    held = {name for name in held if name.startswith("passer-by-")}  # other tests have users, too
    assert len(held) <= CACHED + 2 * per_commit
    assert "passer-by-299" in held


def test_a_new_window_of_a_known_user_needs_no_look_up_but_one_that_was_committed_does() -> None:
    plan = Plan("user-clicks", 1, join="left")
    state, captured = Bounded(plan), Captured()
    pipeline = Pipeline(plan, state, 0, captured)
    later_ms = T0 + plan.size_ms

    def count(event_ms: int, offset: int) -> int:
        pipeline.clicks([click("alice", event_ms, offset)])
        pipeline.flush()
        state.commit()
        return captured.windows()[-1][2]

    assert count(T0, 0) == 1
    reads = state.chunk_reads
    assert count(later_ms, 1) == 1
    assert state.chunk_reads == reads
    state.forget()  # as after a failed transaction, or a restart
    assert count(later_ms + 1, 2) == 2
    assert count(T0 + plan.size_ms - 1, 3) == 2  # late, within the grace
    assert state.chunk_reads == reads + 2
