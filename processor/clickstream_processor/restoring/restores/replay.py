"""What a task does with the local state it finds: go on, replay, or wipe. Pure; rules R13, R14 and R19.

Changelogs hold tombstones, of users that were erased and of sessions that have closed (expired chunks leave
by retention). A state that was last proved complete longer ago than they are kept may have missed some: the
log's tail would leave there what was deleted, so all of it is read again. The same holds for the profiles
topic and the table made of it.
"""

from dataclasses import dataclass

from clickstream_processor.errors import PositionLost
from clickstream_processor.faults import NO_FAULTS, Faults
from clickstream_processor.kafka.ends import Log
from clickstream_processor.state.checkpoint import Checkpoint, Position

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class ReplayLimits:
    """How long the topics keep what a replay needs, ms."""

    tombstones_ms: int = DAY_MS  # delete.retention.ms of the profiles topic
    changelog_ms: int | None = None  # retention.ms of the changelog; None: not known, or forever
    state_ms: int = 0  # how far back the state reaches: size + grace + retention
    changelog_tombstones_ms: int = DAY_MS  # delete.retention.ms of the changelog


@dataclass(frozen=True, slots=True)
class Replay:
    """Where to read from. An offset that equals the log's end means that nothing is to be read."""

    changelog_from: int
    profiles_from: int
    wipe: bool = False  # delete the whole store first
    wipe_profiles: bool = False  # delete the profile table first; the counts are current


def decide_owner_replay(
    found: Checkpoint,
    position: Position | None,
    changelog: Log,
    profiles: Log,
    *,
    started: bool,
    now_ms: int,
    limits: ReplayLimits,
    faults: Faults = NO_FAULTS,
) -> Replay:
    """Decide for an owner, after fencing: nobody else writes. Raises PositionLost with what is to be done."""
    if faults.skips("R4") and found.owner_mark:  # believe what is there
        return Replay(changelog.high, found.profiles_offset)
    if position is None and started and not faults.skips("R13"):
        raise PositionLost("the task was started before, and its position is gone from the positions topic")
    if position is None and found.position is not None and not faults.skips("R13"):
        raise PositionLost("the local state has a position, and the positions topic has none")
    if found.owner_mark and found.position is not None and found.position == position:  # R19
        stale = not faults.skips("R14") and _profiles_stale(found, profiles, now_ms, limits)
        return Replay(changelog.high, profiles.low if stale else found.profiles_offset, wipe_profiles=stale)
    ahead = position is not None and found.position is not None and _is_ahead(found.position, position)
    if ahead:
        replay = Replay(changelog.low, profiles.low, wipe=True)
    else:
        replay = decide_standby_replay(
            found, changelog, profiles, now_ms=now_ms, limits=limits, faults=faults
        )
    whole = replay.wipe or found.changelog_offset < 0
    if whole and position is not None and limits.changelog_ms is not None and limits.changelog_ms > 0:
        away_ms = now_ms - position.at_ms
        if away_ms > max(0, limits.changelog_ms - limits.state_ms):
            inside = changelog.low <= found.changelog_offset <= changelog.high
            if inside and not ahead and _is_old(found, now_ms, limits):
                # Nobody has committed for longer than tombstones and windows are kept: what the tail does
                # not delete has expired, and goes with the first click.
                return _from_tail(found, changelog, profiles, now_ms, limits)
            raise PositionLost(
                f"the state must be rebuilt, but the last commit is {away_ms // 60_000} minutes old "
                "and the changelog no longer holds all that the state needs"
            )
    return replay


def decide_standby_replay(
    found: Checkpoint,
    changelog: Log,
    profiles: Log,
    *,
    now_ms: int,
    limits: ReplayLimits,
    faults: Faults = NO_FAULTS,
) -> Replay:
    """Decide where to read from, R14."""
    if faults.skips("R14"):
        replay_from = min(max(changelog.low, found.changelog_offset), changelog.high)
        return Replay(replay_from, min(max(profiles.low, found.profiles_offset), profiles.high))
    if found.changelog_offset >= 0 and not changelog.low <= found.changelog_offset <= changelog.high:
        return Replay(changelog.low, profiles.low, wipe=True)
    if found.changelog_offset >= 0 and _is_old(found, now_ms, limits):
        return Replay(changelog.low, profiles.low, wipe=True)
    return _from_tail(found, changelog, profiles, now_ms, limits)


def _from_tail(found: Checkpoint, changelog: Log, profiles: Log, now_ms: int, limits: ReplayLimits) -> Replay:
    """Read the changelog on from where it was applied to, and the profiles as they need it."""
    stale = _profiles_stale(found, profiles, now_ms, limits)
    return Replay(
        changelog_from=max(changelog.low, found.changelog_offset),
        profiles_from=profiles.low if stale else max(profiles.low, found.profiles_offset),
        wipe_profiles=stale,
    )


def _is_ahead(found: Position, position: Position) -> bool:
    """Tell whether the local state holds a commit that Kafka has answered and then lost.

    A broker that shuts down has been seen to complete a transaction without its markers; when it came back,
    the transaction was aborted. A local state ahead of the topics would count its clicks twice.
    """
    if found.clicks != position.clicks:
        return found.clicks > position.clicks
    same_owner = (found.ordinal, found.epoch) == (position.ordinal, position.epoch)
    return same_owner and found.at_ms > position.at_ms


def _is_old(found: Checkpoint, now_ms: int, limits: ReplayLimits) -> bool:
    """Tell whether tombstones of the changelog may have been missed."""
    return now_ms - found.proved_at_ms > limits.changelog_tombstones_ms


def _profiles_stale(found: Checkpoint, profiles: Log, now_ms: int, limits: ReplayLimits) -> bool:
    """Tell whether tombstones may have been missed, or the topic is another one than before."""
    if found.profiles_offset < 0:
        return False
    return found.profiles_offset > profiles.high or now_ms - found.proved_at_ms > limits.tombstones_ms
