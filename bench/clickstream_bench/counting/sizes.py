"""The metrics that are measured, and how much is measured of them."""

import argparse
from dataclasses import dataclass
from typing import Any

SIZE_MS = 300_000
ADVANCE_MS = 60_000
STREAMS_GRACE_MS = 3_600_000  # longer than the input: so that Kafka Streams drops nothing (expected.py)
WINDOW = {"size": "5m", "advance": "1m"}
PAGE_VIEWS: dict[str, Any] = {
    "name": "page-views",
    "by": {"page": "click.page_url"},
    "count": {},
    "window": WINDOW,
}
ACTIVE_USERS: dict[str, Any] = {
    "name": "active-users",
    "by": {"country": "profile.country"},
    "distinct": "click.user_id",
    "window": WINDOW,
}
FRESH_RATE = 1_000.0  # clicks a second
TOP_RATE = 5_000.0
TOP_KEYS = 10_000


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes of one run."""

    rounds: int
    clicks: int  # of each full ingest
    users: int
    fresh_s: float
    top_s: float  # each phase of questions

    @staticmethod
    def of(options: argparse.Namespace) -> "Sizes":
        """Return the sizes that the command line asks for."""
        quick: bool = options.quick
        return Sizes(
            rounds=options.rounds or (2 if quick else 5),
            clicks=options.clicks or (600_000 if quick else 4_000_000),
            users=options.users,
            fresh_s=10.0 if quick else 60.0,
            top_s=10.0 if quick else 45.0,
        )
