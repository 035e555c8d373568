"""The lag: from the last commit to the end of the input, whatever the task's phase, and never a false 0."""

from clickstream_processor.backlog import STALE_MS, Backlog, Backlogs, InputEnds, LastCommit
from clickstream_processor.commit_health import STANDS_AFTER_MS, CommitHealth, standing_text
from clickstream_processor.task_id import clicks_task

TASK = clicks_task(3)
T0 = 1_800_000_000_000


def measured(
    backlogs: Backlogs, place: LastCommit | None, high: int | None, at_ms: int, age_ms: int = 0
) -> Backlog:
    ends = None if high is None else InputEnds(at_ms - age_ms, {TASK: high})
    return backlogs.measure({TASK: place}, ends, at_ms)[TASK]


def test_the_lag_is_counted_from_the_last_commit() -> None:
    lag = measured(Backlogs(), LastCommit(10, T0 - 5_000, T0 - 7_000), 25, T0)
    assert (lag.records, lag.ms) == (15, 7_000)


def test_a_place_or_an_end_that_is_not_known_is_not_zero() -> None:
    assert measured(Backlogs(), None, 25, T0) == Backlog(None, None, 0)
    assert measured(Backlogs(), LastCommit(10, T0), None, T0) == Backlog(None, None, 0)
    assert measured(Backlogs(), LastCommit(10, T0), 10, T0, STALE_MS + 1) == Backlog(None, None, 0)


def test_a_click_that_waits_has_an_age_whatever_its_record_time_says() -> None:
    in_a_year = T0 + 365 * 86_400_000
    lag = measured(Backlogs(), LastCommit(10, T0 - 4_000, in_a_year), 11, T0)
    assert (lag.records, lag.ms) == (1, 4_000)


def test_a_click_is_not_older_than_the_time_when_nothing_waited() -> None:
    backlogs = Backlogs()
    quiet_for_a_day = LastCommit(10, T0 - 86_400_000, T0 - 86_400_000)
    assert measured(backlogs, quiet_for_a_day, 10, T0) == Backlog(0, 0, 0)
    assert measured(backlogs, quiet_for_a_day, 12, T0 + 1_000).ms == 1_000


def test_the_age_of_waiting_clicks_is_unknown_before_anything_was_committed() -> None:
    assert measured(Backlogs(), LastCommit(0, 0), 12, T0) == Backlog(12, None, 0)


def test_a_task_stands_while_clicks_wait_and_its_commit_does_not_move() -> None:
    backlogs = Backlogs()
    place = LastCommit(10, T0)
    assert measured(backlogs, place, 11, T0).stands_ms == 0
    assert measured(backlogs, place, 90, T0 + 30_000).stands_ms == 30_000
    assert measured(backlogs, place, None, T0 + 31_000).stands_ms == 31_000  # nobody knows better
    moved = LastCommit(11, T0 + 32_000)
    assert measured(backlogs, moved, 90, T0 + 32_000).stands_ms == 0


def test_a_task_with_nothing_to_do_does_not_stand() -> None:
    backlogs = Backlogs()
    place = LastCommit(10, T0)
    assert measured(backlogs, place, 10, T0).stands_ms == 0
    assert measured(backlogs, place, None, T0 + 60_000).stands_ms == 0
    assert measured(backlogs, place, 11, T0 + 90_000).stands_ms == 0
    assert measured(backlogs, place, 11, T0 + 95_000).stands_ms == 5_000


def test_failed_commits_are_counted_until_one_gets_through() -> None:
    health = CommitHealth().failed("a", 5).failed("b\n  c", 9)
    assert (health.failures, health.failing_since_ms, health.error, health.error_ms) == (2, 5, "b c", 9)
    assert health.committed(10) == CommitHealth(committed_ms=10)


def test_a_task_that_stands_says_for_how_long_and_why() -> None:
    assert standing_text(STANDS_AFTER_MS - 1, "why") == ""
    assert standing_text(42_900, "why") == "no commit for 42 s: why"
