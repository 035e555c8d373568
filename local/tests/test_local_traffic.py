"""The generated clicks and profiles: the same for a seed, heavy-tailed, and flawed as told."""

from collections import Counter

import pytest
from clickstream_local.load.profiles import ALICE, make_profiles
from clickstream_local.load.traffic import LATE_BY_MS, MALFORMED, Flaws, Record, Traffic, malformed
from clickstream_local.smoke.model import Click, Rules, judge
from confluent_kafka import murmur2

PARTITIONS = 12
NOW_MS = 1_790_000_000_000
USERS = [profile.user_id for profile in make_profiles(1000)]
PERFECT = Flaws(malformed=0, late=0, unknown_user=0, too_early=0, delayed=0)
RULES = Rules("user-clicks", PARTITIONS, 300_000, 60_000, 3_600_000)


def sent(count: int, flaws: Flaws | None = None, seed: int = 1) -> list[Record]:
    traffic = Traffic(USERS, PARTITIONS, seed=seed, flaws=flaws)
    return [traffic.click(NOW_MS) for _ in range(count)]


def as_stored(record: Record) -> Click:
    chosen = record.partition if record.partition is not None else murmur2(record.key or b"", PARTITIONS)
    return Click(chosen, 0, record.key, record.value, NOW_MS)


def test_the_same_seed_gives_the_same_clicks() -> None:
    assert sent(500) == sent(500)
    assert sent(500) != sent(500, seed=2)


def test_the_same_seed_gives_the_same_profiles_with_alice_first() -> None:
    assert make_profiles(300) == make_profiles(300)
    assert make_profiles(1)[0].row() == {
        "user_id": ALICE,
        "name": "Alice Smith",
        "email": "alice@example.com",
        "country": "USA",
        "plan_tier": "premium",
    }
    assert len({profile.user_id for profile in make_profiles(5000)}) == 5000


def test_few_users_make_most_of_the_clicks() -> None:
    users = Counter(judge(as_stored(record), RULES)[1]["user_id"] for record in sent(20_000, PERFECT))
    most_active = sum(count for _, count in users.most_common(len(USERS) // 10))
    assert 0.5 < most_active / 20_000 < 0.9
    assert len(users) > len(USERS) / 3


def test_all_actions_occur_and_views_lead() -> None:
    actions = Counter(judge(as_stored(record), RULES)[1]["action"] for record in sent(20_000, PERFECT))
    assert actions.most_common(1)[0][0] == "view"
    assert min(actions[name] for name in ("search", "add_to_cart", "checkout", "purchase", "heartbeat")) > 100


def test_perfect_traffic_has_no_flaw() -> None:
    assert {judge(as_stored(record), RULES)[0] for record in sent(5_000, PERFECT)} == {""}


def test_flaws_come_in_the_shares_that_were_asked_for() -> None:
    asked = Flaws(malformed=0.06, late=0.05, unknown_user=0.04, too_early=0.03, delayed=0)
    judged = [judge(as_stored(record), RULES) for record in sent(20_000, asked)]
    reasons = Counter(reason for reason, _ in judged)
    assert set(reasons) == {"", "too-far-in-future", *MALFORMED}
    assert sum(reasons[kind] for kind in MALFORMED) / 20_000 == pytest.approx(0.06, rel=0.15)
    assert reasons["too-far-in-future"] / 20_000 == pytest.approx(0.03, rel=0.15)
    late = sum(fields.get("timestamp") == NOW_MS - LATE_BY_MS for _, fields in judged)
    assert late / 20_000 == pytest.approx(0.05, rel=0.15)
    unknown = sum(str(fields.get("user_id", "")).startswith("guest") for _, fields in judged)
    assert unknown / 20_000 == pytest.approx(0.04, rel=0.15)


@pytest.mark.parametrize("kind", MALFORMED)
def test_each_malformed_click_is_malformed_in_just_that_way(kind: str) -> None:
    fields: dict[str, object] = {"user_id": ALICE, "page_url": "/", "action": "view", "timestamp": NOW_MS}
    assert judge(as_stored(malformed(kind, fields, PARTITIONS)), RULES)[0] == kind
