"""The independent count, and that its comparison finds what is lost, doubled, changed or miscounted."""

import copy
import json
from collections.abc import Callable

import pytest
from clickstream_local.load.profiles import Profile, make_profiles
from clickstream_local.smoke.changes import ProfileHistory
from clickstream_local.smoke.checks import Evidence, compare
from clickstream_local.smoke.model import Click, Expected, Rules, expect
from confluent_kafka import murmur2

RULES = Rules("user-clicks", 2, window_ms=300_000, grace_ms=60_000, max_future_ms=3_600_000)
NOW_MS = 1_790_000_100_000 // 300_000 * 300_000 + 100_000  # 100 s into a window
ALICE, *OTHERS = make_profiles(50)
P = murmur2(ALICE.user_id.encode(), 2)


def click(offset: int, event_ms: int, action: str = "view", user: str = ALICE.user_id) -> Click:
    value = {"user_id": user, "page_url": "/", "action": action, "timestamp": event_ms}
    return Click(murmur2(user.encode(), 2), offset, user.encode(), json.dumps(value).encode(), NOW_MS)


def everybody(user: str, _: int, __: int) -> Profile | None:
    return next((profile for profile in (ALICE, *OTHERS) if profile.user_id == user), None)


def expected_of(*clicks: Click) -> Expected:
    return expect(clicks, everybody, RULES)


def perfect(expected: Expected) -> Evidence:
    return Evidence(
        enriched=[(r["user_id"], dict(r), r["timestamp"]) for r in expected.enriched.values()],
        dead=[(*place, reason) for place, reason in expected.dead.items()],
        windows=dict(expected.windows),
        indexed=[(e, "clicks-2026.09.21", r["timestamp"]) for e, r in expected.enriched.items()],
    )


def test_a_heartbeat_is_filtered_and_does_not_advance_stream_time() -> None:
    expected = expected_of(click(0, NOW_MS), click(1, NOW_MS + 3_000_000, "heartbeat"), click(2, NOW_MS))
    assert (expected.filtered, len(expected.enriched), expected.dead) == (1, 2, {})


def test_a_late_click_is_enriched_dead_lettered_and_not_counted() -> None:
    start_ms = NOW_MS - NOW_MS % 300_000
    expected = expected_of(click(0, start_ms + 60_000), click(1, start_ms - 1))
    assert expected.dead == {(P, 1): "late"}
    assert len(expected.enriched) == 2
    assert dict(expected.windows) == {(ALICE.user_id, start_ms): 1}


def test_a_click_within_grace_is_counted() -> None:
    start_ms = NOW_MS - NOW_MS % 300_000
    expected = expected_of(click(0, start_ms + 59_999), click(1, start_ms - 1))
    assert expected.dead == {}


def test_an_unknown_user_is_unmatched() -> None:
    place = murmur2(b"nobody", 2)
    assert expected_of(click(0, NOW_MS, user="nobody")).dead == {(place, 0): "unmatched"}


def test_rolling_counts_the_seconds_of_the_window_and_no_more() -> None:
    expected = expected_of(*(click(i, NOW_MS + i * 1_000) for i in range(10)))
    assert expected.rolling(ALICE.user_id, NOW_MS + 9_999, 5_000) == 5
    assert expected.rolling(ALICE.user_id, NOW_MS + 4_000, 300_000) == 5


def test_a_click_meets_the_profile_of_its_offset() -> None:
    history = ProfileHistory([ALICE])
    history.change(ALICE.user_id, None, {0: 10, 1: 20})
    assert history.profile_at(ALICE.user_id, 1, 19) == ALICE
    assert history.profile_at(ALICE.user_id, 1, 20) is None
    assert history.profile_at(ALICE.user_id, 0, 10) is None
    assert history.now(ALICE.user_id) is None


def test_what_is_as_expected_passes() -> None:
    checks, totals = compare(EXPECTED, perfect(EXPECTED), "clicks")
    assert all(check.held for check in checks)
    assert (totals.duplicates, totals.missing) == (0, 0)


EXPECTED = expected_of(
    *(click(i, NOW_MS + i, user=profile.user_id) for i, profile in enumerate((ALICE, *OTHERS))),
    click(100, NOW_MS, user="nobody"),
    Click(0, 101, b"x", b"{", NOW_MS),
)


def _change_record(evidence: Evidence) -> None:
    key, record, time_ms = evidence.enriched[3]
    evidence.enriched[3] = (key, record | {"plan_tier": "other"}, time_ms)


def _change_time(evidence: Evidence) -> None:
    key, record, time_ms = evidence.enriched[3]
    evidence.enriched[3] = (key, record, time_ms + 1)


def _change_count(evidence: Evidence) -> None:
    evidence.windows[next(iter(evidence.windows))] += 1


def _change_reason(evidence: Evidence) -> None:
    evidence.dead[0] = (*evidence.dead[0][:2], "late")


def _change_day(evidence: Evidence) -> None:
    identity, _, time_ms = evidence.indexed[0]
    evidence.indexed[0] = (identity, "clicks-2026.09.20", time_ms)


def _sink_refused(evidence: Evidence) -> None:
    evidence.strange_dead = 1


FAULTS: dict[str, tuple[Callable[[Evidence], object], int, int]] = {  # fault: how, duplicates, missing
    "an enriched click is lost": (lambda e: e.enriched.pop(), 0, 1),
    "an enriched click is doubled": (lambda e: e.enriched.append(e.enriched[0]), 1, 0),
    "a dead letter is lost": (lambda e: e.dead.pop(), 0, 1),
    "a dead letter is doubled": (lambda e: e.dead.append(e.dead[0]), 1, 0),
    "a document is lost": (lambda e: e.indexed.pop(), 0, 1),
    "a document is in two indices": (
        lambda e: e.indexed.append((e.indexed[0][0], "clicks-2026.09.20", 0)),
        1,
        0,
    ),
    "a window is not told": (lambda e: e.windows.popitem(), 0, 0),
    "a count is wrong": (_change_count, 0, 0),
    "a profile's field is wrong": (_change_record, 0, 0),
    "a record's time is wrong": (_change_time, 0, 0),
    "a reason is wrong": (_change_reason, 0, 0),
    "a document is in the index of another day": (_change_day, 0, 0),
    "the sink refused a document": (_sink_refused, 0, 0),
}


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_fault_is_found(fault: str) -> None:
    evidence = copy.deepcopy(perfect(EXPECTED))
    spoil, duplicates, missing = FAULTS[fault]
    spoil(evidence)
    checks, totals = compare(EXPECTED, evidence, "clicks")
    assert not all(check.held for check in checks)
    assert (totals.duplicates, totals.missing) == (duplicates, missing)
