"""Times as the API server writes them, and as seconds since the epoch."""

import datetime


def epoch_s(stamp: str | None) -> float:
    """Return the seconds since the epoch of a time as the API server writes it; 0 of none."""
    return datetime.datetime.fromisoformat(stamp).timestamp() if stamp else 0.0


def stamp(at_s: float) -> str:
    """Return a time as the API server writes it."""
    return datetime.datetime.fromtimestamp(at_s, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def utc_now() -> datetime.datetime:
    """Return the wall clock."""
    return datetime.datetime.now(datetime.UTC)  # noqa: TID251  # a shell
