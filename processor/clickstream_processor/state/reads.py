"""What a query reads of one user: committed state only, from any thread, in steps of bounded work.

A chunk's key begins with its time, so each chunk of a user is a look-up of its own. The default answer needs
those of the rolling count alone: two or three, for a user nobody knows too. The windows come in pages; a page
ends after a number of windows or of look-ups, and says where the next one begins
(docs/adr/0056-queries-in-steps.md).

The readers here are generators. Each `yield` ends a step of at most STEP_LOOKUPS look-ups or some thousand
buckets; what is sent in says whether to end the page there. Between steps the store may be closed.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from clickstream_processor.aggregation.sessions.line import read_sessions
from clickstream_processor.aggregation.sessions.session import Session
from clickstream_processor.errors import StateCorrupted
from clickstream_processor.state.store import TaskStore
from clickstream_processor.topology import keys
from clickstream_processor.topology.plan import Plan
from clickstream_processor.topology.records.codec import DECODE_ERRORS, decode_profile
from clickstream_processor.topology.records.records import Profile
from clickstream_processor.topology.users.chunk import SECOND_MS, buckets_in_pieces, windows_before

STEP_LOOKUPS = 32  # some 15 us each where there is something, 1 us where there is nothing
PAGE_LOOKUPS = 1_000

T = TypeVar("T")
Steps: TypeAlias = Generator[None, bool | None, T]


@dataclass(frozen=True, slots=True)
class WindowCount:
    """The count of one window of a user: [start, end), ms."""

    start_ms: int
    end_ms: int
    clicks: int


@dataclass(frozen=True, slots=True)
class UserMetrics:
    """What the default answer says of one user at a time."""

    user_id: str
    profile: Profile | None
    rolling: int  # clicks with floor(event s) in (floor(at s) - size s, floor(at s)]


@dataclass(frozen=True, slots=True)
class Span:
    """Which windows are asked for: those that start in [from, to), ms; the newest `limit` of them."""

    from_ms: int | None = None  # None: all that are kept
    to_ms: int | None = None  # None: up to the time the question is for
    limit: int = 100


@dataclass(slots=True)
class WindowPage:
    """Windows with clicks, newest first. `next_to_ms` is the `to` of the next page; None: there is none."""

    from_ms: int  # windows that start earlier are not looked for: not asked for, or no longer kept
    windows: list[WindowCount] = field(default_factory=list)
    next_to_ms: int | None = None


def user_metrics(store: TaskStore, plan: Plan, user_id: str, at_ms: int) -> Steps[UserMetrics | None]:
    """Read one user at a time; None where there is neither a profile nor a chunk the rolling count reaches.

    One step, unless the window is below a second or the chunks are those of days. Raises StoreClosed,
    StateCorrupted, StateUnavailable.
    """
    user_key = user_id.encode()
    newest_ms = at_ms - at_ms % SECOND_MS  # the second that `at_ms` lies in counts whole
    oldest_ms = newest_ms - plan.size_ms  # and this one not at all
    with store.reader() as database:
        row: bytes | None = database.get(keys.profile_key(user_key))
    rolling, known = 0, row is not None
    starts = _starts(plan, newest_ms + SECOND_MS - 1, oldest_ms + 1)
    for found in _steps(store, user_key, starts):
        for start_ms, value in found:
            if value is None:
                continue
            known = True
            for number, piece in enumerate(buckets_in_pieces(value, start_ms)):
                rolling += sum(
                    clicks for second, clicks in piece if oldest_ms < second * SECOND_MS <= newest_ms
                )
                if piece[-1][0] * SECOND_MS <= oldest_ms:
                    break
                if number:  # the first piece is one second
                    yield
        if found[-1][0] != starts[-1]:
            yield
    return UserMetrics(user_id, _profile(row, user_id), rolling) if known else None


def window_page(store: TaskStore, plan: Plan, user_id: str, at_ms: int, span: Span) -> Steps[WindowPage]:
    """Read a page of a user's windows that start at `at_ms` or before; PAGE_LOOKUPS look-ups at most.

    Raises StoreClosed, StateCorrupted, StateUnavailable.
    """
    reach_ms = at_ms - at_ms % SECOND_MS - plan.grace_ms - plan.retention_ms - 2 * plan.size_ms
    first_ms = max(span.from_ms or 0, store.checkpoint.dropped_before_ms, reach_ms, 0)
    end_ms = min(at_ms + 1, at_ms + 1 if span.to_ms is None else span.to_ms)
    page = WindowPage(first_ms)
    if end_ms <= first_ms:
        return page
    starts = _starts(plan, end_ms - 1, first_ms)
    for found in _steps(store, user_id.encode(), starts[:PAGE_LOOKUPS]):
        for start_ms, value in found:
            if value is None:
                continue
            for window_ms, clicks in _windows_before(plan, value, start_ms, end_ms):
                if window_ms < first_ms:
                    break
                if len(page.windows) == span.limit:
                    page.next_to_ms = page.windows[-1].start_ms
                    return page
                page.windows.append(WindowCount(window_ms, window_ms + plan.size_ms, clicks))
        read_ms = found[-1][0]  # the windows that start from here on are in the page
        page.next_to_ms = None if read_ms == starts[-1] else read_ms
        if page.next_to_ms is not None and (yield):
            break
    return page


def open_sessions(store: TaskStore, user_id: str) -> list[Session]:
    """Read the sessions of a user that are not closed, by their start; one look-up.

    Raises StoreClosed, StateCorrupted, StateUnavailable.
    """
    with store.reader() as database:
        return read_sessions(database.get(keys.SESSIONS + user_id.encode()))


def _starts(plan: Plan, newest_ms: int, oldest_ms: int) -> range:
    """Return the starts of the chunks that hold a time in [oldest, newest], the newest first; never empty."""
    last_ms = plan.windows.chunk_start_ms(max(0, oldest_ms))
    return range(plan.windows.chunk_start_ms(max(0, newest_ms)), last_ms - 1, -plan.size_ms)


def _steps(store: TaskStore, user_key: bytes, starts: range) -> Iterator[list[tuple[int, bytes | None]]]:
    """Yield the user's chunks by their starts, a step's look-ups in each list."""
    for at in range(0, len(starts), STEP_LOOKUPS):
        with store.reader() as database:
            found = [
                (start, database.get(keys.chunk_key(start, user_key)))
                for start in starts[at : at + STEP_LOOKUPS]
            ]
        yield found


def _windows_before(plan: Plan, value: bytes, chunk_ms: int, end_ms: int) -> Iterator[tuple[int, int]]:
    """Yield (start, clicks) of a chunk's windows that start before a time, the newest first."""
    first_ms = plan.windows.first_start_ms(chunk_ms)
    for index, clicks in windows_before(value, max(0, -(-(end_ms - first_ms) // plan.step_ms))):
        yield first_ms + index * plan.step_ms, clicks


def _profile(row: bytes | None, user_id: str) -> Profile | None:
    try:
        return None if row is None else decode_profile(row)
    except DECODE_ERRORS as error:
        raise StateCorrupted(f"the stored profile of {user_id!r} cannot be read: {error}") from error
