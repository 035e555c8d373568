"""Event time: by our clock where the sender says when it sent, and never later than the arrival."""

import pytest
from clickstream_collector.mapping.click import Refused
from clickstream_collector.mapping.event_time import MAX_CORRECTION_MS, corrected, seconds_or_ms, time_ms

NOW = 1_795_875_262_626
HOUR = 3_600_000


@pytest.mark.parametrize(
    ("reported", "sent", "expected"),
    [
        (None, None, NOW),
        (NOW - 5_000, None, NOW - 5_000),
        (NOW - HOUR - 5_000, NOW - HOUR, NOW - 5_000),
        (NOW + HOUR - 5_000, NOW + HOUR, NOW - 5_000),
        (NOW + 5_000, None, NOW),
        (NOW + 5_000, NOW, NOW),
        (NOW - 9 * MAX_CORRECTION_MS, NOW - 8 * MAX_CORRECTION_MS, NOW - 9 * MAX_CORRECTION_MS),
    ],
    ids=["none", "as said", "slow clock", "fast clock", "future", "after it was sent", "too far to tell"],
)
def test_time_is_corrected_within_bounds(reported: int | None, sent: int | None, expected: int) -> None:
    assert corrected(reported, sent, NOW) == expected


@pytest.mark.parametrize("reported", [0, -1, 1_690_000_000])
def test_a_clock_that_was_never_set_is_refused(reported: int) -> None:
    with pytest.raises(Refused, match="implausible-time"):
        corrected(reported, reported, NOW)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-28T14:14:22.626Z", NOW),
        ("2026-11-28T15:14:22.626123+01:00", NOW),
        ("2026-11-28T14:14:22.626", NOW),
        ("1795875262626", NOW),
        (NOW, NOW),
        (float(NOW), NOW),
        (None, None),
        ("", None),
    ],
)
def test_times_of_sdks_are_read(text: object, expected: int | None) -> None:
    assert time_ms(text, "timestamp") == expected


@pytest.mark.parametrize("value", ["soon", "9" * 40, 10**40, 1e300, True, [], "2026-99-01T00:00:00Z"])
def test_what_is_no_time_is_refused(value: object) -> None:
    with pytest.raises(Refused):
        time_ms(value, "timestamp")


def test_seconds_are_told_from_ms_by_their_size() -> None:
    assert seconds_or_ms(NOW / 1_000, "time") == NOW
    assert seconds_or_ms(NOW, "time") == NOW
