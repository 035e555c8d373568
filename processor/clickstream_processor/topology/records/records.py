"""The records that go in and out, and the names of what can be wrong with one."""

from enum import StrEnum
from typing import Annotated, Any

import msgspec

# Event times that a click can have, ms. Below the first is what a clock in seconds says until the year 5138,
# or one that was never set. Beyond the last a JSON reader loses digits.
EARLIEST_MS = 10**11
LATEST_MS = 2**53


class Click(msgspec.Struct, gc=False):
    """A click as the clicks topic carries it; its other fields are not read unless an expression does."""

    user_id: str
    page_url: str
    action: str
    timestamp: Annotated[int, msgspec.Meta(ge=0, le=LATEST_MS)]  # event time, ms


class Profile(msgspec.Struct, gc=False):
    """A row of the profile table. Columns but the key may be null; others are read by expressions only."""

    user_id: str
    name: str | None = None
    email: str | None = None
    country: str | None = None
    plan_tier: str | None = None


class Reason(StrEnum):
    """Why a click did not become an enriched, counted one: the `reason` header of its dead letter."""

    NOT_JSON = "not-json"
    MISSING_FIELD = "missing-field"
    MISTYPED_FIELD = "mistyped-field"
    IMPLAUSIBLE_TIME = "implausible-time"
    NULL_KEY = "null-key"
    KEY_MISMATCH = "key-mismatch"
    WRONG_PARTITION = "wrong-partition"
    OVERSIZED = "oversized"
    TOO_FAR_IN_FUTURE = "too-far-in-future"
    EXPRESSION_ERROR = "expression-error"
    LATE = "late"
    UNMATCHED = "unmatched"
    UNKNOWN_PLACE = "unknown-place"  # of a record that the stage `arrivals` did not write
    PROCESSING_FAILED = "processing-failed"  # the line failed on it in a way that has no name of its own
    OUTPUT_REFUSED = "output-refused"  # the brokers do not take what it becomes: too large, for example
    PROFILE_REFUSED = "profile-refused"  # of a profile, not a click; the detail begins with one of the above


class Counters:
    """Plain counts since the task's line was made; the runtime reads them once per commit, as differences."""

    __slots__ = (
        "ahead",
        "clicks",
        "counted",
        "dead_lettered",
        "dropped",
        "duplicates",
        "enriched",
        "filtered",
        "metrics",
        "profiles",
        "profiles_refused",
        "sessions",
        "sessions_late",
    )

    def __init__(self) -> None:
        self.clicks = 0  # click records seen
        self.enriched = 0  # enriched clicks written
        self.counted = 0  # of those: counted in at least one window (not late)
        self.ahead = 0  # of the enriched: their event time led the record time by more than `window.grace`
        self.filtered = 0
        self.duplicates = 0  # clicks that had gone on before
        self.metrics = 0  # user-metrics records written
        self.profiles = 0  # profile records applied
        self.sessions = 0  # sessions closed
        self.sessions_late = 0  # of the enriched: too late for any session
        self.dead_lettered: dict[str, int] = {}  # reason -> clicks
        self.dropped: dict[str, int] = {}  # reason -> clicks dropped by policy (late, unmatched)
        self.profiles_refused: dict[str, int] = {}  # reason -> profile records not applied

    def snapshot(self) -> dict[str, Any]:
        """Return a copy of all counts as plain values."""
        return {name: dict(v) if isinstance(v := getattr(self, name), dict) else v for name in self.__slots__}
