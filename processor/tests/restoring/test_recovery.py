"""What a task does with the local state it finds (R13, R14, R19)."""

import dataclasses

import msgspec
import pytest
from clickstream_processor.errors import PositionLost
from clickstream_processor.kafka.ends import Log
from clickstream_processor.restoring.restores.replay import (
    DAY_MS,
    Replay,
    ReplayLimits,
    decide_owner_replay,
    decide_standby_replay,
)
from clickstream_processor.state.checkpoint import Checkpoint, Position

NOW = 1_700_000_000_000
LIMITS = ReplayLimits(tombstones_ms=DAY_MS, changelog_ms=5 * DAY_MS, state_ms=DAY_MS)
CHANGELOG, PROFILES = Log(100, 900), Log(0, 50)
POSITION = Position(clicks=7, at_ms=NOW - 1_000)
CURRENT = Checkpoint(
    changelog_offset=900, profiles_offset=50, position=POSITION, proved_at_ms=NOW - 1_000, owner_mark=True
)


def replace(**changes: object) -> Checkpoint:
    return msgspec.structs.replace(CURRENT, **changes)


def replace_limits(**changes: int) -> ReplayLimits:
    return dataclasses.replace(LIMITS, **changes)


def replace_position(**changes: object) -> Position:
    return msgspec.structs.replace(POSITION, **changes)


def owner(found: Checkpoint, position: Position | None = POSITION, *, started: bool = True) -> Replay:
    return decide_owner_replay(
        found, position, CHANGELOG, PROFILES, started=started, now_ms=NOW, limits=LIMITS
    )


def standby_of_kept_tombstones(found: Checkpoint) -> Replay:
    """Decide where the changelog keeps tombstones for longer than the profiles topic."""
    limits = replace_limits(changelog_tombstones_ms=9 * DAY_MS)
    return decide_standby_replay(found, CHANGELOG, PROFILES, now_ms=NOW, limits=limits)


def standby(found: Checkpoint) -> Replay:
    return decide_standby_replay(found, CHANGELOG, PROFILES, now_ms=NOW, limits=LIMITS)


def test_a_current_state_replays_nothing() -> None:
    assert owner(CURRENT) == Replay(changelog_from=900, profiles_from=50)


def test_a_current_state_is_kept_even_when_the_changelog_has_moved_past_it() -> None:
    assert owner(replace(changelog_offset=20)) == Replay(changelog_from=900, profiles_from=50)


def test_a_state_behind_its_position_replays_the_tail() -> None:
    behind = replace(changelog_offset=850, position=Position(clicks=3))
    assert owner(behind) == Replay(changelog_from=850, profiles_from=50)


@pytest.mark.parametrize(
    "ahead",
    [Position(clicks=8, at_ms=NOW - 2_000), replace_position(at_ms=NOW)],
    ids=["clicks that Kafka does not have", "a commit of the same owner that Kafka does not have"],
)
def test_a_state_ahead_of_its_position_is_wiped(ahead: Position) -> None:
    assert owner(replace(position=ahead)) == Replay(changelog_from=100, profiles_from=0, wipe=True)


def test_a_state_of_another_owners_clock_is_not_taken_for_ahead() -> None:
    found = replace(changelog_offset=850, position=replace_position(at_ms=NOW, ordinal=3))
    assert owner(found) == Replay(changelog_from=850, profiles_from=50)


def test_an_empty_state_reads_everything() -> None:
    assert owner(Checkpoint()) == Replay(changelog_from=100, profiles_from=0)


@pytest.mark.parametrize("offset", [99, 901], ids=["below the log's start", "beyond its end"])
def test_a_checkpoint_outside_the_changelog_wipes_the_state(offset: int) -> None:
    found = replace(changelog_offset=offset, owner_mark=False)
    assert owner(found) == Replay(changelog_from=100, profiles_from=0, wipe=True)
    assert standby(found) == Replay(changelog_from=100, profiles_from=0, wipe=True)


def test_a_state_without_the_owners_mark_is_not_taken_for_current() -> None:
    assert owner(replace(changelog_offset=850, owner_mark=False)).changelog_from == 850


@pytest.mark.parametrize(
    "found",
    [replace(proved_at_ms=NOW - DAY_MS - 1), replace(profiles_offset=51)],
    ids=["tombstones may be gone", "another topic"],
)
def test_a_profile_table_that_may_have_missed_deletions_is_read_anew(found: Checkpoint) -> None:
    assert owner(found) == Replay(changelog_from=900, profiles_from=0, wipe_profiles=True)
    assert standby_of_kept_tombstones(found) == Replay(
        changelog_from=900, profiles_from=0, wipe_profiles=True
    )


@pytest.mark.parametrize("proved_at_ms", [NOW - DAY_MS - 1, -1], ids=["long ago", "never"])
def test_a_state_that_may_have_missed_deletions_of_the_changelog_is_wiped(proved_at_ms: int) -> None:
    behind = replace(changelog_offset=850, position=Position(clicks=3), proved_at_ms=proved_at_ms)
    assert owner(behind) == Replay(changelog_from=100, profiles_from=0, wipe=True)
    assert standby(behind) == Replay(changelog_from=100, profiles_from=0, wipe=True)
    in_time = replace(changelog_offset=850, position=Position(clicks=3), proved_at_ms=NOW - DAY_MS)
    assert owner(in_time) == standby(in_time) == Replay(changelog_from=850, profiles_from=50)


def test_where_the_changelog_no_longer_holds_all_an_old_state_goes_on_with_the_tail() -> None:
    """Nothing was committed for so long that all its windows have expired."""
    long_ago = NOW - 4 * DAY_MS - 1
    last = Position(clicks=7, at_ms=long_ago)
    behind = replace(changelog_offset=850, position=Position(clicks=3), proved_at_ms=long_ago - 1)
    assert owner(behind, last) == Replay(changelog_from=850, profiles_from=0, wipe_profiles=True)
    ahead = replace(changelog_offset=850, position=Position(clicks=8), proved_at_ms=long_ago - 1)
    for lost in (ahead, msgspec.structs.replace(behind, changelog_offset=99)):
        with pytest.raises(PositionLost, match="changelog no longer holds"):
            owner(lost, last)


def test_a_started_task_without_a_position_is_refused() -> None:
    with pytest.raises(PositionLost, match="started before"):
        owner(Checkpoint(), None)


def test_a_task_never_started_begins_without_a_position() -> None:
    assert owner(Checkpoint(), None, started=False) == Replay(changelog_from=100, profiles_from=0)


def test_a_local_position_without_one_in_the_topic_is_refused() -> None:
    with pytest.raises(PositionLost, match="positions topic has none"):
        owner(CURRENT, None, started=False)


def test_a_rebuild_after_the_changelog_has_expired_is_refused() -> None:
    with pytest.raises(PositionLost, match="changelog no longer holds"):
        owner(Checkpoint(), Position(clicks=7, at_ms=NOW - 4 * DAY_MS - 1))
    assert owner(Checkpoint(), Position(clicks=7, at_ms=NOW - 4 * DAY_MS)).changelog_from == 100
