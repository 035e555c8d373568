"""The sessions of a task are Kafka Streams' SessionWindows, wherever commits and failures are.

Clicks out of order, late, at one time, exactly one gap apart, and in chains that go back. What is compared,
and the one thing that differs: processor_support/oracles/differential_sessions.py.
"""

from random import Random
from typing import Any

import pytest
from clickstream_local.testing.randomised import LONG
from clickstream_local.testing.randomised import seed as seed_of
from clickstream_processor.aggregation.sessions.session import SessionWindows
from processor_support.oracles.differential_sessions import (
    Table,
    Task,
    compare_all,
    differences,
    oracle_of,
    run,
)
from processor_support.oracles.metric_oracle import Click, Sessions, updates_of

pytestmark = pytest.mark.real

CLICKS = 40_000 if LONG else 5_000  # a case
GAP, GRACE = 30, 20


@pytest.mark.timeout(900)
def test_every_commit_shows_the_sessions_of_kafka_streams() -> None:
    seed = seed_of(20_260_104)
    print(f"seed {seed}")
    for comparison in compare_all(CLICKS, seed):
        print(comparison.case, comparison.figures)
        assert not comparison.differences, (seed, comparison.case, comparison.differences[:3])
        assert comparison.figures["closed"] > CLICKS * 0.03
        assert comparison.figures["taken_back"] > 50, "sessions hardly ever became one"
        assert comparison.figures["late"] > 100
        assert comparison.figures["shared_keys"] < CLICKS * 0.01


def clicks(*times: int) -> list[Click]:
    return [Click("alice", each, value=f"/{number}") for number, each in enumerate(times)]


def sessions(what: Sessions, *times: int) -> list[tuple[int, Any]]:
    """Return start, end and pages of alice's sessions in Kafka Streams."""
    (updates,) = updates_of([(what, clicks(*times))])
    table = Table(updates)
    table.read(len(times))
    return sorted((start, each) for (_, start), ends in table.sessions.items() for each in ends.values())


EXAMPLES = {
    "two become one": (100, 150, 125),
    "the start moves back": (100, 90, 70),
    "of clicks at one time the first is the entry": (100, 100, 100),
    "of clicks at one time the last is the exit": (100, 120, 120, 110),
    "exactly one gap apart": (100, 130, 161),
    "the last ms at which it is not late": (100, 180, 130),
    "the first ms at which it is late": (100, 181, 130),
    "a late click joins the session that goes on, not the closed one": (100, 160, 190, 215, 130),
}


@pytest.mark.parametrize("commits", [True, False], ids=["commits", "one commit"])
def test_the_examples_are_kafka_streams(commits: bool) -> None:
    read = updates_of([(oracle_of(GAP, GRACE), clicks(*times)) for times in EXAMPLES.values()])
    for (name, times), updates in zip(EXAMPLES.items(), read, strict=True):
        task, made = Task(SessionWindows(GAP, GRACE)), clicks(*times)
        done = []
        for number, click in enumerate(made):
            time_ms = max(times[: number + 1])
            task.click(number, click, time_ms)
            if commits or number == len(made) - 1:
                done.append((number + 1, task.commit(time_ms)))
        done.append((len(made), task.commit(10**6)))
        assert differences(updates, made, done, task) == ([], 0), name


def test_the_default_store_of_kafka_streams_forgets_sessions_while_clicks_may_still_join_them() -> None:
    times = (100, 151, 130)  # 130 is within the gap of both, and not late
    assert [each[:2] for each in sessions(Sessions(GAP, GRACE), *times)] == [
        (100, (100, 1, "/0", "/0")),
        (130, (151, 2, "/2", "/1")),
    ]
    assert sessions(oracle_of(GAP, GRACE), *times) == [(100, (151, 3, "/0", "/1"))]


def test_a_start_that_comes_to_that_of_a_closed_session_has_its_key() -> None:
    times = (100, 160, 190, 215, 130, 100)
    there = sessions(oracle_of(GAP, GRACE), *times)
    assert there == [(100, (100, 1, "/0", "/0")), (100, (215, 5, "/5", "/3"))]
    task = Task(SessionWindows(GAP, GRACE))
    commits = run(task, clicks(*times), Random(1))
    found, shared = differences(
        updates_of([(oracle_of(GAP, GRACE), clicks(*times))])[0], clicks(*times), commits, task
    )
    assert (found, shared) == ([], 1)
    (_, body), *_ = commits[-1][1]
    assert (body["session_start"], body["session_end"], body["open"]) == (100, 215, False)
