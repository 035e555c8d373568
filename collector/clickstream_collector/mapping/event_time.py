"""When an event happened: times as SDKs write them, and the correction by the sender's clock. Pure."""

from datetime import UTC, datetime, timedelta
from typing import Any

from clickstream_collector.mapping.click import Refused

EARLIEST_MS = 10**11  # below it is what a clock in seconds says, or one that was never set
LATEST_MS = 2**53
# A clock that is further off, or a batch that was kept so long with its old `sent_at`, is not corrected: the
# two cannot be told apart.
MAX_CORRECTION_MS = 24 * 3_600_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


def corrected(reported_ms: int | None, sent_ms: int | None, received_ms: int) -> int:
    """Return the event time, ms: what the sender reported, by our clock, and never later than the arrival.

    Without a reported time it is the arrival. Raises Refused for a time before 1973.
    """
    if reported_ms is None:
        return received_ms
    if reported_ms < EARLIEST_MS:
        raise Refused("implausible-time", f"{reported_ms} ms since the epoch; is the sender's clock set?")
    if sent_ms is not None and -MAX_CORRECTION_MS <= received_ms - sent_ms <= MAX_CORRECTION_MS:
        reported_ms += received_ms - sent_ms
    return reported_ms if reported_ms < received_ms else received_ms


def time_ms(value: Any, name: str) -> int | None:
    """Return a time in ms from an ISO 8601 text or a number of ms; None where there is none.

    A text without a zone is UTC. Raises Refused for anything else.
    """
    if type(value) is str:
        if value.isascii() and value.removeprefix("-").isdigit():
            return _whole(value, name)
        try:
            moment = datetime.fromisoformat(value)
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=UTC)
            return (moment - _EPOCH) // _MS
        except (ValueError, OverflowError):
            if not value:
                return None
            raise Refused("implausible-time", f"{name}: {value[:64]!r} is no time") from None
    if type(value) is int:
        return bounded(value, name)
    if value is None:
        return None
    if type(value) is float:
        return bounded(value, name)
    raise Refused("mistyped-field", f"{name}: expected a time")


def seconds_or_ms(value: Any, name: str) -> int | None:
    """Return a time in ms from a number of seconds, with or without a fraction, or of ms."""
    if isinstance(value, int | float) and not isinstance(value, bool) and -EARLIEST_MS < value < EARLIEST_MS:
        return int(value * 1_000)
    return time_ms(value, name)


def lenient_ms(value: Any) -> int | None:
    """Return the time of a `sent_at`; None where it is none: an event is not lost for it."""
    try:
        return time_ms(value, "sent_at")
    except Refused:
        return None


def _whole(text: str, name: str) -> int:
    if len(text) > 20:
        raise Refused("implausible-time", f"{name}: {text[:20]}… is no time")
    return bounded(int(text), name)


def bounded(value: float, name: str) -> int:
    """Return a number of ms as a whole one; raises Refused beyond what a JSON reader takes."""
    if not -LATEST_MS <= value <= LATEST_MS:
        raise Refused("implausible-time", f"{name}: {value} ms since the epoch")
    return int(value)
