"""What a query reads of one user: committed state only, from any thread."""

from dataclasses import dataclass

from clickstream_processor.errors import StateCorrupted
from clickstream_processor.state.store import TaskStore
from clickstream_processor.topology import keys
from clickstream_processor.topology.chunk import SECOND_MS, read_buckets, read_windows
from clickstream_processor.topology.codec import DECODE_ERRORS, decode_profile
from clickstream_processor.topology.plan import Plan
from clickstream_processor.topology.records import Profile


@dataclass(frozen=True, slots=True)
class WindowCount:
    """The count of one window of a user: [start, end), ms."""

    start_ms: int
    end_ms: int
    clicks: int


@dataclass(frozen=True, slots=True)
class UserMetrics:
    """Everything known of one user at a time."""

    user_id: str
    profile: Profile | None
    rolling: int  # clicks with floor(event s) in (floor(at s) - size s, floor(at s)]
    windows: tuple[WindowCount, ...]  # with clicks, retained, and not later than `at_ms`; newest first


def user_metrics(
    store: TaskStore, plan: Plan, user_id: str, at_ms: int, *, windows: bool = False
) -> UserMetrics | None:
    """Read one user at a time; None where there is neither a profile nor a click in reach.

    Two or three look-ups; with `windows`, one more for each retained chunk. Raises StoreClosed,
    StateCorrupted, StateUnavailable.
    """
    user_key = user_id.encode()
    newest_ms = at_ms - at_ms % SECOND_MS  # the second that `at_ms` lies in counts whole
    oldest_ms = newest_ms - plan.size_ms  # and this one not at all
    first_ms = oldest_ms - plan.grace_ms - plan.retention_ms - plan.size_ms if windows else oldest_ms
    chunks: dict[int, bytes] = {}
    with store.reader() as database:
        row = database.get(keys.profile_key(user_key))
        start_ms = plan.windows.chunk_start_ms(max(0, newest_ms + SECOND_MS - 1))
        while start_ms >= 0 and start_ms + plan.size_ms > first_ms:
            value = database.get(keys.chunk_key(start_ms, user_key))
            if value is not None:
                chunks[start_ms] = value
            start_ms -= plan.size_ms
    if row is None and not chunks:
        return None
    rolling = sum(
        clicks
        for start_ms, value in chunks.items()
        if start_ms + plan.size_ms > oldest_ms
        for second, clicks in read_buckets(value, start_ms)
        if oldest_ms < second * SECOND_MS <= newest_ms
    )
    counts = tuple(_counts(plan, chunks, at_ms)) if windows else ()
    return UserMetrics(user_id, _profile(row, user_id), rolling, counts)


def _profile(row: bytes | None, user_id: str) -> Profile | None:
    try:
        return None if row is None else decode_profile(row)
    except DECODE_ERRORS as error:
        raise StateCorrupted(f"the stored profile of {user_id!r} cannot be read: {error}") from error


def _counts(plan: Plan, chunks: dict[int, bytes], at_ms: int) -> list[WindowCount]:
    found = []
    for chunk_ms, value in chunks.items():
        first_ms = plan.windows.first_start_ms(chunk_ms)
        for index, count, _ in read_windows(value):
            start_ms = first_ms + index * plan.step_ms
            if start_ms <= at_ms:
                found.append(WindowCount(start_ms, start_ms + plan.size_ms, count))
    return sorted(found, key=lambda window: -window.start_ms)
