"""Sessions of one user: clicks with at most `gap` between each other, in event time.

As Kafka Streams' SessionWindows: a click joins every session from whose first or last click it is at most
`gap` away, so a click out of order may make one session of two. It is late, and changes nothing, where the
session that it would make ended more than `gap` and `grace` before the partition's time. A session is
closed, and takes no more clicks, once none can join it by itself: its last click is more than twice `gap`
and `grace` old. A late click that is near a session that goes on joins that one alone. So what becomes of a
click does not depend on where commits are.
"""

from dataclasses import dataclass

from clickstream_processor.aggregation.values.bytecode import Reader, varint
from clickstream_processor.errors import MalformedPartial

MAX_PAGE_BYTES = 1_024  # a longer address is cut to that many bytes of UTF-8
MAX_SESSIONS = 1_000  # of a user that are open at once; clicks far ahead of the time could make any number


@dataclass(frozen=True, slots=True)
class SessionWindows:
    """When sessions end and when they are closed. All ms; raises ValueError."""

    gap_ms: int
    grace_ms: int

    def __post_init__(self) -> None:
        if self.gap_ms <= 0 or self.grace_ms < 0:
            raise ValueError("sessions.gap must be more than 0, and grace not negative")

    def is_late(self, end_ms: int, time_ms: int) -> bool:
        """Tell whether a session that ends there takes no click at this time."""
        return end_ms < time_ms - self.grace_ms - self.gap_ms

    def closes_ms(self, end_ms: int) -> int:
        """Return the first time at which no click can join a session that ends there."""
        return end_ms + 2 * self.gap_ms + self.grace_ms + 1


@dataclass(slots=True)
class Session:
    """One session. The end is the time of its last click. Whoever holds the user's sessions may change it."""

    start_ms: int
    end_ms: int
    clicks: int
    entry_page: str
    exit_page: str

    def joined(self, later: "Session") -> "Session":
        """Return this session and one that came later as one; of clicks at one time the later is the last."""
        return Session(
            min(self.start_ms, later.start_ms),
            max(self.end_ms, later.end_ms),
            self.clicks + later.clicks,
            self.entry_page if self.start_ms <= later.start_ms else later.entry_page,
            later.exit_page if later.end_ms >= self.end_ms else self.exit_page,
        )


@dataclass(frozen=True, slots=True)
class ClosedSession:
    """A session as metrics of sessions read it: `session.clicks`, ... (SESSION_FIELDS). Times in ms."""

    user_id: str
    entry_page: str
    exit_page: str
    clicks: int
    start: int
    end: int

    @property
    def duration(self) -> int:
        """Return the time from the first click to the last; 0 where there is one click."""
        return self.end - self.start

    @property
    def timestamp(self) -> int:
        """Return the time that the session counts at: that of its last click."""
        return self.end


def add_click(
    sessions: list[Session], event_ms: int, page: str, time_ms: int, windows: SessionWindows
) -> list[Session] | None:
    """Return a user's sessions, by their start, with a click added; None: it is late, or one too many.

    `time_ms` is the partition's time, this click included.
    """
    gap_ms = windows.gap_ms
    near = [
        each
        for each in sessions
        if each.start_ms - gap_ms <= event_ms <= each.end_ms + gap_ms
        and time_ms < windows.closes_ms(each.end_ms)  # closed ones are here until the next commit
    ]
    page = cut(page)
    click = Session(event_ms, event_ms, 1, page, page)
    if not near:
        if windows.is_late(event_ms, time_ms) or len(sessions) >= MAX_SESSIONS:
            return None
        return sorted([*sessions, click], key=lambda each: each.start_ms)
    merged = near[0]
    for each in near[1:]:
        merged = merged.joined(each)
    merged = merged.joined(click)
    if windows.is_late(merged.end_ms, time_ms):
        return None
    at = sessions.index(near[0])
    return [*sessions[:at], merged, *sessions[at + len(near) :]]


def cut(page: str) -> str:
    """Return an address of at most MAX_PAGE_BYTES that UTF-8 can say."""
    if page.isascii():
        return page[:MAX_PAGE_BYTES]
    data = page.encode(errors="replace")
    return data[:MAX_PAGE_BYTES].decode(errors="ignore")


def encode_sessions(sessions: list[Session]) -> bytes:
    """Return a user's sessions as bytes: their number, then each one's start, length, clicks and pages."""
    parts = [varint(len(sessions))]
    for each in sessions:
        pages = [page.encode() for page in (each.entry_page, each.exit_page)]
        parts += [varint(each.start_ms), varint(each.end_ms - each.start_ms), varint(each.clicks)]
        parts += [varint(len(page)) + page for page in pages]
    return b"".join(parts)


def decode_sessions(data: bytes) -> list[Session]:
    """Return the sessions of their bytes; raises MalformedPartial."""
    reader = Reader(data)
    number = reader.varint()
    if number > MAX_SESSIONS:
        raise MalformedPartial(f"{number} sessions of one user")
    sessions = []
    for _ in range(number):
        start_ms, length_ms, clicks = reader.varint(), reader.varint(), reader.varint()
        try:
            entry_page, exit_page = (reader.take(reader.varint()).decode() for _ in range(2))
        except UnicodeDecodeError as error:
            raise MalformedPartial("a page of a session is not UTF-8") from error
        sessions.append(Session(start_ms, start_ms + length_ms, clicks, entry_page, exit_page))
    reader.end()
    return sessions


def without_closed(
    sessions: list[Session], time_ms: int, windows: SessionWindows
) -> tuple[list[Session], list[Session]]:
    """Return the sessions that are open, and those that are closed."""
    closed = [each for each in sessions if windows.closes_ms(each.end_ms) <= time_ms]
    return [each for each in sessions if each not in closed], closed
